"""Every attack on a login, with the exact outcome. Run as a program it prints the outcomes as JSON, for `python -O`."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.attacks import forgeries, wrapping
from tests.attacks.victim import login, login_without_parser_and_schema

TRUE_USER = "AbCdEf0123456789 with member@northgate.example, staff@northgate.example, alma@northgate.example"


@dataclass(frozen=True)
class Attack:
    """``outcome``: of the whole path; ``deeper``: of the signature rules alone, where the parser or schema refuses before."""

    name: str
    make: Callable[[], bytes]
    outcome: str
    deeper: str | None = None


def _both(name: str, make: Callable[[str | None], bytes], *outcomes: str) -> tuple[Attack, ...]:
    """With a fresh ID on the forged element, and with the ID of the signed one."""
    fresh, same = outcomes[:2], outcomes[2:]
    return (
        Attack(f"{name}, another ID", partial(make, "_evil"), *fresh),
        Attack(f"{name}, the same ID", partial(make, None), *(same or fresh)),
    )


def _plain(module: object, *cases: tuple[str, ...]) -> tuple[Attack, ...]:
    return tuple(Attack(name, getattr(module, name), *outcomes) for name, *outcomes in cases)


STRUCTURE, SCHEMA, SEVERAL, DOCTYPE = "signature.structure", "xml.schema", "saml.several_assertions", "xml.doctype"
WRONG, MISSING, ALGORITHM = "signature.wrong", "signature.missing", "signature.algorithm"
DUPLICATE = "signature.duplicate_id"

ATTACKS: tuple[Attack, ...] = (
    *_both("XSW1", wrapping.xsw1, SCHEMA, SEVERAL),
    *_both("XSW2", wrapping.xsw2, SCHEMA, SEVERAL),
    *_both("XSW3", wrapping.xsw3, SEVERAL, SEVERAL, SCHEMA, SEVERAL),
    *_both("XSW4", wrapping.xsw4, SCHEMA, MISSING),
    *_both("XSW5", wrapping.xsw5, SEVERAL, SEVERAL, SCHEMA, SEVERAL),
    *_both("XSW6", wrapping.xsw6, SCHEMA, STRUCTURE, SCHEMA, DUPLICATE),
    *_both("XSW7", wrapping.xsw7, SEVERAL, SEVERAL, SCHEMA, SEVERAL),
    *_both("XSW8", wrapping.xsw8, STRUCTURE, STRUCTURE, SCHEMA, DUPLICATE),
    *_plain(
        wrapping,
        ("original_in_extensions", SEVERAL, SEVERAL),
        ("original_in_status_detail", SEVERAL, SEVERAL),
        ("original_in_advice", MISSING, MISSING),
        ("forged_in_status_detail", SEVERAL, SEVERAL),
        ("borrowed_signature", SEVERAL, SEVERAL),
        ("signed_response_inside", SCHEMA, SEVERAL),
        ("duplicate_id", DUPLICATE, DUPLICATE),
        ("duplicate_xml_id", SCHEMA, DUPLICATE),
    ),
    *_plain(
        forgeries,
        ("response_signature_stripped", MISSING, MISSING),
        ("assertion_signature_stripped", MISSING, MISSING),
        ("inner_signature_stripped", WRONG, WRONG),
        ("outer_signature_stripped", TRUE_USER),
        ("outer_signature_stripped_and_forged", WRONG, WRONG),
        ("value_changed", WRONG, WRONG),
        ("attribute_added", WRONG, WRONG),
        ("digest_smuggled_in_status_detail", WRONG, WRONG),
        ("second_digest_value", SCHEMA, STRUCTURE),
        ("comment_in_digest_value", WRONG, STRUCTURE),
        ("second_signed_info", SCHEMA, STRUCTURE),
        ("signed_info_in_key_info", SCHEMA, WRONG),
        ("signature_of_another_namespace", SCHEMA, WRONG),
        ("signature_by_prefix_only", SCHEMA, MISSING),
        ("id_attributes_of_other_namespaces", SCHEMA, WRONG),
        ("void_canonicalization", SCHEMA, WRONG),
        ("void_canonicalization_of_signed_info", SCHEMA, WRONG),
        ("hmac_with_the_public_key", ALGORITHM, ALGORITHM),
        ("sha1_signature", ALGORITHM, ALGORITHM),
        ("key_in_the_message", WRONG, WRONG),
        ("real_certificate_in_the_message", WRONG, WRONG),
        ("key_value_in_the_message", WRONG, WRONG),
        ("algorithm_none", ALGORITHM, ALGORITHM),
        ("xslt_transform", STRUCTURE, STRUCTURE),
        ("xpath_transform", STRUCTURE, STRUCTURE),
        ("comment_in_name", TRUE_USER),
        ("cdata_in_name", TRUE_USER),
        ("instruction_in_name", "xml.processing_instruction"),
        ("comment_in_attribute_value", TRUE_USER),
        ("comment_in_audience", TRUE_USER),
        ("two_roots", "xml.not_well_formed"),
        ("two_assertions", SEVERAL, SEVERAL),
        ("document_type", DOCTYPE),
        ("declared_entity_in_name", DOCTYPE),
        ("entity_in_id", DOCTYPE),
        ("external_entity", DOCTYPE),
        ("external_parameter_entity", DOCTYPE),
        ("billion_laughs", DOCTYPE),
        ("quadratic_blowup", DOCTYPE),
        ("utf_16_document_type", "xml.encoding"),
        ("flood_of_attributes", "xml.too_many_attributes"),
        ("flood_of_elements", "xml.too_many_elements"),
        ("deep_nesting", "xml.not_well_formed"),
        ("eight_megabytes", "binding.too_large"),
        ("colons_in_names", "xml.not_well_formed"),
        ("encrypted_assertion", "saml.encrypted"),
        ("encrypted_beside_signed", SCHEMA, "saml.encrypted"),
        ("other_issuer", "saml.issuer"),
    ),
)


def outcomes() -> dict[str, str]:
    """What each attack brings about."""
    return {attack.name: login(attack.make()) for attack in ATTACKS}


def deeper_outcomes() -> dict[str, str]:
    """The same without parser and schema, for the attacks on signatures."""
    return {attack.name: login_without_parser_and_schema(attack.make()) for attack in ATTACKS if attack.deeper}


if __name__ == "__main__":
    json.dump({"optimized": not __debug__, "outcomes": outcomes(), "deeper": deeper_outcomes()}, sys.stdout)
