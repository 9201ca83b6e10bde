"""``status``, for operators alone: everybody else is told that there is no such page. Says nothing of people, and holds no secrets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509

from ostiary.config import Network, networks
from ostiary.errors import Missing, OstiaryError, Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.rotation import key_states
from ostiary.storage.stores import SessionStore
from ostiary.web.forms import optional, parse_query
from ostiary.web.operators import FORWARDING, Asked, Surroundings, who_asks
from ostiary.web.status import Check, MetadataLine, Watched, as_json, check_of, metadata_lines, own_version, problem_of
from sp_shire.addresses import Addresses
from sp_shire.handlers.routes import Routes
from sp_shire.messages import Reply, Request
from sp_shire.pages.page import prefers_json
from sp_shire.pages.replies import Replies
from sp_shire.settings import ShireSettings
from sp_shire.shar.breaker import Breakers, State
from sp_shire.snapshot import Snapshot

_FORWARDING: Final = tuple(name.lower() for name in FORWARDING)


@dataclass(frozen=True, slots=True)
class Reading:
    """The configuration in force: when it was read, and why a later state of its files was refused, if it was."""

    read_at: datetime
    problem: OstiaryError | None = None


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """One key: its state since when, and how many whole days its certificate is still valid (None where there is none)."""

    purpose: str
    state: str
    kind: str
    since: datetime
    fingerprint: str
    expires: datetime | None
    days_left: int | None


@dataclass(frozen=True, slots=True)
class AuthorityFacts:
    """An Attribute Authority that has not answered lately; ``again_at``: when it is asked again."""

    authority: str
    state: State
    failures: int
    again_at: datetime


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """Everything at one moment, by this process."""

    version: str
    entity_id: str
    now: datetime
    started: datetime
    configuration: Watched
    checks: tuple[Check, ...]
    metadata: tuple[MetadataLine, ...]
    keys: tuple[KeyFacts, ...]
    authorities: tuple[AuthorityFacts, ...]

    @property
    def good(self) -> bool:
        """Whether nothing waits for the operator."""
        return (
            self.configuration.problem is None
            and all(check.good for check in self.checks)
            and all(line.problem is None for line in self.metadata)
            and all(one.state == "closed" for one in self.authorities)
        )


class StatusPage:
    """The handler. ``token``: what an operator may send in place of an address of hers."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        reading: Callable[[], Reading],
        sessions: SessionStore,
        breakers: Breakers,
        replies: Replies,
        started: datetime,
    ) -> None:
        self._settings = settings
        self._around = Surroundings(addresses.host, addresses.https, settings.trusted_proxies)
        self._networks = networks(settings.status.addresses)
        self._token = settings.status.token()
        self._reading = reading
        self._sessions = sessions
        self._breakers = breakers
        self._replies = replies
        self._texts = replies.catalogue
        self._started = started
        self.routes: Final[Routes] = {"status": {"GET": self._status}}

    def _status(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        if who_asks(_asked(request), self._around, self._networks_for(request), self._token) is None:
            # As for every address that is not there: whoever may not see it does not learn that it is.
            raise Missing("http.not_found", expected="an operator's address or token", found=request.path[:200])
        wanted = optional(parse_query(request.query), "format", max_length=10)
        if wanted not in (None, "json", "html"):
            raise Refusal("status.format", expected="json or html", found=wanted)
        found = self._found(snapshot, now)
        code = 200 if all(check.good for check in found.checks) else 503
        if wanted == "json" or (wanted is None and prefers_json(request)):
            return self._replies.data(as_json(found), code)
        return self._replies.status_page(request, found, code)

    def _networks_for(self, request: Request) -> Sequence[Network]:
        """None where proxies should have said who asks and did not: the address is then that of one of them."""
        said = request.headers.get("x-forwarded-for", "")
        passed = len(said.split(",")) if said else 0
        return self._networks if passed >= self._settings.trusted_proxies else ()

    def _found(self, snapshot: Snapshot, now: datetime) -> ResourceStatus:
        reading = self._reading()
        problem = problem_of(reading.problem, self._texts)
        return ResourceStatus(
            version=own_version(),
            entity_id=self._settings.entity_id,
            now=now,
            started=self._started,
            configuration=Watched("configuration", reading.read_at, problem),
            checks=(check_of("store", lambda: self._sessions.get("status", now), self._texts),),
            metadata=metadata_lines(snapshot.registry.sources, self._texts),
            keys=tuple(_keys(self._settings.trust.keys, snapshot.keys, now)),
            authorities=tuple(
                AuthorityFacts(authority, one.state(now), one.failures, self._breakers.asks_again_at(authority, now))
                for authority, one in sorted(self._breakers.states().items())
            ),
        )


def _asked(request: Request) -> Asked:
    headers: Mapping[str, str] = request.headers
    return Asked(
        request.remote,
        headers.get("host", "").lower(),
        any(name in headers for name in _FORWARDING),
        headers.get("authorization"),
    )


def _keys(directory: Path, ring: KeyRing, now: datetime) -> Iterator[KeyFacts]:
    expire = {
        sha256(key.certificate).hexdigest(): x509.load_der_x509_certificate(key.certificate).not_valid_after_utc
        for key in ring.published
        if key.certificate is not None
    }
    for use in ("signing", "encryption"):
        try:
            states = key_states(directory, use)
        except (OstiaryError, OSError):
            # Broken, or in the middle of a change: the configuration complains of it.
            continue
        for key in states:
            expires = expire.get(key.fingerprint)
            left = max(0, (expires - now).days) if expires is not None else None
            yield KeyFacts(use, key.state, key.kind, key.since, key.fingerprint, expires, left)
