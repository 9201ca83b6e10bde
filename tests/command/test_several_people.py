"""People of several directories as one, for the Attribute Authority."""

import pytest

from ostiary.command.several_people import SeveralPeople
from ostiary.errors import Unavailable


class Known:
    def __init__(self, *principals: str, down: bool = False) -> None:
        self.principals = principals
        self.down = down

    def is_active(self, principal: str) -> bool:
        if self.down:
            raise Unavailable("ldap.down", expected="a server", found="none")
        return principal in self.principals


def test_whoever_one_of_them_knows_is_active() -> None:
    people = SeveralPeople([Known("ada"), Known("bob")])
    assert [people.is_active(name) for name in ("ada", "bob", "eve")] == [True, True, False]


def test_one_that_does_not_answer_matters_only_where_no_other_one_knows_her() -> None:
    people = SeveralPeople([Known(down=True), Known("bob")])
    assert people.is_active("bob")
    with pytest.raises(Unavailable):
        people.is_active("ada")
