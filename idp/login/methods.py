"""Ways to find out who is there. A login method says who, or why not; it knows no page, no session and no throttle.

The reason of a `Rejected` is for the audit and the log. The person at the browser learns it only where ``proven`` says that it is hers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from idp.accounts.directory import Directory
from idp.accounts.passwords import Passwords

Reason = Literal[
    "unknown",
    "wrong_password",
    "disabled",
    "expired",
    "locked",
    "password_expired",
    "must_change",
    "not_now",
    "not_valid",
    "foreign",
]
"""``disabled`` and ``expired`` are the account's, ``not_now`` a rule about hours or places; ``not_valid`` is what a certificate or ticket
is that proves nothing, ``foreign`` one that proves a name which means nobody here."""

AmbientName = Literal["kerberos", "certificate", "front_end"]


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The credentials are right and the person is active. ``reply`` are header fields that prove to the browser who we are."""

    principal: str
    reply: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """They are not. ``principal`` names the person where there is one. ``proven``: only who knows the right password gets this answer,
    so that it may be told. ``detail`` is for the log."""

    reason: Reason
    principal: str | None = None
    proven: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NotOffered:
    """The request brings nothing that this method could look at. ``detail`` is for the log."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The browser is to be asked: 401 with these header fields."""

    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as ambient methods may see it. ``peer`` is the address of who holds the connection, ``client`` that of the browser, which
    a trusted proxy may have named; ``headers`` by name in lower case; ``chain`` are the certificates (DER, its own first) that the peer
    proved in its TLS handshake with us."""

    peer: str
    client: str
    headers: Mapping[str, str]
    chain: tuple[bytes, ...] = ()


class PasswordMethod(Protocol):
    """A login by a name and a password that a person types into the form."""

    def authenticate(self, username: str, password: str, now: datetime) -> Authenticated | Rejected:
        """Who it is. Raises `Unavailable` when the directory does not answer, `Refusal` for a password that can't be one."""
        ...


class AmbientMethod(Protocol):
    """A login by what the request itself brings: a ticket, a certificate, the word of a web server in front."""

    @property
    def name(self) -> AmbientName:
        """What the proof of a session is called."""
        ...

    def is_at_once(self, arrival: Arrival) -> bool:
        """Whether it is tried before any form is shown; otherwise the page has a link to it."""
        ...

    def look(self, arrival: Arrival, now: datetime) -> Authenticated | Rejected | NotOffered | Challenge:
        """Who it is. Raises `Unavailable`."""
        ...


class LoginNames(Protocol):
    """Whose login name it is."""

    def principal_of(self, login_name: str) -> str | None:
        """The principal, active or not; None when it is nobody's. Raises `Unavailable`."""
        ...


class ActivePeople(Protocol):
    """Who may log in at present."""

    def is_active(self, principal: str) -> bool:
        """Raises `Unavailable`."""
        ...


class PasswordLogin:
    """`PasswordMethod` against the embedded directory. Each attempt costs one look-up and one check, whoever is named."""

    def __init__(self, directory: Directory, passwords: Passwords) -> None:
        self._directory = directory
        self._passwords = passwords

    def authenticate(self, username: str, password: str, now: datetime) -> Authenticated | Rejected:
        credentials = self._directory.credentials(username) if _is_writable(username) else None
        stored = credentials.password_hash if credentials is not None else None
        checked = self._passwords.check(stored, password)
        if credentials is None:
            return Rejected("unknown")
        if not checked.right:
            return Rejected("wrong_password", credentials.principal)
        if not credentials.active:
            return Rejected("disabled", credentials.principal, proven=True)
        if checked.replacement is not None and stored is not None:
            self._directory.renew_hash(credentials.principal, stored, checked.replacement, at=now, by="idp")
        return Authenticated(credentials.principal)


def _is_writable(text: str) -> bool:
    """Whether a database can be asked for it: half a surrogate pair is no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class EmbeddedNames:
    """`LoginNames` of the embedded directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def principal_of(self, login_name: str) -> str | None:
        person = self._directory.find(login_name) if _is_writable(login_name) else None
        return person.principal if person is not None else None
