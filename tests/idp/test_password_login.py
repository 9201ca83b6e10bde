"""Password login against the embedded directory: who gets in, and that each refusal costs the same work."""

from datetime import UTC, datetime

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, event

from idp.accounts.directory import Directory
from idp.accounts.passwords import Argon2Parameters, Passwords
from idp.login.methods import Authenticated, PasswordLogin, Rejected

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CHEAP = Argon2Parameters(time_cost=1, memory=8, parallelism=1)


@pytest.fixture
def people(directory: Directory) -> dict[str, str]:
    hashed = Passwords(CHEAP).hash("right horse")
    known = {
        name: directory.create(name, password_hash=hashed, attributes={}, at=NOW, by="operator")
        for name in ("ada", "bob")
    }
    known["nopass"] = directory.create("nopass", password_hash=None, attributes={}, at=NOW, by="operator")
    directory.disable(known["bob"], at=NOW, by="operator")
    return known


@pytest.fixture
def login(directory: Directory) -> PasswordLogin:
    return PasswordLogin(directory, Passwords(CHEAP))


def test_the_right_password_says_who_it_is(login: PasswordLogin, people: dict[str, str]) -> None:
    assert login.authenticate("ada", "right horse", NOW) == Authenticated(people["ada"])
    assert login.authenticate(" ADA", "right horse", NOW) == Authenticated(people["ada"])


def test_each_other_case_is_rejected_for_its_reason(login: PasswordLogin, people: dict[str, str]) -> None:
    assert login.authenticate("ada", "wrong", NOW) == Rejected("wrong_password", people["ada"])
    assert login.authenticate("eve", "right horse", NOW) == Rejected("unknown")
    assert login.authenticate("bob", "right horse", NOW) == Rejected("disabled", people["bob"], proven=True)
    assert login.authenticate("nopass", "", NOW) == Rejected("wrong_password", people["nopass"])


@pytest.mark.parametrize("name", ["ada", "bob", "eve", "nopass"])
def test_a_refusal_costs_one_query_and_one_verification_whoever_is_named(
    login: PasswordLogin, people: dict[str, str], engine: Engine, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, verifications = [], []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, password: bytes) -> bool:
        verifications.append(stored)
        return verify(self, stored, password)

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("PRAGMA", "BEGIN")):
            queries.append(statement)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    event.listen(engine, "before_cursor_execute", note)
    assert isinstance(login.authenticate(name, "wrong", NOW), Rejected)
    assert len(queries) == 1
    assert len(verifications) == 1


def test_a_login_under_old_parameters_stores_a_new_hash_once(directory: Directory, people: dict[str, str]) -> None:
    stronger = PasswordLogin(directory, Passwords(Argon2Parameters(time_cost=2, memory=8, parallelism=1)))
    assert stronger.authenticate("ada", "right horse", NOW) == Authenticated(people["ada"])
    renewed = directory.credentials("ada")
    assert renewed is not None
    assert renewed.password_hash is not None
    assert renewed.password_hash.startswith("$argon2id$v=19$m=8,t=2,p=1$")
    assert stronger.authenticate("ada", "right horse", NOW) == Authenticated(people["ada"])
    assert directory.credentials("ada") == renewed


def test_a_disabled_persons_hash_is_left_alone(directory: Directory, people: dict[str, str]) -> None:
    before = directory.credentials("bob")
    stronger = PasswordLogin(directory, Passwords(Argon2Parameters(time_cost=2, memory=8, parallelism=1)))
    assert stronger.authenticate("bob", "right horse", NOW) == Rejected("disabled", people["bob"], proven=True)
    assert directory.credentials("bob") == before
