"""Several directories as one: a login name, or a person, that the first of them knows is decided by the first."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from idp.login.methods import Authenticated, LoginNames, PasswordMethod, Rejected
from ostiary.errors import Unavailable

if TYPE_CHECKING:
    from idp.people import PeopleOfIdp

T = TypeVar("T")


class PasswordsInTurn:
    """`PasswordMethod` over several. While one does not answer, the later ones are not asked: the name could be its.

    A rejection costs what it costs at all of them, whoever is named, so that time does not tell which directory has the name.
    """

    def __init__(self, methods: Sequence[PasswordMethod]) -> None:
        self._methods = tuple(methods)

    def authenticate(self, username: str, password: str, now: datetime) -> Authenticated | Rejected:
        decided: Rejected | None = None
        for method in self._methods:
            asked = username if decided is None else f"nobody {secrets.token_hex(8)}"
            outcome = method.authenticate(asked, password, now)
            if decided is not None:
                continue
            if isinstance(outcome, Authenticated):
                return outcome
            if outcome.reason != "unknown":
                decided = outcome
        return decided or Rejected("unknown")


class NamesInTurn:
    """`LoginNames` over several."""

    def __init__(self, names: Sequence[LoginNames]) -> None:
        self._names = tuple(names)

    def principal_of(self, login_name: str) -> str | None:
        found = (names.principal_of(login_name) for names in self._names)
        return next((principal for principal in found if principal is not None), None)


class PeopleInTurn:
    """`idp.people.PeopleOfIdp` over several. One that does not answer matters only where no other one knows the person."""

    def __init__(self, people: Sequence["PeopleOfIdp"]) -> None:
        self._people = tuple(people)

    def is_active(self, principal: str) -> bool:
        return bool(self._first(lambda people: people.is_active(principal)))

    def login_name(self, principal: str) -> str | None:
        return self._first(lambda people: people.login_name(principal))

    def check(self) -> None:
        for people in self._people:
            people.check()

    def _first(self, ask: Callable[["PeopleOfIdp"], T | None]) -> T | None:
        problem: Unavailable | None = None
        for people in self._people:
            try:
                found = ask(people)
            except Unavailable as error:
                problem = problem or error
                continue
            if found:
                return found
        if problem is not None:
            raise problem
        return None
