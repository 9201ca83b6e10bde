"""A LogoutRequest from an SP (SAML profiles 4.4.3.1): who asks, proven, in time. Pure; the caller checks that it comes once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from idp.logout.rules import Asker
from ostiary.errors import Refusal
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import ReceivedMessage, prove
from ostiary.saml.decryption import Decryption, decrypt_name_id
from ostiary.saml.keys import TrustedKey
from ostiary.saml.logout import LogoutRequest, LogoutResponse, check_logout_request
from ostiary.saml.message import claimed_issuer
from ostiary.saml.validate import DEFAULT_TIMING, Timing, check_issue_instant, same

MAXIMUM_ID: Final = 256


@dataclass(frozen=True, slots=True)
class LogoutRules:
    """``locations``: where the messages of each binding arrive, as metadata says."""

    entity_id: str
    locations: Mapping[str, str]
    timing: Timing = DEFAULT_TIMING


@dataclass(frozen=True, slots=True)
class AcceptedLogout:
    """Which sessions of which subject an SP wants ended; no ``session_indexes`` means all. ``replay_key`` may be used once until
    ``replay_until``."""

    asker: Asker
    name_id: NameId
    session_indexes: tuple[str, ...]
    replay_key: str
    replay_until: datetime


def accept_logout(
    received: ReceivedMessage,
    registry: Registry,
    rules: LogoutRules,
    now: datetime,
    decrypting: tuple[rsa.RSAPrivateKey, ...] = (),
) -> AcceptedLogout:
    """``decrypting`` are the private keys that open an EncryptedID.

    Raises `Refusal`: ``saml.issuer_missing``, ``sso.unknown_sp``, ``signature.*`` (it has to be signed), ``saml.destination``,
    ``saml.too_old``, ``saml.from_the_future``, ``saml.expired``, ``saml.encrypted``, ``encryption.*``, ``logout.too_long``.
    """
    issuer, keys = _signing_keys(received, registry, now)
    decrypt = partial(decrypt_name_id, decryption=Decryption(rules.entity_id, decrypting)) if decrypting else None
    request = LogoutRequest.from_proof(prove(received, keys), decrypt)
    if len(request.id) > MAXIMUM_ID:
        raise Refusal("logout.too_long", expected=f"an ID of {MAXIMUM_ID} characters at most", found=len(request.id))
    check_logout_request(
        request,
        issuer=issuer,
        location=rules.locations[received.binding],
        front_channel=received.binding != names.SOAP,
        now=now,
        timing=rules.timing,
    )
    asker = Asker(issuer, request.id, received.binding, received.relay_state, request.asynchronous)
    until = request.issue_instant + rules.timing.max_age + 2 * rules.timing.skew
    key = f"logout {len(issuer)} {issuer} {request.id}"
    return AcceptedLogout(asker, request.name_id, request.session_indexes, key, until)


def proven_answer(received: ReceivedMessage, registry: Registry, now: datetime) -> LogoutResponse:
    """A LogoutResponse that an SP has signed. Raises `Refusal`: ``saml.issuer_missing``, ``sso.unknown_sp``, ``signature.*``."""
    issuer, keys = _signing_keys(received, registry, now)
    answer = LogoutResponse.from_proof(prove(received, keys))
    same("saml.issuer", issuer, answer.issuer)
    return answer


def check_answer(answer: LogoutResponse, *, sp: str, location: str | None, now: datetime, timing: Timing) -> None:
    """It is the answer of the SP that was asked, to this place (``location``; None over SOAP, where it need not say), and new. Its
    status is for `rules.said`. Raises `Refusal` (``saml.issuer``, ``saml.destination``, ``saml.too_old``, ``saml.from_the_future``)."""
    same("saml.issuer", sp, answer.issuer)
    if location is not None:
        same("saml.destination", location, answer.destination)
    check_issue_instant(answer.issue_instant, now, timing)


def _signing_keys(received: ReceivedMessage, registry: Registry, now: datetime) -> tuple[str, tuple[TrustedKey, ...]]:
    issuer = claimed_issuer(received.element)
    if not issuer:
        raise Refusal("saml.issuer_missing", expected="an Issuer", found="none")
    role = registry.sp(issuer, now)
    if role is None:
        raise Refusal("sso.unknown_sp", expected="a resource whose metadata is known and valid", found=issuer[:300])
    return issuer, role.signing_keys()
