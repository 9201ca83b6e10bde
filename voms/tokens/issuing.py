"""Issues tokens: the VO's one decision, asked for what a token states, recorded, signed. Who may have one, `voms.selection` decides."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Engine, select

from ostiary import audit
from ostiary.errors import Denied, NotAuthenticated, Refusal
from ostiary.federation.keys import KeyRing
from ostiary.storage.engine import reading, writing
from ostiary.tokens import MAXIMUM_TOKEN, sign_token
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.chain import VerifiedChain
from ostiary.x509.fqan import Fqan
from voms.selection import Bounds, Grant, grant
from voms.service import VoAuthority
from voms.standing import Standing
from voms.status.issued import note_issued
from voms.tables import vo, vo_group
from voms.tokens.asked import TokenRequest
from voms.tokens.scopes import DEFAULT, MANAGE, Capability, Scopes, read_scopes
from voms.tokens.settings import VoTokenSettings
from voms.tokens.stating import asking, names_carried, stated, token_name, within
from voms.tokens.subjects import TOKEN, Subjects


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """``text`` is the JWT, ``scope`` what it was given, ``seconds`` how long it is good."""

    text: str
    serial: str
    scope: str
    seconds: int
    granted: Grant


@dataclass(frozen=True, slots=True)
class _Decided:
    """``hidden``: names that only give a capability; ``names_key``: the certificate on which all this rests, directly or by a token."""

    scopes: Scopes
    granted: Grant
    hidden: frozenset[Fqan]
    names_key: str | None


class TokenAuthority:
    """The tokens of one VO. ``issuer`` is its URL; ``ring`` gives the keys of the moment."""

    def __init__(
        self,
        authority: VoAuthority,
        subjects: Subjects,
        engine: Engine,
        settings: VoTokenSettings,
        issuer: str,
        *,
        ring: Callable[[], KeyRing],
    ) -> None:
        self._authority = authority
        self._subjects = subjects
        self._engine = engine
        self._settings = settings
        self._issuer = issuer
        self._ring = ring

    @property
    def vo(self) -> str:
        """The VO's name."""
        return self._authority.vo

    @property
    def issuer(self) -> str:
        """The issuer's URL."""
        return self._issuer

    def issue(self, request: TokenRequest, chain: Sequence[bytes], now: datetime) -> IssuedToken:
        """A token for who shows the certificates ``chain`` (DER, leaf first; empty for none), or in exchange for one.

        Raises `NotAuthenticated` (``x509.*``, ``token.*``, ``voms.token_*``), `Denied` (``voms.unknown``, ``voms.suspended``), `Refusal`
        (``voms.*``), `Unavailable`; nothing was issued then.
        """
        audience = request.audience or self._settings.default_audience
        if not audience:
            raise Refusal("voms.token_audience", expected="an audience", found="none")
        shown = self._authority.verified(chain, now) if chain or not request.is_exchange else None
        thumbprint = _thumbprint(chain[0]) if shown is not None else None
        if request.subject_token is not None:
            decided = self._exchanged(request, request.subject_token, thumbprint, now)
        elif shown is None:
            raise NotAuthenticated("x509.no_certificate", expected="a certificate", found="none")
        else:
            decided = self._for_certificate(request, shown, now)
        granted = decided.granted
        said = stated(granted, decided.scopes, decided.hidden)
        self._refuse_confusion(granted.vo, [fqan for fqan in granted.fqans if fqan not in decided.hidden])
        serial = secrets.token_hex(16)
        token = self._signed(granted, said.claims, audience, serial, thumbprint)
        self._record(decided, serial, now)
        seconds = int((granted.not_after - granted.not_before).total_seconds())
        return IssuedToken(token, serial, said.scope, seconds, granted)

    def _for_certificate(self, request: TokenRequest, shown: VerifiedChain, now: datetime) -> _Decided:
        standing = self._authority.standing(shown, now)
        if request.client_id is not None and request.client_id not in _client_ids(standing, shown):
            raise NotAuthenticated(
                "voms.token_client", expected="the client of this certificate", found=request.client_id
            )
        scopes = request.scopes or DEFAULT
        submits = shown.limited and any(_submits(each) for each in scopes.capabilities)
        # As at the pages: whoever gets hold of a proxy shall not administer with it.
        if submits or (shown.proxies and MANAGE in scopes.others):
            raise Refusal("voms.token_limited", expected="a proxy that is not limited", found="a limited one")
        question = asking(standing, scopes)
        granted = self._authority.decide(shown, standing, question.asked, now, longest=self._settings.longest)
        return _Decided(scopes, granted, question.for_capabilities, CertificateNames.of(shown.end_entity).key)

    def _exchanged(self, request: TokenRequest, token: str, thumbprint: str | None, now: datetime) -> _Decided:
        subject = self._subjects.of(token, now, thumbprint)
        standing, claims = subject.standing, subject.claims
        if standing is None:
            raise Denied("voms.unknown", expected=f"a member of {self.vo}", found="nobody", vo=self.vo)
        carried: frozenset[Fqan] | None = None
        scopes = request.scopes or DEFAULT
        if claims is not None:
            before = read_scopes(str(claims.get("scope", "")))
            scopes = request.scopes or before
            within(scopes, before, claims)
            if "wlcg.groups" in claims:
                carried = names_carried(standing, claims["wlcg.groups"])
        question = asking(standing, scopes)
        if carried is not None:
            carried |= question.for_capabilities
        bounds = Bounds(self._settings.longest, (subject.ends,))
        granted = grant(standing, question.asked, bounds, now, carried=carried)
        return _Decided(scopes, granted, question.for_capabilities, subject.names_key)

    def _refuse_confusion(self, name: str, fqans: Sequence[Fqan]) -> None:
        """A role and a group of one name: a token could not say which it means."""
        roles = [told for fqan in fqans if fqan.role is not None and (told := token_name(fqan)) is not None]
        if not roles:
            return
        wanted = select(vo_group.c.path).join(vo, vo.c.id == vo_group.c.vo_id).where(vo.c.name == name)
        with reading(self._engine) as connection:
            path = connection.execute(wanted.where(vo_group.c.path.in_(roles)).limit(1)).scalar_one_or_none()
        if path is not None:
            raise Refusal(
                "voms.token_role_is_group", expected="a role without a group of its name", found=path, group=path
            )

    def _signed(
        self, granted: Grant, claims: dict[str, Any], audience: Sequence[str], serial: str, thumbprint: str | None
    ) -> str:
        begin = int(granted.not_before.timestamp())
        whole = {
            "iss": self._issuer,
            "sub": granted.member,
            "aud": audience[0] if len(audience) == 1 else list(audience),
            "iat": begin,
            "nbf": begin,
            "exp": int(granted.not_after.timestamp()),
            "jti": serial,
            **claims,
        }
        if self._settings.certificate_bound and thumbprint is not None:
            whole["cnf"] = {"x5t#S256": thumbprint}
        token = sign_token(whole, self._ring().signer)
        if len(token) > MAXIMUM_TOKEN:
            raise Refusal("voms.token_too_long", expected=f"at most {MAXIMUM_TOKEN} characters", found=len(token))
        return token

    def _record(self, decided: _Decided, serial: str, now: datetime) -> None:
        """The audit row and the one by which it can be revoked. Paths may name people: they stay out."""
        granted, scopes = decided.granted, decided.scopes
        named = sorted({each.operation for each in scopes.capabilities} | set(scopes.others))
        facts = {
            "vo": granted.vo,
            "serial": serial,
            "fqans": [fqan.short() for fqan in granted.fqans[:100]],
            "scopes": named,
            "until": granted.not_after.isoformat(),
        }
        with writing(self._engine) as connection:
            note_issued(
                connection,
                granted.vo,
                serial=serial,
                kind=TOKEN,
                member=granted.member,
                names_key=decided.names_key,
                issued_at=granted.not_before,
                not_after=granted.not_after,
            )
            audit.record(
                connection,
                at=now,
                writer="voms",
                actor="voms",
                action="vo.token_issued",
                subject=granted.member,
                facts=facts,
            )


def _submits(capability: Capability) -> bool:
    """What a limited proxy is not good for: jobs."""
    return capability.operation.startswith("compute.") and capability.operation != "compute.read"


def _client_ids(standing: Standing, shown: VerifiedChain) -> tuple[str, ...]:
    """RFC 8705 2.1.2: a client is known by the name in its certificate."""
    return standing.member, shown.subject, CertificateNames.of(shown.end_entity).subject


def _thumbprint(der: bytes) -> str:
    """RFC 8705 3.1."""
    return urlsafe_b64encode(sha256(der).digest()).rstrip(b"=").decode()
