"""Who calls the API: by the certificate of the connection, or by a token of the VO's own in the header. Decides what kind of call each
proof is good for; what the caller may do in the VO, the lists say."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from sqlalchemy import Engine

from ostiary.errors import Denied, NotAuthenticated
from ostiary.web.listener import PEER_CHAIN
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.clients import verify_client
from ostiary.x509.trust import TrustDirectory
from voms.administration.callers import NOBODY, Caller, caller_of_certificate, caller_of_member
from voms.tokens.scopes import MANAGE, READ
from voms.tokens.subjects import Subjects

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Proven:
    """``reads_only``: the code of the refusal of a change; None: she may ask for changes."""

    caller: Caller
    reads_only: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Callers:
    """Of one VO. ``subjects`` None: it gives no tokens, and takes none."""

    engine: Engine
    vo: str
    trust: Callable[[], TrustDirectory]
    subjects: Subjects | None

    def of(self, environ: "WSGIEnvironment", now: datetime) -> Proven:
        """A token counts before a certificate; who shows neither is nobody. Raises `NotAuthenticated` (``x509.*``, ``token.*``,
        ``voms.token_*``, ``voms.api_token``), `Denied` (``voms.api_scope``), `Unavailable`."""
        shown = environ.get("HTTP_AUTHORIZATION", "")
        chain: tuple[bytes, ...] = environ.get(PEER_CHAIN, ())
        if shown:
            return self._by_token(shown, chain, now)
        if not chain:
            return Proven(NOBODY)
        verified = verify_client(chain, self.trust(), now)
        names = CertificateNames.of(verified.end_entity)
        # As at the pages: whoever gets hold of a proxy shall not administer with it.
        reads_only = "voms.api_proxy" if verified.proxies else None
        return Proven(caller_of_certificate(self.engine, self.vo, names, now), reads_only)

    def _by_token(self, shown: str, chain: tuple[bytes, ...], now: datetime) -> Proven:
        if self.subjects is None or not shown.lower().startswith(_BEARER):
            raise NotAuthenticated("voms.api_token", expected="Bearer, and a token of this VO", found="something else")
        thumbprint = None
        if chain:
            verify_client(chain, self.trust(), now)
            thumbprint = urlsafe_b64encode(sha256(chain[0]).digest()).rstrip(b"=").decode()
        subject = self.subjects.of(shown[len(_BEARER) :].strip(), now, thumbprint)
        if subject.claims is None:
            raise NotAuthenticated("voms.api_token", expected="a token of this VO", found="another issuer's")
        scopes = str(subject.claims.get("scope", "")).split(" ")
        if READ not in scopes and MANAGE not in scopes:
            raise Denied("voms.api_scope", expected=f"{READ} or {MANAGE}", found=" ".join(scopes)[:200])
        caller = caller_of_member(self.engine, self.vo, str(subject.claims["sub"]), now)
        return Proven(caller, None if MANAGE in scopes else "voms.api_read_only")
