"""What every login method must do, whatever it looks at: one suite for all of them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from idp.login.methods import AmbientMethod, Arrival, Authenticated, Challenge, NotOffered, PasswordMethod, Rejected
from ostiary.errors import Refusal, Unavailable
from ostiary.storage.engine import open_engine
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.storage.migrate import upgrade
from tests.login.kits import (
    DOWN,
    NOW,
    RIGHT,
    AmbientKit,
    PasswordKit,
    certificate_kit,
    embedded_kit,
    front_end_kit,
    in_turn_kit,
    kerberos_kit,
    ldap_kit,
)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from idp.tables import MIGRATIONS as IDP_MIGRATIONS
    from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS

    path = tmp_path_factory.mktemp("migrated") / "home.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, IDP_MIGRATIONS])
    engine.dispose()
    return path


@pytest.fixture(params=["embedded", "ldap", "in_turn"])
def by_password(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> Iterator[PasswordKit]:
    if request.param == "embedded":
        shutil.copy(migrated, tmp_path / "home.db")
        engine = open_engine(f"sqlite:///{tmp_path / 'home.db'}")
        yield embedded_kit(engine, tmp_path / "home.db")
        engine.dispose()
    else:
        yield ldap_kit() if request.param == "ldap" else in_turn_kit()


@pytest.fixture(params=["front_end", "kerberos", "certificate"])
def ambient(request: pytest.FixtureRequest, tmp_path: Path) -> AmbientKit:
    kits: dict[str, Callable[[], AmbientKit]] = {
        "front_end": front_end_kit,
        "kerberos": kerberos_kit,
        "certificate": lambda: certificate_kit(tmp_path / "certificates"),
    }
    return kits[request.param]()


def look(kit: AmbientKit, arrival: Arrival) -> Authenticated | Rejected | NotOffered | Challenge:
    method: AmbientMethod = kit.method
    return method.look(arrival, NOW)


# By password


def test_the_right_password_says_who_it_is(by_password: PasswordKit) -> None:
    method: PasswordMethod = by_password.method
    assert method.authenticate("ada", RIGHT, NOW) == Authenticated(by_password.principals["ada"])
    assert method.authenticate(" ADA ", RIGHT, NOW) == Authenticated(by_password.principals["ada"])


def test_a_wrong_password_and_nobodys_name_are_told_apart_for_the_log_alone(by_password: PasswordKit) -> None:
    wrong = by_password.method.authenticate("ada", "wrong", NOW)
    nobody = by_password.method.authenticate("eve", RIGHT, NOW)
    assert wrong == Rejected("wrong_password", by_password.principals["ada"])
    assert nobody == Rejected("unknown")


def test_that_an_account_is_disabled_is_told_only_to_who_has_its_password(by_password: PasswordKit) -> None:
    bob = by_password.principals["bob"]
    assert by_password.method.authenticate("bob", RIGHT, NOW) == Rejected("disabled", bob, proven=True)
    assert by_password.method.authenticate("bob", "wrong", NOW) == Rejected("wrong_password", bob)


@pytest.mark.parametrize("username", ["", " ", "*", "ada)(uid=*", "a" * 300, "a\0da", "a\u200bda", "\ud800"])
def test_a_name_that_nobody_can_have_is_nobodys(by_password: PasswordKit, username: str) -> None:
    assert by_password.method.authenticate(username, RIGHT, NOW) == Rejected("unknown")


def test_an_empty_password_is_a_wrong_one(by_password: PasswordKit) -> None:
    outcome = by_password.method.authenticate("ada", "", NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.reason in ("wrong_password", "unknown")
    assert not outcome.proven


@pytest.mark.parametrize(("password", "code"), [("x" * 1025, "password.too_long"), ("\ud800", "password.unreadable")])
def test_a_password_that_can_not_be_one_is_refused(by_password: PasswordKit, password: str, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        by_password.method.authenticate("ada", password, NOW)
    assert caught.value.code == code


@pytest.mark.parametrize("username", ["ada", "eve"])
def test_a_directory_that_does_not_answer_is_no_wrong_password(by_password: PasswordKit, username: str) -> None:
    by_password.break_down()
    with pytest.raises(Unavailable):
        by_password.method.authenticate(username, RIGHT, NOW)


# By what the request brings


def test_a_good_request_says_who_it_is(ambient: AmbientKit) -> None:
    outcome = look(ambient, ambient.arrival("ada"))
    assert isinstance(outcome, Authenticated)
    assert outcome.principal == "id-of-ada"


def test_a_request_that_brings_nothing_is_no_failure(ambient: AmbientKit) -> None:
    outcome = look(ambient, ambient.nothing)
    assert isinstance(outcome, Challenge if ambient.method.name == "kerberos" else NotOffered)


def test_what_proves_nothing_logs_nobody_in(ambient: AmbientKit) -> None:
    for broken in ambient.broken:
        outcome = look(ambient, broken)
        assert isinstance(outcome, (Rejected, NotOffered))
        assert not isinstance(outcome, Rejected) or outcome.reason in ("not_valid", "foreign")
    assert ambient.people.binds == []


@pytest.mark.parametrize("name", ["eve", "*", "ada*", "ada)(uid=*", "mary ann"])
def test_a_name_that_means_nobody_here_is_foreign(ambient: AmbientKit, name: str) -> None:
    outcome = look(ambient, ambient.arrival(name))
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.principal) == ("foreign", None)


def test_somebody_who_is_disabled_does_not_get_in(ambient: AmbientKit) -> None:
    assert look(ambient, ambient.arrival("bob")) == Rejected("disabled", "id-of-bob", proven=True)


def test_a_directory_that_does_not_answer_is_no_refusal(ambient: AmbientKit) -> None:
    ambient.people.failing = DOWN
    with pytest.raises(Unavailable):
        look(ambient, ambient.arrival("ada"))
