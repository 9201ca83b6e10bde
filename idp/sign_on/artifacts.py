"""Responses that wait until their SP fetches them: each under an artifact, for one SP, once (SAML bindings 3.6)."""

import base64
import json
from datetime import datetime, timedelta
from typing import Final

from ostiary.saml.artifact import Artifact, new_artifact
from ostiary.saml.xml import Element, parse_xml, to_bytes
from ostiary.storage.stores import SessionStore

WAITS: Final = timedelta(minutes=5)
ENDPOINT_INDEX: Final = 0


class Artifacts:
    """Those of one identity provider (``entity_id``), in a store that all its nodes share."""

    def __init__(self, store: SessionStore, entity_id: str) -> None:
        self._store = store
        self._entity_id = entity_id

    def issue(self, message: Element, sp: str, now: datetime) -> Artifact:
        """A new artifact that stands for ``message``, for this SP (entityID) only, for `WAITS`. Raises `Unavailable`."""
        artifact = new_artifact(self._entity_id, ENDPOINT_INDEX)
        kept = json.dumps({"sp": sp, "message": base64.b64encode(to_bytes(message)).decode("ascii")}).encode()
        self._store.put(_key(artifact), kept, expires=now + WAITS, now=now)
        return artifact

    def take(self, artifact: Artifact, sp: str, now: datetime) -> Element | None:
        """The message, once; None for an artifact that is unknown, used, or too old, and for another SP, which takes nothing away."""
        kept = self._store.get(_key(artifact), now)
        if kept is None or json.loads(kept)["sp"] != sp:
            return None
        kept = self._store.take(_key(artifact), now)
        return parse_xml(base64.b64decode(json.loads(kept)["message"])) if kept is not None else None


def _key(artifact: Artifact) -> str:
    return f"idp artifact {artifact.handle.hex()}"
