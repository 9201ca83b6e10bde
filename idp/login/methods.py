"""Ways to find out who is there. A login method says who, or why not; it knows no page, no session and no throttle.

The reason of a `Rejected` is for the audit and the log. The person at the browser never learns it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from idp.accounts.directory import Directory
from idp.accounts.passwords import Passwords

Reason = Literal["unknown", "wrong_password", "disabled"]


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The credentials are right and the person is active."""

    principal: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """They are not. ``principal`` names the person where there is one."""

    reason: Reason
    principal: str | None = None


class LoginMethod(Protocol):
    """A login by something that a person types into the form."""

    def authenticate(self, username: str, password: str, now: datetime) -> Authenticated | Rejected:
        """Who it is. Raises `Unavailable` when the directory does not answer, `Refusal` for a password that can't be one."""
        ...


class PasswordLogin:
    """`LoginMethod` against the embedded directory. Each attempt costs one look-up and one check, whoever is named."""

    def __init__(self, directory: Directory, passwords: Passwords) -> None:
        self._directory = directory
        self._passwords = passwords

    def authenticate(self, username: str, password: str, now: datetime) -> Authenticated | Rejected:
        credentials = self._directory.credentials(username)
        stored = credentials.password_hash if credentials is not None else None
        checked = self._passwords.check(stored, password)
        if credentials is None:
            return Rejected("unknown")
        if not checked.right:
            return Rejected("wrong_password", credentials.principal)
        if not credentials.active:
            return Rejected("disabled", credentials.principal)
        if checked.replacement is not None and stored is not None:
            self._directory.renew_hash(credentials.principal, stored, checked.replacement, at=now, by="idp")
        return Authenticated(credentials.principal)
