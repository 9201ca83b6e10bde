"""``artifact``: the ArtifactResolutionService, where a home organisation fetches an AuthnRequest (SAML bindings 3.6)."""

from datetime import datetime
from typing import Final

from ostiary.errors import Refusal
from ostiary.saml.bindings import decode_soap
from ostiary.web.log import Log
from sp_shire.handlers.routes import Routes, soap_only
from sp_shire.login.artifacts import ArtifactIssuer
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.snapshot import Snapshot


class Fetching:
    """What home organisations fetch at one resource. Reads no cookie: who asks signs."""

    def __init__(self, artifacts: ArtifactIssuer, replies: Replies, log: Log) -> None:
        self._artifacts = artifacts
        self._replies = replies
        self._log = log
        self.routes: Final[Routes] = {"artifact": {"POST": self._resolve}}

    def _resolve(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        soap_only(request)
        try:
            message = decode_soap(request.body)
        except Refusal as problem:
            return self._replies.soap_fault(request, problem)
        resolved = self._artifacts.resolve(message, snapshot.registry, snapshot.keys, now)
        self._log.info("artifact_resolved", requester=resolved.issuer, found=resolved.found)
        return self._replies.soap(resolved.answer)
