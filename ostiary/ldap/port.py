"""What the house asks of a directory: find one entry, and prove a password. Everything else about LDAP stays behind this port."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from ostiary.ldap.filters import Filter

BindOutcome = Literal[
    "accepted",
    "wrong_password",
    "disabled",
    "locked",
    "inactive",
    "expired",
    "password_expired",
    "must_change",
    "not_now",
]
"""``disabled``: the directory says that this entry may not be used, whatever the password (unwillingToPerform, constraintViolation);
``locked``: too many wrong passwords, so that it does not look at this one. The others but ``wrong_password`` are told only to who
has the right password: ``inactive`` and ``expired`` are the account's, ``not_now`` a rule about hours or places."""

AFTER_THE_RIGHT_PASSWORD: Final = frozenset(
    {"accepted", "inactive", "expired", "password_expired", "must_change", "not_now"}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its name, and the attributes that were asked for and may be read. Their names are in lower case."""

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]]

    def values(self, attribute: str) -> tuple[bytes, ...]:
        """The values as the directory stores them; none for an attribute that is not there."""
        return self.attributes.get(attribute.lower(), ())

    def texts(self, attribute: str) -> tuple[str, ...]:
        """The values that are UTF-8 text without NUL; others are left out."""
        return tuple(text for value in self.values(attribute) if (text := _text(value)) is not None)


class LdapDirectory(Protocol):
    """A directory. Each call ends within the time limits of its settings, and may be made from several threads."""

    def find_one(self, base: str, wanted: Filter, attributes: Sequence[str]) -> Entry | None:
        """The one entry at or below ``base`` that matches; None when there is none.

        Raises `Unavailable` with a code of ``ldap.*``; ``ldap.ambiguous`` when several match.
        """
        ...

    def bind(self, dn: str, password: bytes) -> BindOutcome:
        """Whether this is the password, in UTF-8, of the entry of this name (simple bind, RFC 4513 5.1.3).

        An empty password is wrong, and never sent: servers take it as a login of nobody in particular (RFC 4513 5.1.2).
        Raises `Unavailable` as `find_one`.
        """
        ...

    def close(self) -> None:
        """Closes connections that are kept for later."""
        ...


@dataclass(frozen=True, slots=True)
class Several:
    """The entries that matched; not ``complete`` when there are more than were asked for, or than the server gives."""

    entries: tuple[Entry, ...]
    complete: bool


class LdapSearches(Protocol):
    """A directory, for who looks for more than one entry. Time limits and threads as `LdapDirectory`."""

    def find_many(self, base: str, wanted: Filter, attributes: Sequence[str], *, most: int) -> Several:
        """The entries at or below ``base`` that match, at most so many. Raises `Unavailable` with a code of ``ldap.*``."""
        ...

    def read(self, dn: str, wanted: Filter, attributes: Sequence[str]) -> Entry | None:
        """The entry of this name, if it matches; None when it is not there, or may not be read. Raises as `find_many`."""
        ...


def _text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
