"""An EntityDescriptor as the rules look at it: its elements, found once. Reads what the schema would refuse, too, and never raises."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from ostiary.saml import names
from ostiary.saml.xml import Element, qname

RoleKind = Literal["idp", "sp", "aa", "other"]
_ROLES: Final[dict[str, RoleKind]] = {
    qname(names.MD, "IDPSSODescriptor"): "idp",
    qname(names.MD, "SPSSODescriptor"): "sp",
    qname(names.MD, "AttributeAuthorityDescriptor"): "aa",
    qname(names.MD, "AuthnAuthorityDescriptor"): "other",
    qname(names.MD, "PDPDescriptor"): "other",
    qname(names.MD, "RoleDescriptor"): "other",
}
LANG: Final = qname(names.XML, "lang")


def all_of(parent: Element | None, namespace: str, *local_names: str) -> Iterator[Element]:
    """The children of these names, in document order; none of nothing."""
    if parent is not None:
        yield from parent.iterchildren(*(qname(namespace, name) for name in local_names))


def first_of(parent: Element | None, namespace: str, name: str) -> Element | None:
    """The first child of that name."""
    return next(all_of(parent, namespace, name), None)


def words_of(element: Element) -> str:
    """The text of an element, without the blanks around it."""
    return (element.text or "").strip()


def in_language(elements: Iterable[Element], language: str = "en") -> bool:
    """Whether one of them has a text in this language."""
    return any(words_of(one) and (one.get(LANG) or "").lower().split("-")[0] == language for one in elements)


@dataclass(frozen=True, eq=False)
class RoleView:
    """One role descriptor."""

    kind: RoleKind
    element: Element

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """protocolSupportEnumeration (SAML metadata 2.4.1)."""
        return tuple(self.element.get("protocolSupportEnumeration", "").split())

    @property
    def saml2(self) -> bool:
        """Whether it supports SAML 2.0."""
        return names.SAMLP in self.protocols

    @cached_property
    def extensions(self) -> Element | None:
        """Its md:Extensions."""
        return first_of(self.element, names.MD, "Extensions")

    @cached_property
    def ui(self) -> Element | None:
        """Its mdui:UIInfo."""
        return first_of(self.extensions, names.MDUI, "UIInfo")

    def key_descriptors(self, *uses: str | None) -> tuple[Element, ...]:
        """KeyDescriptors; with ``uses``, those of one of them (None: without ``use``)."""
        found = all_of(self.element, names.MD, "KeyDescriptor")
        return tuple(one for one in found if not uses or one.get("use") in uses)


@dataclass(frozen=True, eq=False)
class EntityView:
    """One EntityDescriptor."""

    element: Element

    @property
    def entity_id(self) -> str:
        """As it stands there."""
        return self.element.get("entityID", "")

    @cached_property
    def extensions(self) -> Element | None:
        """Its md:Extensions."""
        return first_of(self.element, names.MD, "Extensions")

    @cached_property
    def roles(self) -> tuple[RoleView, ...]:
        """Its role descriptors, in document order."""
        found = self.element.iterchildren(*_ROLES)
        return tuple(RoleView(_ROLES[str(one.tag)], one) for one in found)

    def of(self, *kinds: RoleKind) -> tuple[RoleView, ...]:
        """Its SAML 2.0 roles of these kinds."""
        return tuple(role for role in self.roles if role.kind in kinds and role.saml2)

    @cached_property
    def contacts(self) -> tuple[Element, ...]:
        """Its ContactPersons."""
        return tuple(all_of(self.element, names.MD, "ContactPerson"))

    @cached_property
    def attributes(self) -> tuple[Element, ...]:
        """The saml:Attributes of its mdattr:EntityAttributes."""
        holder = first_of(self.extensions, names.MDATTR, "EntityAttributes")
        return tuple(all_of(holder, names.SAML, "Attribute"))

    def values_of(self, attribute: str) -> tuple[tuple[Element, str], ...]:
        """The values of an entity attribute, each with its element."""
        return tuple(
            (value, words_of(value))
            for one in self.attributes
            if one.get("Name") == attribute
            for value in all_of(one, names.SAML, "AttributeValue")
        )

    @cached_property
    def categories(self) -> dict[str, Element]:
        """Its entity categories, each with the element that says so."""
        return {text: value for value, text in self.values_of(names.ENTITY_CATEGORY)}
