"""What is compared by `ostiary.command.metadata.changes`: a document, or what a service believes."""

from dataclasses import replace

from ostiary.command.metadata.changes import Side
from ostiary.command.metadata.opened import InForce, OpenedDocument
from ostiary.errors import Missing, OstiaryError
from ostiary.federation.index.extraction import digest_of
from ostiary.federation.model import Entity
from ostiary.federation.read import read_stored_entity


def side_of(document: OpenedDocument) -> Side:
    """A document. The end of the document as a whole is no end of an entity: it moves with each publication."""

    def read(entity_id: str) -> Entity:
        one = document.descriptors[entity_id]
        return read_stored_entity(one.octets(), one.own_end)

    return Side({entity_id: digest_of(one.octets()) for entity_id, one in document.descriptors.items()}, read)


def sides_in_force(believed: InForce, document: OpenedDocument) -> tuple[Side, Side]:
    """What a service believes, and a document, both as they are when they were read: without signatures and ends."""

    def now(entity_id: str) -> Entity:
        entity = believed.find(entity_id)
        if entity is None:
            raise Missing("metadata.unknown_entity", expected="an entity that is believed", found=entity_id)
        return replace(entity, valid_until=None)

    def then(entity_id: str) -> Entity:
        return replace(document.read(document.descriptors[entity_id]), valid_until=None)

    known = {entity.entity_id: digest_of(entity.source) for entity in believed.registry.all(believed.now)}
    return Side(known, now), Side({entity_id: _digest(document, entity_id) for entity_id in document.descriptors}, then)


def _digest(document: OpenedDocument, entity_id: str) -> bytes:
    try:
        return digest_of(document.read(document.descriptors[entity_id]).source)
    except OstiaryError:
        # It differs from everything, and why it can't be read is told with it.
        return b""
