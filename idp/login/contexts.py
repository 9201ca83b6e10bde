"""Which authentication contexts the proofs of a session amount to, and which of them answers a request. Pure.

A login proves something by one method at one instant; a second factor adds a proof. What nobody proved is never stated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from idp.sessions.session import LoginProof, SsoSession
from ostiary.saml import names
from ostiary.saml.authn_contexts import STRENGTH, answers
from ostiary.saml.protocol import RequestedAuthnContext

# A login begins with one of these; the passkey verifies its user, so that it is two factors at once.
PRIMARY: Final = frozenset({"password", "kerberos", "certificate", "front_end", "passkey"})
SECOND: Final = frozenset({"totp", "passkey", "recovery_code"})


@dataclass(frozen=True, slots=True)
class Assurance:
    """What this organisation says of its logins: ``password`` is the class of one by password, ``front_end`` of one that a web server in
    front made, ``sfa`` whether every first factor keeps the REFEDS Single-Factor Authentication Profile."""

    password: str = names.PASSWORD_PROTECTED_TRANSPORT
    front_end: str = names.UNSPECIFIED_CONTEXT
    sfa: bool = False


DEFAULT_ASSURANCE: Final = Assurance()


class Asked(Protocol):
    """What of a request decides which proofs count; see `idp.sign_on.requests.WaitingRequest`."""

    @property
    def force_authn(self) -> bool: ...
    @property
    def turn(self) -> str | None: ...
    @property
    def fresh_since(self) -> datetime | None: ...


class Achieved(NamedTuple):
    """A class that may be stated, and since when what it rests on is proven."""

    context_class: str
    authn_instant: datetime


def achieved(proofs: Iterable[LoginProof], assurance: Assurance) -> tuple[Achieved, ...]:
    """All classes that these proofs amount to, strongest first. The instant of a class with two factors is that of the older one."""
    latest: dict[str, datetime] = {}
    for proof in proofs:
        known = latest.get(proof.method)
        latest[proof.method] = proof.at if known is None else max(known, proof.at)
    found = [
        Achieved(context, latest[method])
        for method, context in (
            ("certificate", names.TLS_CLIENT),
            ("password", assurance.password),
            ("kerberos", names.KERBEROS),
            ("front_end", assurance.front_end),
        )
        if method in latest
    ]
    if assurance.sfa and (primary := [at for method, at in latest.items() if method in PRIMARY]):
        found.append(Achieved(names.REFEDS_SFA, max(primary)))
    two_factors = None if SECOND.isdisjoint(latest) else _two_factors(latest)
    if two_factors is not None:
        found.append(Achieved(names.REFEDS_MFA, two_factors))
    if len(found) > 1:
        found.sort(key=lambda one: -STRENGTH.get(one.context_class, 0))
    return tuple(found)


def _two_factors(latest: Mapping[str, datetime]) -> datetime | None:
    """Since when two factors are proven; the latest way counts."""
    pairs = [
        min(first_at, second_at)
        for first, first_at in latest.items()
        for second, second_at in latest.items()
        if first in PRIMARY and second in SECOND and (first != second or first == "passkey")
    ]
    return max(pairs) if pairs else None


def choose(requested: RequestedAuthnContext | None, available: Sequence[Achieved]) -> Achieved | None:
    """The class that answers a request (SAML core 3.3.2.2.1), of those available, strongest first; None when none does.

    ``exact``: the first that the requester names; the others: the strongest that qualifies. Without a request the strongest.
    """
    if requested is None:
        return available[0] if available else None
    if requested.comparison == "exact":
        by_class = {one.context_class: one for one in available}
        return next((by_class[wanted] for wanted in requested.classes if wanted in by_class), None)
    return next((one for one in available if answers(one.context_class, requested)), None)


def achievable(methods: Iterable[str], assurance: Assurance, at: datetime) -> tuple[Achieved, ...]:
    """What somebody may at best achieve by these methods: first and second factors."""
    chosen = frozenset(methods)
    found: dict[str, Achieved] = {}
    for first in chosen & PRIMARY:
        for proofs in ((first,), *((first, second) for second in chosen & SECOND)):
            for one in achieved([LoginProof(method, at) for method in proofs], assurance):
                found.setdefault(one.context_class, one)
    return tuple(sorted(found.values(), key=lambda one: -STRENGTH.get(one.context_class, 0)))


def counted(session: SsoSession, asked: Asked) -> tuple[LoginProof, ...]:
    """The proofs of a session that count for a request: where it forces a login, those made during its turn; where it needs a fresh one,
    those that are not too old; else all."""
    if not asked.force_authn and asked.fresh_since is None:
        return session.proofs
    return tuple(
        proof
        for proof in session.proofs
        if (not asked.force_authn or (proof.turn is not None and proof.turn == asked.turn))
        and (asked.fresh_since is None or proof.at >= asked.fresh_since)
    )
