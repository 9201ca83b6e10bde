"""From what a ticket, a certificate or a web server in front proves to a login name, and from there to the person. Proves nothing."""

import re
from dataclasses import dataclass
from typing import Final

from idp.login.methods import ActivePeople, Authenticated, LoginNames, Rejected

NAME: Final = "{name}"


@dataclass(frozen=True, slots=True)
class NameRule:
    """Takes a text that ``pattern`` matches as a whole; its group ``name`` takes the place of ``{name}`` in ``login_name``."""

    pattern: re.Pattern[str]
    login_name: str = NAME

    def apply(self, text: str) -> str | None:
        """The login name; None for a text that the pattern does not match."""
        found = self.pattern.fullmatch(text)
        name = found["name"] if found is not None else None
        return self.login_name.replace(NAME, name) if name else None


@dataclass(frozen=True, slots=True)
class Home:
    """Where login names are looked up: who has them, and who is active."""

    names: LoginNames
    people: ActivePeople

    def person(self, login_name: str) -> Authenticated | Rejected:
        """Raises `Unavailable`."""
        principal = self.names.principal_of(login_name)
        if principal is None:
            return Rejected("foreign", detail=login_name)
        return self.active(principal)

    def active(self, principal: str) -> Authenticated | Rejected:
        """The person if she may log in. Raises `Unavailable`."""
        if not self.people.is_active(principal):
            return Rejected("disabled", principal, proven=True)
        return Authenticated(principal)
