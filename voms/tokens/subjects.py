"""Whom a token that is shown stands for: one of this issuer's own, or one of an issuer that the configuration trusts. Changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, select

from ostiary.errors import ConfigurationError, NotAuthenticated, Refusal
from ostiary.federation.keys import KeyRing
from ostiary.saml.keys import TrustedKey
from ostiary.storage.engine import reading
from ostiary.tokens import check_dates, key_id, read_key_set, unverified_issuer, verified_claims
from voms.identities import FederatedIdentity
from voms.memberships import Memberships
from voms.standing import Standing
from voms.tables import vo_issued
from voms.tokens.settings import TrustedIssuerSettings, VoTokenSettings

TOKEN: Final = "token"  # noqa: S105 - a kind
"""The kind of a token among what was issued."""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """Somebody else's tokens, and the keys that sign them."""

    settings: TrustedIssuerSettings
    keys: Mapping[str, TrustedKey]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose token it is. ``claims`` are those of a token of our own, None for another's; ``ends``: when the token does; ``names_key``: the
    certificate with which it was got."""

    standing: Standing | None
    claims: Mapping[str, Any] | None
    ends: datetime
    names_key: str | None = None


def load_trusted_issuer(settings: TrustedIssuerSettings) -> TrustedIssuer:
    """Reads its keys. Raises `ConfigurationError` (``token.key_set``)."""
    try:
        return TrustedIssuer(settings, read_key_set(settings.keys.read_bytes()))
    except (OSError, Refusal) as error:
        raise ConfigurationError("token.key_set", file=settings.keys, expected="a JWK set", found=error) from None


class Subjects:
    """Reads tokens that are shown. ``ring`` and ``trusted`` are of the moment."""

    def __init__(
        self,
        memberships: Memberships,
        engine: Engine,
        settings: VoTokenSettings,
        issuer: str,
        *,
        ring: Callable[[], KeyRing],
        trusted: Callable[[], Mapping[str, TrustedIssuer]],
    ) -> None:
        self._memberships = memberships
        self._engine = engine
        self._settings = settings
        self._issuer = issuer
        self._ring = ring
        self._trusted = trusted

    def of(self, token: str, now: datetime, certificate: str | None) -> Subject:
        """Raises `NotAuthenticated` (``token.*``, ``voms.token_*``). ``certificate``: the thumbprint of the one that is shown with it."""
        issuer = unverified_issuer(token)
        if issuer == self._issuer:
            return self._own(token, now, certificate)
        known = self._trusted().get(issuer or "")
        if known is None:
            raise NotAuthenticated("voms.token_issuer", expected="an issuer that is trusted here", found=issuer)
        claims = verified_claims(token, known.keys)
        self._require_audience(claims, known.settings.audience or (self._issuer,))
        _refuse_bound(claims, certificate)
        ends = check_dates(claims, now)
        value = claims.get(known.settings.claim)
        if not isinstance(value, str) or not 0 < len(value) <= 1024:
            raise NotAuthenticated("voms.token_subject", expected=known.settings.claim, found="none")
        asserted_by = known.settings.asserted_by or known.settings.issuer
        identity = FederatedIdentity(asserted_by, known.settings.attribute, value)
        return Subject(self._memberships.of_identity(identity, now), None, ends)

    def _own(self, token: str, now: datetime, certificate: str | None) -> Subject:
        published = self._ring().published
        claims = verified_claims(token, {key_id(each.key): each.key for each in published if each.use == "signing"})
        # What was issued for a storage service is not good here: who receives it there could come with it.
        self._require_audience(claims, (self._issuer,))
        _refuse_bound(claims, certificate)
        ends = check_dates(claims, now)
        member, serial = claims.get("sub"), claims.get("jti")
        if not isinstance(member, str) or not isinstance(serial, str):
            raise NotAuthenticated("voms.token_subject", expected="sub and jti", found="others")
        return Subject(self._memberships.of_member(member, now), claims, ends, self._certificate_of(serial))

    def _require_audience(self, claims: Mapping[str, Any], wanted: tuple[str, ...]) -> None:
        named = claims.get("aud")
        listed = [named] if isinstance(named, str) else named if isinstance(named, list) else []
        if not any(each in wanted for each in listed):
            raise NotAuthenticated("voms.token_meant_for", expected=" or ".join(wanted), found=str(named)[:200])

    def _certificate_of(self, serial: str) -> str | None:
        """With which certificate it was got. One that was revoked, or that this database does not know, is not good."""
        wanted = select(vo_issued.c.revoked_at, vo_issued.c.names_key).where(vo_issued.c.serial == serial)
        with reading(self._engine) as connection:
            row = connection.execute(wanted.where(vo_issued.c.kind == TOKEN)).one_or_none()
        if row is None or row.revoked_at is not None:
            raise NotAuthenticated("voms.token_revoked", expected="a token that is still good", found=serial[:40])
        names_key: str | None = row.names_key
        return names_key


def _refuse_bound(claims: Mapping[str, Any], certificate: str | None) -> None:
    """RFC 8705 3.1: a token that is bound to a certificate is good only with it."""
    confirmation = claims.get("cnf")
    if confirmation is None:
        return
    wanted = confirmation.get("x5t#S256") if isinstance(confirmation, dict) else None
    # Both are public: nothing to learn from how long the comparison takes.
    if certificate is None or wanted != certificate:
        raise NotAuthenticated(
            "voms.token_bound", expected="the certificate that the token is bound to", found="another"
        )
