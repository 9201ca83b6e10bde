"""An MDQ server on loopback that answers as a test says, and a service that asks it."""

import contextlib
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha1
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ostiary.federation.model import Entity
from ostiary.federation.publish.documents import signed_entity
from ostiary.federation.sources.living import IndexedMetadata
from tests.federation.entities import END
from tests.metadata_sources.servers_that_misbehave import Handler, Server, reply, serving
from tests.metadata_sources.trusting import Clock, Service, certificate
from tests.saml.world import signer


def document(entity: Entity, *, by: str = "federation", until: datetime = END, cache_duration: str = "") -> bytes:
    """A signed answer."""
    octets = signed_entity(entity, signer("rsa", by), valid_until=until)
    if not cache_duration:
        return octets
    from ostiary.saml.signature import sign
    from ostiary.saml.xml import METADATA, parse_xml, qname, to_bytes

    root = parse_xml(octets, METADATA)
    for signature in list(root.iterchildren(qname("http://www.w3.org/2000/09/xmldsig#", "Signature"))):
        root.remove(signature)
    root.set("cacheDuration", cache_duration)
    sign(root, signer("rsa", by))
    return to_bytes(root)


def name_in(head: str) -> str:
    """Which entity a request is about: its entityID, or ``{sha1}...``."""
    return unquote(head.split(" ", 2)[1].rpartition("/")[2])


@dataclass
class Federation:
    """``documents``: what the server has, by entityID; ``instead``: what it does with every request. ``headers`` of all good answers."""

    documents: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    instead: Handler | None = None
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    def answer(self, connection: socket.socket, head: str) -> None:
        self.asked.append(name_in(head))
        self.heads.append(head)
        if self.instead is not None:
            self.instead(connection, head)
            return
        found = self._find(name_in(head))
        if found is None:
            reply("404 Not Found")(connection, head)
        elif (etag := self.headers.get("ETag")) is not None and f"If-None-Match: {etag}" in head:
            reply("304 Not Modified", **self.headers)(connection, head)
        else:
            reply(body=found, **self.headers)(connection, head)

    def _find(self, name: str) -> bytes | None:
        hashes: Mapping[str, bytes] = {
            "{sha1}" + sha1(known.encode(), usedforsecurity=False).hexdigest(): octets
            for known, octets in self.documents.items()
        }
        return self.documents.get(name) or hashes.get(name)


@dataclass
class World:
    """A service that has one source: the server."""

    directory: Path
    server: Server
    federation: Federation
    clock: Clock
    service: Service
    opened: list[IndexedMetadata] = field(default_factory=list)

    def open(self) -> IndexedMetadata:
        """Another process of the same machine, or the same one after a restart."""
        metadata = self.service.open()
        if not isinstance(metadata, IndexedMetadata):
            raise TypeError("a service that asks keeps an index")
        self.opened.append(metadata)
        return metadata


@contextlib.contextmanager
def asking(directory: Path, **settings: Any) -> Iterator[World]:
    federation, clock = Federation(), Clock()
    with serving(federation.answer) as server:
        source = {
            "mdq": f"http://127.0.0.1:{server.port}/",
            "trusted_certificates": [certificate(directory)],
            **settings,
        }
        world = World(directory, server, federation, clock, Service(directory, [source], clock))
        try:
            yield world
        finally:
            for metadata in world.opened:
                metadata.close()
