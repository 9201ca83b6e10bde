"""Attributes on the wire: which ``urn:oid:`` name is which friendly name (pysaml2's maps, and more), and the XML of saml:Attribute.

Never decides what may be said; a name that no map knows keeps its wire name.
"""

import functools
import runpy
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.attributes import (
    NAME_ID_VALUED,
    Attribute,
    Attributes,
    NameIdValue,
    Value,
    make_name_id_value,
    make_value,
)
from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.outline import Outline, Row, row
from ostiary.saml.schema import shipped_by_pysaml2
from ostiary.saml.xml import Element, qname

MAXIMUM_VALUES = 2_000
MAXIMUM_VALUE_LENGTH = 20_000
MAXIMUM_NAME_LENGTH = 1_024

_ATTRIBUTE: Final = qname(names.SAML, "Attribute")
_ENCRYPTED_ATTRIBUTE: Final = qname(names.SAML, "EncryptedAttribute")
_ATTRIBUTE_VALUE: Final = qname(names.SAML, "AttributeValue")
_NAME_ID: Final = qname(names.SAML, "NameID")
# Under another format a NameID is no persistent name.
_PERSISTENT: Final = frozenset({None, names.PERSISTENT, names.UNSPECIFIED_NAMEID})

# Attributes of people that pysaml2's maps lack, or write wrongly (labeledURI): eduPerson 202208, SCHAC 1.6, inetOrgPerson (RFC 2079, 2798,
# 4519, 4524).
_BEYOND_THE_MAPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "eduPersonAnalyticsTag": "urn:oid:1.3.6.1.4.1.5923.1.1.1.17",
        "eduPersonDisplayPronouns": "urn:oid:1.3.6.1.4.1.5923.1.1.1.18",
        "schacYearOfBirth": "urn:oid:1.3.6.1.4.1.25178.1.0.2.3",
        "audio": "urn:oid:0.9.2342.19200300.100.1.55",
        "description": "urn:oid:2.5.4.13",
        "homePhone": "urn:oid:0.9.2342.19200300.100.1.20",
        "homePostalAddress": "urn:oid:0.9.2342.19200300.100.1.39",
        "labeledURI": "urn:oid:1.3.6.1.4.1.250.1.57",
        "manager": "urn:oid:0.9.2342.19200300.100.1.10",
        "mobile": "urn:oid:0.9.2342.19200300.100.1.41",
        "pager": "urn:oid:0.9.2342.19200300.100.1.42",
        "photo": "urn:oid:0.9.2342.19200300.100.1.7",
        "roomNumber": "urn:oid:0.9.2342.19200300.100.1.6",
        "secretary": "urn:oid:0.9.2342.19200300.100.1.21",
        "seeAlso": "urn:oid:2.5.4.34",
    }
)


@functools.cache
def _map() -> tuple[dict[str, str], dict[str, str]]:
    """Wire name to friendly name, and back (SAML profiles 8.1; the MACE-Dir attribute profile)."""
    loaded = _shipped("saml_uri.py")
    known_here = {wire: name for name, wire in _BEYOND_THE_MAPS.items()}
    return {**known_here, **loaded["fro"]}, {**loaded["to"], **_BEYOND_THE_MAPS}


@functools.cache
def _older_names() -> dict[str, str]:
    """``urn:mace:dir:attribute-def:`` names, as SAML 1.1 and some SAML 2.0 software writes them, to friendly names."""
    return dict(_shipped("basic.py")["fro"])


def _shipped(file: str) -> dict[str, dict[str, str]]:
    # Run as a file: importing the package would bring a second XML stack into each protected application.
    loaded: dict[str, dict[str, str]] = runpy.run_path(str(shipped_by_pysaml2("attributemaps", file)))["MAP"]
    return loaded


def friendly_name(wire_name: str, name_format: str) -> str:
    """The friendly name of a wire name: of ``urn:oid:`` and other standard names where the format is ``uri``, of
    ``urn:mace:dir:attribute-def:`` names in any format; the wire name itself where no map knows it."""
    if name_format == names.URI_NAME:
        known = _map()[0].get(wire_name)
        if known is not None:
            return known
    return _older_names().get(wire_name, wire_name)


def wire_name(name: str) -> str:
    """The ``urn:oid:`` (or other URI) name of a friendly name; the name itself where no map knows it."""
    return _map()[1].get(name, name)


def is_known(name: str) -> bool:
    """Whether the maps know this friendly name."""
    return name in _map()[1]


def known_names() -> frozenset[str]:
    """The friendly names of all attributes that some map knows."""
    return frozenset(_map()[1])


