from datetime import UTC, datetime

import pytest

from attribute_authority.resolver.definitions import Definition, Note, make_attributes
from attribute_authority.resolver.value_types import VALUE_TYPES, is_well_formed
from ostiary.saml.attribute_names import is_known

EXAMPLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "c": (("de", "NL"), ("deu", "d", "12")),
    "eduPersonAffiliation": (("member", "library-walk-in", "Staff"), ("boss", "member ", "member@uni.example")),
    "eduPersonAssurance": (("https://refeds.org/assurance/IAP/low", "urn:x:y"), ("low", "https://a b", "x:")),
    "eduPersonEntitlement": (
        ("urn:mace:dir:entitlement:common-lib-terms", "http://xstor.com/contracts/HEd123"),
        ("root",),
    ),
    "eduPersonOrcid": (
        ("https://orcid.org/0000-0002-1825-0097", "http://orcid.org/0000-0002-1694-233X"),
        (
            "0000-0002-1825-0097",
            "https://orcid.org/0000-0002-1825-0098",
            "https://orcid.org.evil.example/0000-0002-1825-0097",
        ),
    ),
    "eduPersonOrgDN": (
        ("o=Hogwarts, dc=hsww, dc=wiz", "o=A\\, B+l=x,c=DE", '2.5.4.10="a,b",c=DE', "o=#04"),
        ("Hogwarts", "o=a,", "o=a\\", 'o="a', "=a", ""),
    ),
    "eduPersonPrincipalName": (("ada@uni.example", "ada l@uni"), ("ada@b@uni.example", "ada@", "ada@uni example")),
    "eduPersonScopedAffiliation": (("member@uni.example",), ("boss@uni.example", "member@a@b")),
    "eduPersonTargetedID": (("aGk=",), ("a b", "a!b")),
    "eduPersonUniqueId": (("28c5353b8bb34984a8bd4169ba94c606@foo.edu",), ("a-b@foo.edu", "x" * 65 + "@foo.edu")),
    "labeledURI": (("https://uni.example/~ada", "https://uni.example/~ada Ada's page"), ("Ada's page",)),
    "mail": (
        ("ada@uni.example", "a.b+c@x", '"a b\\""@uni.example', "ada@[192.0.2.1]"),
        (
            "ada",
            "ada@",
            "@uni",
            "a..b@uni",
            "ada@uni..example",
            "ada@-uni",
            "ä@uni",
            "a b@uni",
            "x" * 65 + "@uni",
            '"a"b"@uni',
        ),
    ),
    "pairwise-id": (("ABC=@uni.example",), ("a_b@uni.example",)),
    "preferredLanguage": (("de", "de-AT, en;q=0.8, *;q=0.1"), ("de;q=2", "de,,en", "german language")),
    "schacCountryOfCitizenship": (("es",), ("Spain",)),
    "schacDateOfBirth": (("19660412", "20000229"), ("1966-04-12", "19660431", "19010229", "196604", "1966041²")),
    "schacExpiryDate": (("20261231235959Z",), ("20261231", "20261231235959", "20261331235959Z", "20261231245959Z")),
    "schacGender": (("0", "1", "2", "9"), ("3", "f", "01", "")),
    "schacHomeOrganization": (("uni.example",), ("uni example", "-uni.example", ".example", "uni.example.")),
    "schacMotherTongue": (("es-ES",), ("es_ES", "")),
    "schacPersonalUniqueCode": (("urn:schac:personalUniqueCode:int:esi:uni.example:42",), ("42",)),
    "schacYearOfBirth": (("1966",), ("66", "19 66")),
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [(name, value, True) for name, (good, _) in EXAMPLES.items() for value in good]
    + [(name, value, False) for name, (_, bad) in EXAMPLES.items() for value in bad],
)
def test_a_value_has_the_form_that_its_standard_demands_or_not(name: str, value: str, expected: bool) -> None:
    assert is_well_formed(name, value) is expected


def test_what_no_standard_says_is_not_demanded() -> None:
    assert is_well_formed("displayName", "anything at all\nreally")
    assert is_well_formed("shoeSize", "")


def test_every_attribute_with_a_form_is_one_that_has_a_name_on_the_wire() -> None:
    assert [name for name in VALUE_TYPES if not is_known(name)] == []


@pytest.mark.parametrize("name", sorted(VALUE_TYPES))
def test_a_long_value_is_judged_at_once(name: str) -> None:
    for value in (
        "a" * 20_000,
        "a." * 10_000,
        '"\\' * 10_000,
        "o=" + "\\," * 9_000 + '"',
        "a@" * 10_000,
        "de," * 6_000,
        "0" * 20_000,
    ):
        assert not is_well_formed(name, value) or name in ("eduPersonOrgDN", "labeledURI")


def test_a_malformed_value_is_left_out_and_noted() -> None:

    made = make_attributes(
        [Definition("schacDateOfBirth", "born")],
        [{"born": ("1966-04-12", "19660412")}],
        issuer="https://idp.uni.example",
        at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    assert [attribute.texts() for attribute in made.attributes] == [("19660412",)]
    assert made.notes == (Note("malformed", "schacDateOfBirth"),)
