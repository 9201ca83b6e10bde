"""Who asks an Attribute Authority, as far as metadata proves it. Data only: decides nothing."""

from dataclasses import dataclass

from ostiary.identifiers.requirement import Requirement

Origin = tuple[str, str, int]
"""Scheme, host and port, as `ostiary.policy.urltree.Location` has them."""


@dataclass(frozen=True, slots=True)
class RequestedAttribute:
    """One attribute that a requester's metadata asks for (``md:RequestedAttribute``, SAML metadata 2.4.4.2), with these values only
    where it names some."""

    name: str
    required: bool = False
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks, as far as metadata proves it.

    ``known`` is False for an entity without valid metadata, whose entityID alone is proven: only policies for ``anyone`` permit it
    something, every deny still holds. ``anonymous``: nothing at all is proven, and what else stands here is not looked at: only policies
    for ``anonymous`` permit it something. ``origins`` are those of its registered endpoints: the only ones for whose URLs it may ask.
    ``identifier`` says which subject identifier it needs, and is counted in ``requested`` too; None where its metadata does not say.
    ``entity_attributes``: names and values of its entity attributes (mdattr:EntityAttributes), entity categories included.
    """

    entity_id: str
    entity_categories: tuple[str, ...] = ()
    registration_authority: str | None = None
    requested: tuple[RequestedAttribute, ...] = ()
    known: bool = True
    origins: frozenset[Origin] = frozenset()
    identifier: Requirement | None = None
    entity_attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    anonymous: bool = False
