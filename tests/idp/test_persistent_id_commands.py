"""``ostiary people persistent-ids``: what an operator lists, revokes and takes over."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from idp.accounts.directory import Directory
from idp.identifiers.stored import PersistentIds
from ostiary.command.cli import ostiary
from ostiary.ports import NamedPerson
from tests.simulator import MovableClock

SP = "https://library.example.net/sp"


@pytest.fixture
def ada(directory: Directory) -> str:
    return directory.create("ada", password_hash=None, attributes={}, at=MovableClock().now(), by="operator")


@pytest.fixture
def run(configuration: Path, ada: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("ostiary.clock.SystemClock", MovableClock)

    def run(*arguments: object) -> Result:
        command = ["people", "--config", str(configuration), "persistent-ids", *map(str, arguments)]
        return CliRunner().invoke(ostiary, command, catch_exceptions=True)

    return run


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_a_list_is_taken_over_by_login_name_and_by_principal(run, engine, ada: str, tmp_path: Path) -> None:
    by_name = write(tmp_path / "a.csv", f"login_name,sp,value,revoked\nADA,{SP},old,no\nada,{SP},older,yes\n")
    taken = run("import", by_name)
    assert (taken.exit_code, taken.stdout) == (0, "2\n")
    by_principal = write(tmp_path / "b.csv", f'\ufeffprincipal,sp,value\r\n{ada},"https://x.example",„é"\r\n')
    assert run("import", by_principal).stdout == "1\n"
    stored = PersistentIds(engine)
    assert stored.person_named("old", SP) == NamedPerson(ada)
    assert stored.person_named("older", SP) is None
    assert stored.person_named('„é"', "https://x.example") == NamedPerson(ada)
    assert run("import", by_name).stdout == "0\n"


def test_what_is_there_is_listed(run, ada: str, tmp_path: Path) -> None:
    run("import", write(tmp_path / "a.csv", f"principal,sp,value,revoked\n{ada},{SP},old,no\np2,{SP},[red]other,yes\n"))
    everybody, hers = run("list").stdout, run("list", "--login-name", "ada").stdout
    assert "old" in everybody
    assert "[red]other" in everybody
    assert "imported" in hers
    assert "other" not in hers


def test_an_identifier_is_revoked(run, engine, ada: str, tmp_path: Path) -> None:
    run("import", write(tmp_path / "a.csv", f"principal,sp,value\n{ada},{SP},old\n"))
    assert run("revoke", "ada", SP).exit_code == 0
    assert PersistentIds(engine).person_named("old", SP) is None
    again = run("revoke", "ada", SP)
    assert (again.exit_code, "identifiers.no_persistent_id" in again.stderr) == (1, True)


@pytest.mark.parametrize("arguments", [("list", "--login-name", "zoe"), ("revoke", "zoe", SP)])
def test_nobody_of_that_name_is_an_error(run, arguments: tuple[str, ...]) -> None:
    told = run(*arguments)
    assert (told.exit_code, "people.unknown" in told.stderr) == (1, True)


BROKEN = [
    ("", "1"),
    ("login_name,value,sp\n", "1"),
    ("login_name,sp,value,more\n", "1"),
    (f"login_name,sp,value\nada,{SP}\n", "2"),
    (f"login_name,sp,value,revoked\nada,{SP},x,perhaps\n", "2"),
    (f"login_name,sp,value\nada,{SP},x\nada,{SP},y,no\n", "3"),
    ('login_name,sp,value\n"ada\n', "?"),
]


@pytest.mark.parametrize(("text", "line"), BROKEN)
def test_what_is_no_list_is_refused_with_its_line_and_takes_nothing(
    run, engine, tmp_path: Path, text: str, line: str
) -> None:
    told = run("import", write(tmp_path / "a.csv", text))
    assert told.exit_code == 1
    assert "identifiers.import_file" in told.stderr
    assert f"a.csv, line {line}: " in " ".join(told.stderr.split())
    assert PersistentIds(engine).all() == []


def test_a_file_in_another_encoding_or_missing_is_refused(run, tmp_path: Path) -> None:
    latin = write(tmp_path / "a.csv", f"login_name,sp,value\nada,{SP},é\n", "latin-1")
    for file in (latin, tmp_path / "nothing.csv"):
        told = run("import", file)
        assert (told.exit_code, "identifiers.import_file" in told.stderr) == (1, True)


def test_an_entry_that_clashes_is_told_by_its_number(run, engine, tmp_path: Path) -> None:
    told = run("import", write(tmp_path / "a.csv", f"login_name,sp,value\nada,{SP},x\nada,{SP},y\n"))
    assert told.exit_code == 1
    assert "Entry 2 of the file" in " ".join(told.stderr.split())
    assert PersistentIds(engine).all() == []


def test_a_salt_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "identifiers.salt"
    made = CliRunner().invoke(ostiary, ["keys", "create-salt", str(file)])
    assert (made.exit_code, len(file.read_bytes()), file.stat().st_mode & 0o777) == (0, 48, 0o600)
    before = file.read_bytes()
    again = CliRunner().invoke(ostiary, ["keys", "create-salt", str(file)])
    assert again.exit_code != 0
    assert file.read_bytes() == before
