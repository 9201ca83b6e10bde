"""``ostiary people``: deleting, links, certificates, those who wait, and many people at a time."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from idp.accounts import registrations
from idp.accounts.commands import people_commands
from idp.accounts.directory import Directory
from idp.accounts.people_table import has_passwords, read_table, written_table
from idp.accounts.registrations import Applicant
from ostiary import audit
from ostiary.config import DocumentError
from ostiary.errors import ConfigurationError, Missing, OstiaryError, Refusal
from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from tests.idp.accounts.letterbox import (
    NEW,
    NOW,
    Mailbox,
    actions_of,
    add_person,
    is_password_of,
    link_in,
    text_of_letter,
)


class StillClock:
    def now(self) -> Any:
        return NOW


@pytest.fixture
def run(configuration: Path, engine: Engine, tmp_path: Path) -> Callable[..., Result]:
    content = yaml.safe_load(configuration.read_text())
    content["mail"] = {"type": "files", "directory": "mail"}
    content["registration"] = {"by": ["password"], "attributes": {"eduPersonAffiliation": ["affiliate"]}}
    configuration.write_text(yaml.safe_dump(content))
    people: click.Group = people_commands(prepare=lambda engine: None, clock=StillClock())

    def run(*arguments: object, typed: str | None = None) -> Result:
        command = ["--config", str(configuration), *(str(argument) for argument in arguments)]
        return CliRunner().invoke(people, command, input=typed, catch_exceptions=True)

    return run


def error_of(result: Result) -> OstiaryError:
    assert isinstance(result.exception, OstiaryError), (result.output, result.exception)
    return result.exception


def good(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(NEW + "\n")
    os.chmod(path, 0o600)
    return path


# --- creating, and what becomes of passwords


def test_a_password_that_an_operator_sets_must_be_changed(
    run: Callable[..., Result], directory: Directory, password_file: Path
) -> None:
    principal = good(run("create", "ada", "--password-file", password_file)).strip()
    assert directory.must_change_password(principal)
    directory.set_password(principal, "hash", at=NOW, by=principal)
    assert not directory.must_change_password(principal)
    good(run("set-password", "ada", "--password-file", password_file))
    assert directory.must_change_password(principal)


def test_one_that_she_chose_herself_need_not(
    run: Callable[..., Result], directory: Directory, password_file: Path
) -> None:
    principal = good(run("create", "ada", "--password-file", password_file, "--keep-password")).strip()
    assert not directory.must_change_password(principal)
    good(run("must-change", "ada"))
    assert directory.must_change_password(principal)
    good(run("set-password", "ada", "--password-file", password_file, "--keep-password"))
    assert not directory.must_change_password(principal)


@pytest.mark.parametrize("command", ["create", "set-password"])
def test_an_operator_cannot_set_a_password_that_people_may_not_have(
    run: Callable[..., Result], directory: Directory, password_file: Path, command: str
) -> None:
    if command == "set-password":
        add_person(directory, "adalovelace")
    password_file.write_text("AdaLovelace1815\n")
    assert error_of(run(command, "adalovelace", "--password-file", password_file)).code == "password.obvious"
    assert not is_password_of(directory, "adalovelace", "AdaLovelace1815")


def test_somebody_without_a_password_is_invited(
    run: Callable[..., Result], directory: Directory, mailbox: Mailbox
) -> None:
    good(run("create", "ada", "--no-password", "-a", "mail=ada@example.org"))
    good(run("reset-link", "ada", "--invite"))
    (letter,) = mailbox.letters()
    assert letter["Subject"] == "Your account at Example University"
    assert "within 168 hours" in text_of_letter(letter)
    assert link_in(letter).startswith("/account/reset?token=")


def test_a_link_is_sent_or_printed(run: Callable[..., Result], directory: Directory, mailbox: Mailbox) -> None:
    add_person(directory, "ada", mail=["ada@example.org"])
    assert good(run("reset-link", "ada")) == ""
    printed = good(run("reset-link", "ada", "--print")).strip()
    assert printed.startswith("http://localhost:8001/account/reset?token=")
    assert len(mailbox.letters()) == 1
    assert printed.partition("?")[2] != link_in(mailbox.letters()[0]).partition("?")[2]


def test_no_link_for_somebody_without_mailbox_or_disabled(run: Callable[..., Result], directory: Directory) -> None:
    principal = add_person(directory, "ada")
    assert error_of(run("reset-link", "ada")).code == "people.no_mail"
    directory.disable(principal, at=NOW, by="operator")
    assert error_of(run("reset-link", "ada", "--print")).code == "people.inactive"


# --- deleting


def test_a_deleted_person_is_gone_and_her_name_stays_taken(run: Callable[..., Result], directory: Directory) -> None:
    principal = add_person(directory, "ada", mail=["ada@example.org"])
    names = CertificateNames("CN=Ada", "CN=CA")
    directory.add_certificate(principal, names, at=NOW, by="operator")
    assert error_of(run("delete", "ada")).code == "people.confirm_delete"
    good(run("delete", "ada", "--yes"))
    assert directory.find("ada") is None
    assert directory.is_active(principal) is False
    assert directory.attributes(principal) == {}
    assert directory.credentials("ada") is None
    assert directory.by_certificate("CN=Ada", "CN=CA") is None
    assert directory.by_mail("ada@example.org") == ()
    assert error_of(run("create", "ADA", "--no-password")).code == "people.login_taken"
    assert error_of(run("delete", "ada", "--yes")).code == "people.unknown"


def test_who_is_erased_is_forgotten_and_her_name_is_free(
    run: Callable[..., Result], directory: Directory, engine: Engine
) -> None:
    principal = add_person(directory, "ada", mail=["ada@example.org"])
    good(run("delete", "ada", "--yes", "--erase"))
    with reading(engine) as connection:
        kept = [
            connection.exec_driver_sql(f"SELECT * FROM {table}").all()  # noqa: S608 (names of our own)
            for table in ("person", "person_attribute", "audit_event", "audit_person")
        ]
        events = audit.events(connection)
    # Digests hold these three letters now and then.
    assert re.search("(?<![0-9a-f])ada(?![0-9a-f])", str(kept).lower()) is None
    assert [event.action for event in events] == ["person.created", "person.deleted", "audit.person_erased"]
    assert {event.person for event in events} == {None}
    assert good(run("create", "ada", "--no-password")).strip() != principal


# --- certificates


@pytest.fixture
def certificate(tmp_path: Path, idp_signer: Any) -> Path:
    path = tmp_path / "ada.pem"
    path.write_bytes(x509.load_der_x509_certificate(idp_signer.certificate).public_bytes(Encoding.PEM))
    return path


def test_a_certificate_is_added_shown_and_removed(
    run: Callable[..., Result], directory: Directory, certificate: Path, engine: Engine
) -> None:
    add_person(directory, "ada")
    assert "CN=home" in good(run("add-certificate", "ada", "--file", certificate))
    found = directory.by_certificate("CN=home", "CN=home")
    assert found is not None
    assert found.login_name == "ada"
    assert "CN=home" in good(run("show", "ada"))
    good(run("remove-certificate", "ada", "--subject", "CN=home", "--issuer", "CN=home"))
    assert directory.by_certificate("CN=home", "CN=home") is None
    assert actions_of(engine)[-2:] == ["person.certificate_added", "person.certificate_removed"]
    good(run("add-certificate", "ada", "--file", certificate))


def test_a_certificate_belongs_to_one_person(
    run: Callable[..., Result], directory: Directory, certificate: Path
) -> None:
    add_person(directory, "ada")
    add_person(directory, "bob")
    good(run("add-certificate", "ada", "--file", certificate))
    assert error_of(run("add-certificate", "bob", "--file", certificate)).code == "people.certificate_taken"
    assert error_of(run("remove-certificate", "bob", "--file", certificate)).code == "people.no_such_certificate"
    assert directory.certificates(directory.find("bob").principal) == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "options",
    [[], ["--subject", "CN=a"], ["--issuer", "CN=a"], ["--file", "f", "--subject", "CN=a", "--issuer", "CN=b"]],
)
def test_it_must_be_clear_which_certificate(
    run: Callable[..., Result], directory: Directory, options: list[str]
) -> None:
    add_person(directory, "ada")
    assert error_of(run("add-certificate", "ada", *options)).code == "people.certificate_names"


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_a_certificate_is_refused(
    run: Callable[..., Result], directory: Directory, tmp_path: Path, content: bytes
) -> None:
    add_person(directory, "ada")
    (tmp_path / "bad.pem").write_bytes(content)
    assert error_of(run("add-certificate", "ada", "--file", tmp_path / "bad.pem")).code == "people.certificate_file"
    assert error_of(run("add-certificate", "ada", "--file", tmp_path / "none")).code == "people.certificate_file"


# --- those who wait


@pytest.fixture
def grace(directory: Directory) -> str:
    """Grace has registered and proven her address; her id."""
    from datetime import timedelta

    applicant = Applicant("grace@navy.example", "Grace [b]Hopper", "With Ada.", "en")
    with directory.change(at=NOW, by="anybody") as change:
        token = registrations.begin(change, applicant, lifetime=timedelta(hours=1))
        if token is None:
            raise LookupError("no token")
        found = registrations.prove(change, token, password_hash="hash", certificate=None, lifetime=timedelta(days=1))
    return found.principal


def test_who_waits_is_shown_and_approved(
    run: Callable[..., Result], directory: Directory, mailbox: Mailbox, grace: str
) -> None:
    shown = good(run("pending"))
    assert all(text in shown for text in ("grace@navy.example", "Grace [b]Hopper", "With Ada.", grace[:12], "password"))
    assert good(run("approve", grace[:12], "--login-name", "grace", "-a", "sn=Hopper")).strip() == grace
    assert directory.attributes(grace) == {
        "displayName": ("Grace [b]Hopper",),
        "eduPersonAffiliation": ("affiliate",),
        "mail": ("grace@navy.example",),
        "sn": ("Hopper",),
    }
    assert "Your user name is grace." in text_of_letter(mailbox.to("grace@navy.example")[0])
    assert "grace@navy" not in good(run("pending"))
    assert error_of(run("approve", grace[:12])).code == "registration.unknown"


def test_without_a_login_name_it_is_the_address(run: Callable[..., Result], directory: Directory, grace: str) -> None:
    good(run("approve", "Grace@navy.example"))
    found = directory.find("grace@navy.example")
    assert found is not None
    assert found.principal == grace


def test_a_taken_login_name_leaves_her_waiting(run: Callable[..., Result], directory: Directory, grace: str) -> None:
    add_person(directory, "grace")
    assert error_of(run("approve", grace, "--login-name", "grace")).code == "people.login_taken"
    assert "grace@navy.example" in good(run("pending"))


def test_who_is_rejected_gets_a_letter_unless_told_otherwise(
    run: Callable[..., Result], mailbox: Mailbox, grace: str, engine: Engine
) -> None:
    good(run("reject", "grace@navy.example"))
    assert "was not approved" in text_of_letter(mailbox.letters()[0])
    assert error_of(run("reject", "grace@navy.example", "--silently")).code == "registration.unknown"
    assert len(mailbox.letters()) == 1


@pytest.mark.parametrize("named", ["", "a", "nobody@example.org", "%", "0" * 12])
def test_nobody_else_is_meant_by_a_wrong_name(run: Callable[..., Result], grace: str, named: str) -> None:
    assert isinstance(error_of(run("approve", named)), Missing)


# --- many at a time

TABLE = """login_name,displayName,mail,eduPersonAffiliation,active
ada,Ada Lovelace,ada@example.org,member; staff,yes
bob,"Brewer, Bob",bob@example.org,,no
éva,Éva,,student,
"""


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_an_import_is_tried_out_first(
    run: Callable[..., Result], directory: Directory, tmp_path: Path, engine: Engine
) -> None:
    output = good(run("import", "--csv", write(tmp_path, TABLE)))
    assert "3 would be created, 0 would be changed, 0 as they are" in output
    assert "Nothing was written." in output
    assert directory.all() == ()
    assert actions_of(engine) == []


def test_everybody_is_imported(run: Callable[..., Result], directory: Directory, tmp_path: Path) -> None:
    good(run("import", write(tmp_path, TABLE), "--apply"))
    assert [(person.login_name, person.active) for person in directory.all()] == [
        ("ada", True),
        ("bob", False),
        ("éva", True),
    ]
    ada, bob = directory.all()[:2]
    assert directory.attributes(ada.principal) == {
        "displayName": ("Ada Lovelace",),
        "eduPersonAffiliation": ("member", "staff"),
        "mail": ("ada@example.org",),
    }
    assert directory.attributes(bob.principal) == {"displayName": ("Brewer, Bob",), "mail": ("bob@example.org",)}
    assert (ada.has_password, ada.must_change_password) == (False, True)


def test_what_a_spreadsheet_writes_is_read(run: Callable[..., Result], directory: Directory, tmp_path: Path) -> None:
    table = '\ufefflogin_name,displayName\r\nada,"Ada\nLovelace"\r\n\r\nbob,Bob\r\n'
    good(run("import", write(tmp_path, table), "--apply"))
    assert [person.login_name for person in directory.all()] == ["ada", "bob"]


def test_who_is_there_is_changed_only_when_asked(
    run: Callable[..., Result], directory: Directory, tmp_path: Path, engine: Engine
) -> None:
    good(run("import", write(tmp_path, TABLE), "--apply"))
    before = len(actions_of(engine))
    error = error_of(run("import", write(tmp_path, TABLE), "--apply"))
    assert isinstance(error, DocumentError)
    assert [problem.code for problem in error.problems] == ["people.login_taken"] * 3
    assert [problem.line for problem in error.problems] == [2, 3, 4]
    changed = TABLE.replace("member; staff,yes", ",no")
    output = good(run("import", write(tmp_path, changed), "--apply", "--update"))
    assert "0 created, 1 changed, 2 as they are" in output
    ada = directory.find("ADA")
    assert ada is not None
    assert (ada.active, "eduPersonAffiliation" in directory.attributes(ada.principal)) == (False, False)
    assert actions_of(engine)[before:] == ["person.attributes_set", "person.disabled"]


def test_one_bad_line_keeps_all_of_them_out_and_every_one_is_told(
    run: Callable[..., Result], directory: Directory, tmp_path: Path
) -> None:
    table = "login_name,mail\nada,a@example.org\n,b@example.org\nADA,c@example.org\nbob,d,e\ncy," + "x" * 4_097 + "\n"
    error = error_of(run("import", write(tmp_path, table), "--apply"))
    assert isinstance(error, DocumentError)
    assert [(problem.line, problem.code) for problem in error.problems] == [
        (3, "people.login_name"),
        (4, "people.csv_twice"),
        (5, "people.csv_row"),
        (6, "people.attribute_value"),
    ]
    assert directory.all() == ()


def test_a_problem_that_only_the_directory_knows_keeps_all_of_them_out(
    run: Callable[..., Result], directory: Directory, tmp_path: Path
) -> None:
    add_person(directory, "bob")
    error = error_of(run("import", write(tmp_path, TABLE), "--apply"))
    assert isinstance(error, DocumentError)
    assert [(problem.line, problem.code) for problem in error.problems] == [(3, "people.login_taken")]
    assert [person.login_name for person in directory.all()] == ["bob"]


def test_passwords_are_checked_and_must_be_changed(
    run: Callable[..., Result], directory: Directory, tmp_path: Path
) -> None:
    path = write(tmp_path, f"login_name,password\nada,{NEW}\nbob,password1234\n")
    os.chmod(path, 0o644)
    assert error_of(run("import", path)).code == "config.private_file_mode"
    os.chmod(path, 0o600)
    error = error_of(run("import", path, "--apply"))
    assert isinstance(error, ConfigurationError)
    assert (error.code, error.line, error.key) == ("password.common", 3, "password")
    path.write_text(f"login_name,password\nada,{NEW}\n")
    assert NEW not in good(run("import", path, "--apply"))
    assert is_password_of(directory, "ada", NEW)
    assert directory.find("ada").must_change_password  # type: ignore[union-attr]


def test_those_without_a_password_are_invited(run: Callable[..., Result], tmp_path: Path, mailbox: Mailbox) -> None:
    output = good(run("import", write(tmp_path, TABLE), "--apply", "--invite"))
    assert "1 invited" in output
    assert [letter["To"] for letter in mailbox.letters()] == ["ada@example.org"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"mail\nada@example.org\n",
        b"login_name,login_name\nada,bob\n",
        b"login_name,\nada,x\n",
        b"login_name,mail\n\xff,x\n",
        b'login_name,mail\n"ada,x\n',
        b'login_name,mail\n"ada"x,y\n',
        b"login_name;mail\nada;x\n",
    ],
)
def test_what_is_no_such_table_is_refused(run: Callable[..., Result], tmp_path: Path, content: bytes) -> None:
    assert error_of(run("import", write(tmp_path, content))).code == "people.csv_shape"


@pytest.mark.parametrize("column", ["two words", "é"])
def test_a_column_that_is_no_attribute_is_told(run: Callable[..., Result], tmp_path: Path, column: str) -> None:
    assert error_of(run("import", write(tmp_path, f"login_name,{column}\nada,x\n"))).code == "people.attribute_name"


@pytest.mark.parametrize("separator", ["", ",", ";;", '"', "\n", "a"])
def test_a_separator_is_one_sign(run: Callable[..., Result], tmp_path: Path, separator: str) -> None:
    assert error_of(run("import", write(tmp_path, TABLE), "--separator", separator)).code == "people.csv_separator"


def test_a_file_that_is_not_there_is_told(run: Callable[..., Result], tmp_path: Path) -> None:
    assert error_of(run("import", tmp_path / "none.csv")).code == "config.file_unreadable"


def test_what_is_exported_can_be_imported(
    run: Callable[..., Result], directory: Directory, tmp_path: Path, engine: Engine
) -> None:
    good(run("import", write(tmp_path, TABLE), "--apply"))
    out = tmp_path / "out.csv"
    assert "3 people" in good(run("export", out))
    assert out.stat().st_mode & 0o777 == 0o600
    assert out.read_text() == (
        "login_name,active,displayName,eduPersonAffiliation,mail\n"
        "ada,yes,Ada Lovelace,member;staff,ada@example.org\n"
        'bob,no,"Brewer, Bob",,bob@example.org\n'
        "éva,yes,Éva,student,\n"
    )
    before = len(actions_of(engine))
    assert "3 as they are" in good(run("import", out, "--update", "--apply"))
    assert len(actions_of(engine)) == before


def test_a_value_that_holds_the_separator_is_not_exported_in_pieces(
    run: Callable[..., Result], directory: Directory, tmp_path: Path
) -> None:
    add_person(directory, "ada", title=["Countess; programmer"])
    assert error_of(run("export", tmp_path / "out.csv")).code == "people.csv_separator"
    assert not (tmp_path / "out.csv").exists()
    good(run("export", tmp_path / "out.csv", "--separator", "|"))


_values = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=";"), min_size=1), max_size=3
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["mail", "sn", "urn:oid:2.5.4.4"]), _values, max_size=3), st.booleans())
def test_a_table_reads_back_as_it_was_written(attributes: dict[str, list[str]], active: bool) -> None:
    (row,) = read_table(written_table([("ada", active, attributes)]).encode(), Path("people.csv"))
    assert (row.login_name, row.active) == ("ada", active)
    assert {name: values for name, values in row.attributes.items() if values} == {
        name: tuple(values) for name, values in attributes.items() if values
    }


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_any_octets_are_a_table_or_refused(content: bytes) -> None:
    has_passwords(content)
    try:
        rows = read_table(b"login_name,mail\n" + content, Path("people.csv"))
    except (DocumentError, Refusal):
        return
    assert all(row.login_name for row in rows)
