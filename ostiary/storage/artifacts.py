"""Messages that wait until they are fetched: each under an artifact, for one recipient, once (SAML bindings 3.6). Proves nobody."""

import base64
import json
from datetime import datetime, timedelta

from ostiary.saml.artifact import Artifact, new_artifact
from ostiary.saml.xml import Element, parse_xml, to_bytes
from ostiary.storage.stores import SessionStore


class WaitingMessages:
    """Those of one entity, in a store that all its nodes share. ``kind`` keeps them apart from what else is in the store; they are fetched
    at the ArtifactResolutionService of index ``endpoint``, within ``waits``."""

    def __init__(self, store: SessionStore, entity_id: str, *, kind: str, waits: timedelta, endpoint: int = 0) -> None:
        self._store = store
        self._entity_id = entity_id
        self._kind = kind
        self._waits = waits
        self._endpoint = endpoint

    def issue(self, message: Element, recipient: str, now: datetime) -> Artifact:
        """A new artifact that stands for ``message``, for this recipient (entityID) only. Raises `Unavailable`."""
        artifact = new_artifact(self._entity_id, self._endpoint)
        kept = json.dumps({"for": recipient, "message": base64.b64encode(to_bytes(message)).decode("ascii")}).encode()
        self._store.put(self._key(artifact), kept, expires=now + self._waits, now=now)
        return artifact

    def take(self, artifact: Artifact, recipient: str, now: datetime) -> Element | None:
        """The message, once; None for an artifact that is unknown, used, or too old, and for another recipient, who takes nothing away."""
        kept = self._store.get(self._key(artifact), now)
        if kept is None or json.loads(kept)["for"] != recipient:
            return None
        kept = self._store.take(self._key(artifact), now)
        return parse_xml(base64.b64decode(json.loads(kept)["message"])) if kept is not None else None

    def _key(self, artifact: Artifact) -> str:
        return f"{self._kind} artifact {artifact.handle.hex()}"
