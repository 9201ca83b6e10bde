"""Login with a name and a password of a directory: the entry is found by the name, and its own password proves who it is.

A name counts only where the entry itself holds it as the embedded directory would compare it; servers are more generous, and each spelling
more would be one more name for the throttle to count.
"""

import secrets
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from idp.accounts.directory import login_key
from idp.accounts.passwords import prepared_password
from idp.login.methods import Authenticated, Rejected
from ostiary.errors import Unavailable
from ostiary.ldap.dn import child
from ostiary.ldap.filters import Compare, Filter, equalities, fill
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.port import AFTER_THE_RIGHT_PASSWORD, BindOutcome, Entry

LOGIN: Final = "{login}"
_MAXIMUM_NAME: Final = 256
_UNWRITABLE: Final = ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")


class LdapLogin:
    """`idp.login.methods.PasswordMethod` against a directory. ``login_filter`` holds ``{login}`` in an equality. ``domains`` may stand
    before a name, as in ``DOMAIN\\name``.

    Each attempt is one search and one bind, whoever is named: where nobody has the name, the bind goes to ``decoy_dn``, or to
    a name that no entry has (which servers answer faster than a wrong password, so that time tells what the page does not).
    Whether the person is active is asked only after the right password.
    """

    def __init__(
        self, people: LdapPeople, login_filter: Filter, *, decoy_dn: str | None = None, domains: Sequence[str] = ()
    ) -> None:
        self._people = people
        self._filter = login_filter
        self._names = _names_in(login_filter)
        self._decoy_dn = decoy_dn
        self._domains = domains

    def authenticate(self, username: str, password: str, now: datetime) -> Authenticated | Rejected:
        prepared = prepared_password(password)
        name = _presentable(username, self._domains)
        if not prepared or name is None:
            return Rejected("wrong_password" if name is not None else "unknown")
        found = self._people.find_by(fill(self._filter, LOGIN, name), [compared.attribute for compared in self._names])
        if found is None or not _is_name_of(name, found.entry, self._names):
            self._people.directory.bind(self._decoy(), prepared)
            return Rejected("unknown")
        outcome = self._people.directory.bind(found.entry.dn, prepared)
        if outcome != "accepted":
            return _rejection(outcome, found.principal)
        if not self._people.is_active_now(found.principal):
            return Rejected("disabled", found.principal, proven=True)
        return Authenticated(found.principal)

    def _decoy(self) -> str:
        return self._decoy_dn or child("cn", secrets.token_hex(8), self._people.base_dn)


class LdapNames:
    """`idp.people.PeopleOfIdp` over a directory. The login name is the first value of an attribute that is nothing but the login name."""

    def __init__(self, people: LdapPeople, login_filter: Filter, *, domains: Sequence[str] = ()) -> None:
        self._people = people
        self._filter = login_filter
        self._names = _names_in(login_filter)
        self._domains = domains
        self._attributes = [compared.attribute for compared in self._names if compared.value == LOGIN.encode()]

    def is_active(self, principal: str) -> bool:
        return self._people.is_active(principal)

    def login_name(self, principal: str) -> str | None:
        entry = self._people.find(principal, self._attributes)
        if entry is None:
            return None
        return next((text for attribute in self._attributes for text in entry.texts(attribute)), None)

    def principal_of(self, login_name: str) -> str | None:
        """Whose login name this is, active or not; None when it is nobody's. Raises `Unavailable`."""
        name = _presentable(login_name, self._domains)
        if name is None:
            return None
        found = self._people.find_by(fill(self._filter, LOGIN, name), [compared.attribute for compared in self._names])
        return found.principal if found is not None and _is_name_of(name, found.entry, self._names) else None

    def check(self) -> None:
        self._people.check()

    def close(self) -> None:
        """Closes the connections."""
        self._people.close()


def _is_name_of(name: str, entry: Entry, names: Sequence[Compare]) -> bool:
    if not any(entry.values(compared.attribute) for compared in names):
        asked = ", ".join(compared.attribute for compared in names)
        raise Unavailable("ldap.no_login_name", expected=f"that {asked} may be read", found=f"none at {entry.dn}")
    return any(
        login_key(compared.value.decode(errors="replace").replace(LOGIN, name)) == login_key(text)
        for compared in names
        for text in entry.texts(compared.attribute)
    )


def _names_in(login_filter: Filter) -> tuple[Compare, ...]:
    return tuple(compared for compared in equalities(login_filter) if LOGIN.encode() in compared.value)


def _rejection(outcome: BindOutcome, principal: str) -> Rejected:
    proven = outcome in AFTER_THE_RIGHT_PASSWORD
    match outcome:
        case "inactive" | "disabled" | "accepted":
            return Rejected("disabled", principal, proven)
        case _:
            return Rejected(outcome, principal, proven)


def _presentable(username: str, domains: Sequence[str]) -> str | None:
    """The name as it is looked for; None for one that nobody can have: empty, too long, or with characters that can't be seen."""
    name = unicodedata.normalize("NFC", username).strip()
    domain, backslash, rest = name.partition("\\")
    if backslash and domain.casefold() in (known.casefold() for known in domains):
        # Spaces would make many spellings of one name, each with attempts of its own.
        name = rest if rest == rest.lstrip() else ""
    if not 0 < len(name) <= _MAXIMUM_NAME or any(unicodedata.category(letter) in _UNWRITABLE for letter in name):
        return None
    return name
