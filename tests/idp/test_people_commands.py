"""``people ...`` on the command line."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from idp.accounts.commands import people_commands
from idp.accounts.directory import Directory
from idp.accounts.passwords import Argon2Parameters, Passwords
from idp.login.methods import Authenticated, PasswordLogin
from ostiary import audit
from ostiary.errors import ConfigurationError, Missing, OstiaryError, Refusal
from ostiary.storage.engine import reading

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class StillClock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def people() -> click.Group:
    return people_commands(prepare=lambda engine: None, clock=StillClock())


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("right horse battery\nignored\n")
    os.chmod(path, 0o600)
    return path


@pytest.fixture
def run(people: click.Group, configuration: Path, engine: Engine):
    def run(*arguments: object, typed: str | None = None) -> Result:
        command = ["--config", str(configuration), *(str(argument) for argument in arguments)]
        return CliRunner().invoke(people, command, input=typed, catch_exceptions=True)

    return run


def who_is(directory: Directory, username: str, password: str) -> object:
    login = PasswordLogin(directory, Passwords(Argon2Parameters(time_cost=1, memory=8, parallelism=1)))
    return login.authenticate(username, password, NOW)


def error_of(result: Result) -> OstiaryError:
    assert isinstance(result.exception, OstiaryError), result.output
    return result.exception


def test_a_person_is_added_with_password_file_and_attributes(run, directory: Directory, password_file: Path) -> None:
    result = run(
        "add", "Ada", "--password-file", password_file, "-a", "mail=ada@example.org", "-a", "sn=a=b", "-a", "mail=x@y"
    )
    assert result.exit_code == 0, result.output
    principal = result.output.strip()
    assert who_is(directory, "ada", "right horse battery") == Authenticated(principal)
    assert directory.attributes(principal) == {"mail": ("ada@example.org", "x@y"), "sn": ("a=b",)}


def test_the_password_is_asked_for_twice_and_not_shown(run, directory: Directory) -> None:
    result = run("add", "ada", typed="right horse battery\nright horse battery\n")
    assert result.exit_code == 0, result.output
    assert "right horse battery" not in result.output
    assert isinstance(who_is(directory, "ada", "right horse battery"), Authenticated)


def test_disable_enable_rename_and_a_new_password(run, directory: Directory, password_file: Path) -> None:
    principal = run("add", "ada", typed="old horse battery\nold horse battery\n").output.splitlines()[-1]
    assert run("disable", "ADA").exit_code == 0
    assert directory.is_active(principal) is False
    assert run("enable", "ada").exit_code == 0
    assert run("set-password", "ada", "--password-file", password_file).exit_code == 0
    assert run("rename", "ada", "countess").exit_code == 0
    assert who_is(directory, "countess", "right horse battery") == Authenticated(principal)


def test_an_attribute_is_replaced_and_taken_away(run, directory: Directory, password_file: Path) -> None:
    principal = run("add", "ada", "--password-file", password_file, "-a", "mail=old@example.org").output.strip()
    assert run("set-attribute", "ada", "mail", "b@example.org", "a@example.org").exit_code == 0
    assert directory.attributes(principal) == {"mail": ("b@example.org", "a@example.org")}
    assert run("set-attribute", "ada", "mail").exit_code == 0
    assert directory.attributes(principal) == {}


def test_the_list_shows_everybody(run, password_file: Path) -> None:
    run("add", "ada", "--password-file", password_file, "-a", "cn=[red]Ada[/red]")
    run("add", "bob", "--password-file", password_file)
    run("disable", "bob")
    result = run("list")
    assert result.exit_code == 0
    assert "[red]Ada[/red]" in result.output
    assert "right horse battery" not in result.output
    assert [word in result.output for word in ("ada", "bob", "yes", "no")] == [True] * 4


def test_changes_are_recorded_as_the_operators(run, engine: Engine, password_file: Path) -> None:
    run("add", "ada", "--password-file", password_file)
    run("disable", "ada")
    with reading(engine) as connection:
        events = audit.events(connection)
    assert [(event.action, event.actor, event.at) for event in events] == [
        ("person.created", "operator", NOW),
        ("person.disabled", "operator", NOW),
    ]


def test_a_person_who_does_not_exist_is_told_so(run) -> None:
    error = error_of(run("disable", "nobody"))
    assert isinstance(error, Missing)
    assert error.code == "people.unknown"


def test_an_attribute_without_an_equals_sign_is_refused_before_anything_is_asked(run, directory: Directory) -> None:
    error = error_of(run("add", "ada", "-a", "mail"))
    assert isinstance(error, Refusal)
    assert error.code == "people.assignment"
    assert directory.find("ada") is None


def test_a_password_file_that_others_may_read_is_refused(run, password_file: Path) -> None:
    os.chmod(password_file, 0o644)
    error = error_of(run("add", "ada", "--password-file", password_file))
    assert isinstance(error, ConfigurationError)
    assert error.code == "config.private_file_mode"


def test_an_empty_password_is_refused(run, directory: Directory, password_file: Path) -> None:
    password_file.write_text("\nsecond line\n")
    assert error_of(run("add", "ada", "--password-file", password_file)).code == "password.empty"
    assert directory.find("ada") is None
