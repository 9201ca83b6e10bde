"""Attributes on the wire: which ``urn:oid:`` name is which friendly name (pysaml2's maps), and the XML of saml:Attribute.

Never decides what may be said; a name that no map knows keeps its wire name.
"""

import functools
import runpy
from collections.abc import Iterable
from typing import Final

from ostiary.attributes import Attribute, Attributes, Value, make_value
from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.outline import Outline, Row, row
from ostiary.saml.schema import shipped_by_pysaml2
from ostiary.saml.xml import Element, qname

MAXIMUM_VALUES = 2_000
MAXIMUM_VALUE_LENGTH = 20_000

_ATTRIBUTE: Final = qname(names.SAML, "Attribute")
_ENCRYPTED_ATTRIBUTE: Final = qname(names.SAML, "EncryptedAttribute")
_ATTRIBUTE_VALUE: Final = qname(names.SAML, "AttributeValue")
_NAME_ID: Final = qname(names.SAML, "NameID")


@functools.cache
def _map() -> tuple[dict[str, str], dict[str, str]]:
    """Wire name to friendly name, and back (SAML profiles 8.1; the MACE-Dir attribute profile)."""
    # Run as a file: importing the package would bring a second XML stack into each protected application.
    loaded = runpy.run_path(str(shipped_by_pysaml2("attributemaps", "saml_uri.py")))["MAP"]
    return dict(loaded["fro"]), dict(loaded["to"])


def friendly_name(wire_name: str, name_format: str) -> str:
    """The friendly name of a wire name; the wire name itself where no map knows it or the format is not ``uri``."""
    return _map()[0].get(wire_name, wire_name) if name_format == names.URI_NAME else wire_name


def wire_name(name: str) -> str:
    """The ``urn:oid:`` (or other URI) name of a friendly name; the name itself where no map knows it."""
    return _map()[1].get(name, name)


def is_known(name: str) -> bool:
    """Whether the maps know this friendly name."""
    return name in _map()[1]


def write_attributes(outline: Outline, depth: int, attributes: Iterable[Attribute]) -> None:
    """Adds a saml:Attribute for each (SAML core 2.7.3.1), values as xs:string."""
    for attribute in attributes:
        texts = attribute.texts()
        outline.rows += _attribute_rows(attribute.name, len(texts), depth)
        outline.values += texts


@functools.lru_cache(maxsize=1024)
def _attribute_rows(name: str, values: int, depth: int) -> tuple[Row, ...]:
    wire = wire_name(name)
    friendly = (("FriendlyName", name),) if wire != name else ()
    named = [("Name", wire), ("NameFormat", names.URI_NAME), *friendly]
    value = row(depth + 1, names.SAML, "AttributeValue", fixed=[(qname(names.XSI, "type"), "xs:string")], text=True)
    return row(depth, names.SAML, "Attribute", fixed=named), *[value] * values


def read_attributes(parent: Element, issuer: str | None) -> Attributes:
    """The saml:Attribute children as attributes of ``issuer``. Values that are nil or empty are left out.

    Raises `Refusal`: ``saml.attribute_limits`` (too many or too long), ``saml.encrypted`` (EncryptedAttribute).
    """
    if next(parent.iterchildren(_ENCRYPTED_ATTRIBUTE), None) is not None:
        raise Refusal("saml.encrypted", expected="attributes in the clear", found="EncryptedAttribute")
    found: list[Attribute] = []
    count = 0
    # Most of the time that a Response takes to be read goes by here.
    for element in parent.iterchildren(_ATTRIBUTE):
        name = friendly_name(element.get("Name", ""), element.get("NameFormat", names.UNSPECIFIED_NAME))
        values: list[Value] = []
        for value in element.iterchildren(_ATTRIBUTE_VALUE):
            text = _value_text(value)
            count += 1
            if count > MAXIMUM_VALUES or len(text) > MAXIMUM_VALUE_LENGTH:
                raise Refusal(
                    "saml.attribute_limits",
                    expected=f"at most {MAXIMUM_VALUES} values of at most {MAXIMUM_VALUE_LENGTH} characters",
                    found=f"more, at {name[:100]}",
                )
            if text:
                values.append(make_value(name, text))
        found.append(Attribute(name, tuple(values), issuer))
    return tuple(found)


def _value_text(value: Element) -> str:
    """The text of a value; of a value that holds a NameID (eduPersonTargetedID), the text of that NameID."""
    if not len(value):
        return (value.text or "").strip()
    if len(value) == 1 and value[0].tag == _NAME_ID and not len(value[0]):
        return (value[0].text or "").strip()
    return ""