def write_attributes(outline: Outline, depth: int, attributes: Iterable[Attribute]) -> None:
    """Adds a saml:Attribute for each (SAML core 2.7.3.1): under its own wire name, or the one that the maps know; values as xs:string,
    persistent names as saml:NameID."""
    rows, values = outline.rows, outline.values
    for attribute in attributes:
        texts = attribute.texts()
        plain = _attribute_rows(attribute.name, attribute.wire_name, len(texts), depth)
        if plain:
            rows += plain
            values += texts
        else:
            _write_name_ids(outline, depth, attribute)


@functools.lru_cache(maxsize=1024)
def _attribute_rows(name: str, wire: str | None, values: int, depth: int) -> tuple[Row, ...]:
    """The attribute with so many texts; nothing for one whose values are no texts."""
    return () if name in NAME_ID_VALUED else _named_rows(name, wire, values, depth)


def _named_rows(name: str, wire: str | None, values: int, depth: int) -> tuple[Row, ...]:
    wire = wire or wire_name(name)
    friendly = (("FriendlyName", name),) if wire != name else ()
    named = [("Name", wire), ("NameFormat", names.URI_NAME), *friendly]
    value = row(depth + 1, names.SAML, "AttributeValue", fixed=[(qname(names.XSI, "type"), "xs:string")], text=True)
    return row(depth, names.SAML, "Attribute", fixed=named), *[value] * values


def _write_name_ids(outline: Outline, depth: int, attribute: Attribute) -> None:
    head, text, holder, name_id = _name_id_rows(attribute.name, attribute.wire_name, depth)
    outline.add(head)
    for value in attribute.values:
        if value.name_id is None:
            # Asked for by its text: what is asserted of a person has its qualifiers.
            outline.add(text, str(value))
        else:
            outline.add(holder)
            outline.add(name_id, value.name_id.name_qualifier, value.name_id.sp_name_qualifier, value.name_id.value)


@functools.cache
def _name_id_rows(name: str, wire: str | None, depth: int) -> tuple[Row, ...]:
    persistent = [("Format", names.PERSISTENT)]
    return (
        *_named_rows(name, wire, 1, depth),
        row(depth + 1, names.SAML, "AttributeValue"),
        row(depth + 2, names.SAML, "NameID", "NameQualifier", "SPNameQualifier", fixed=persistent, text=True),
    )


def read_attributes(parent: Element, issuer: str | None) -> Attributes:
    """The saml:Attribute children as attributes of ``issuer``. Values that are nil or empty are left out, and so is what holds other
    elements than one persistent NameID. Whether its qualifiers are right is for acceptance to say.

    Raises `Refusal`: ``saml.attribute_limits`` (too many or too long), ``saml.encrypted`` (EncryptedAttribute).
    """
    found: list[Attribute] = []
    count = 0
    # Most of the time that a Response takes to be read goes by here. Asking lxml for one kind of children takes three times as long.
    for element in parent:
        tag = element.tag
        if tag != _ATTRIBUTE:
            if tag == _ENCRYPTED_ATTRIBUTE:
                raise Refusal("saml.encrypted", expected="attributes in the clear", found="EncryptedAttribute")
            continue
        named, name_format = element.get("Name", ""), element.get("NameFormat", names.UNSPECIFIED_NAME)
        if len(named) > MAXIMUM_NAME_LENGTH or len(name_format) > MAXIMUM_NAME_LENGTH:
            raise Refusal(
                "saml.attribute_limits",
                expected=f"names of at most {MAXIMUM_NAME_LENGTH} characters",
                found=f"more, at {named[:100]}",
            )
        name = friendly_name(named, name_format)
        values: list[Value] = []
        for value in element:
            if value.tag != _ATTRIBUTE_VALUE:
                continue
            if len(value):
                held = _read_name_id(value)
                text = held.value if held is not None else ""
            else:
                held, text = None, (value.text or "").strip()
            count += 1
            if count > MAXIMUM_VALUES or len(text) > MAXIMUM_VALUE_LENGTH:
                raise Refusal(
                    "saml.attribute_limits",
                    expected=f"at most {MAXIMUM_VALUES} values of at most {MAXIMUM_VALUE_LENGTH} characters",
                    found=f"more, at {name[:100]}",
                )
            if text:
                values.append(make_value(name, text) if held is None else make_name_id_value(held))
        found.append(Attribute(name, tuple(values), issuer))
    return tuple(found)


def _read_name_id(value: Element) -> NameIdValue | None:
    """The persistent name that a value holds, and nothing else."""
    inner = value[0]
    if len(value) != 1 or inner.tag != _NAME_ID or len(inner) or inner.get("Format") not in _PERSISTENT:
        return None
    return NameIdValue((inner.text or "").strip(), inner.get("NameQualifier"), inner.get("SPNameQualifier"))
