"""``artifact``: the ArtifactResolutionService, where a home organisation fetches an AuthnRequest (SAML bindings 3.6)."""

from datetime import datetime
from typing import Final

from ostiary.saml.xml import Element
from ostiary.web.log import Log
from sp_shire.handlers.routes import Routes, over_soap
from sp_shire.login.artifacts import ArtifactIssuer
from sp_shire.pages.replies import Replies
from sp_shire.snapshot import Snapshot


class Fetching:
    """What home organisations fetch at one resource. Reads no cookie: who asks signs."""

    def __init__(self, artifacts: ArtifactIssuer, replies: Replies, log: Log) -> None:
        self._artifacts = artifacts
        self._log = log
        self.routes: Final[Routes] = {"artifact": {"POST": over_soap(replies, self._resolve)}}

    def _resolve(self, message: Element, snapshot: Snapshot, now: datetime) -> bytes:
        resolved = self._artifacts.resolve(message, snapshot.registry, snapshot.keys, now)
        self._log.info("artifact_resolved", requester=resolved.issuer, found=resolved.found)
        return resolved.answer
