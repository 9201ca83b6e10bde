"""THE attribute model: what is said about a person, by whom and until when. Used by every room; knows no wire format.

Tuples with names, for each answer makes many of them: a frozen dataclass takes six times as long to make.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

# Attributes whose values are "left@scope" (eduPerson 202208, SAML Subject Identifier Attributes 1.0).
SCOPED = frozenset(
    {
        "eduPersonScopedAffiliation",
        "eduPersonPrincipalName",
        "eduPersonUniqueId",
        "eduPersonPrincipalNamePrior",
        "subject-id",
        "pairwise-id",
    }
)
# Of these case does not count (SAML Subject Identifier Attributes 1.0): they are kept in lower case, so that every comparison is right.
CASE_INSENSITIVE = frozenset({"subject-id", "pairwise-id"})


# Attributes whose values are persistent names (eduPerson 202208 2.2.11).
NAME_ID_VALUED = frozenset({"eduPersonTargetedID"})


class NameIdValue(NamedTuple):
    """A persistent name as a value (SAML core 8.3.7): who gave it and for whom it is, both entityIDs. Absent qualifiers are the issuer and
    the audience of the assertion that holds it."""

    value: str
    name_qualifier: str | None = None
    sp_name_qualifier: str | None = None


class Value(NamedTuple):
    """One value. ``scope`` is the part after the last ``@`` of a scoped attribute, None for every other attribute.

    A persistent name has ``name_id``; its ``text`` is then ``IdP!SP!value``, which is what policies and applications compare
    (`make_name_id_value`).
    """

    text: str
    scope: str | None = None
    name_id: NameIdValue | None = None

    def __str__(self) -> str:
        return self.text if self.scope is None else f"{self.text}@{self.scope}"


class Attribute(NamedTuple):
    """A named set of values asserted by one issuer.

    ``name`` is the friendly name of the standard's own schema (``eduPersonScopedAffiliation``, ``mail``); ``issuer`` the
    entityID or VO that asserts it; ``issued_at`` when it was asserted; ``valid_until`` (exclusive) until when it may be used;
    ``assurance`` the assurance profile under which it was vetted, where known; ``wire_name`` the URI by which SAML calls an
    attribute that no standard names.
    """

    name: str
    values: tuple[Value, ...]
    issuer: str | None = None
    issued_at: datetime | None = None
    valid_until: datetime | None = None
    assurance: str | None = None
    wire_name: str | None = None

    def texts(self) -> tuple[str, ...]:
        """The values as written, scope included."""
        # As `Value.__str__` does, without a call for each.
        return tuple([value.text if value.scope is None else f"{value.text}@{value.scope}" for value in self.values])

    def keeping(self, values: Iterable[Value]) -> "Attribute":
        """The same attribute with only these values."""
        kept = tuple(values)
        return self if kept == self.values else Attribute(self.name, kept, *self[2:])


Attributes = tuple[Attribute, ...]


def make_attribute(name: str, texts: Iterable[str], *, issuer: str | None = None) -> Attribute:
    """An attribute from plain strings; the scope of a scoped attribute is split off at the last ``@``.

    A value of a scoped attribute without ``@`` keeps ``scope=None``: acceptance policies refuse it.
    """
    return Attribute(name, tuple(make_value(name, text) for text in texts), issuer=issuer)


def make_value(name: str, text: str) -> Value:
    """One value of the attribute ``name``, its scope split off where the attribute is scoped."""
    if name in SCOPED and "@" in text:
        left, _, scope = (text.lower() if name in CASE_INSENSITIVE else text).rpartition("@")
        return Value(left, scope)
    return Value(text)


def make_name_id_value(name_id: NameIdValue) -> Value:
    """The value that a persistent name is, written as its qualifiers and itself with ``!`` between."""
    return Value(f"{name_id.name_qualifier or ''}!{name_id.sp_name_qualifier or ''}!{name_id.value}", name_id=name_id)


def texts_of(attributes: Iterable[Attribute], name: str) -> tuple[str, ...]:
    """All values of ``name`` from all issuers, as written, in order, without repetition."""
    found = (text for attribute in attributes if attribute.name == name for text in attribute.texts())
    return tuple(dict.fromkeys(found))
