"""Letters: what becomes a header and what never does, files of them, and a server that takes, refuses or hides."""

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from ostiary.config import Settings, load_settings
from ostiary.errors import ConfigurationError, OstiaryError, Refusal, Unavailable
from ostiary.mail import FileMailer, MailSettings, Message, SmtpMailer, domain_of, is_address, written
from ostiary.mail import SmtpServer as Server
from tests.mail.smtp_server import SmtpServer, tls_for

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SENDER = "ostiary@home.example.org"
LETTER = Message("ada@example.org", "Ein Gruß", "Guten Tag, Ada.\n.\nhttps://home.example.org/a?b=c\n", "de")


def now() -> datetime:
    return NOW


def error_of(act: Callable[[], object]) -> OstiaryError:
    with pytest.raises(OstiaryError) as caught:
        act()
    return caught.value


def text_of(letter: Any) -> str:
    return str(letter.get_content()).replace("\r\n", "\n")


# --- addresses


@pytest.mark.parametrize(
    "address",
    ["ada@example.org", "a@b", "ada.lovelace+x@sub.example.org", "o'hara@example.org", "x" * 64 + "@example.org"],
)
def test_an_address_is_one(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@@example.org",
        "ada @example.org",
        "ada@example.org ",
        "ada@example.org\n",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org, eve@example.org",
        "ada@example.org,eve@example.org",
        "<ada@example.org>",
        "Ada <ada@example.org>",
        '"ada"@example.org',
        "ada@[127.0.0.1]",
        ".ada@example.org",
        "ada..l@example.org",
        "ada@-example.org",
        "ada@example..org",
        "ädå@example.org",
        "ada@exämple.org",
        "x" * 65 + "@example.org",
        "ada@" + "x" * 63 + "." + "y" * 63 + "." + "z" * 63 + "." + "w" * 63,
        "ada@example.org\0",
    ],
)
def test_what_only_looks_like_an_address_is_none(address: str) -> None:
    assert not is_address(address)


def test_the_domain_is_compared_in_lower_case() -> None:
    assert domain_of("Ada@Example.ORG") == "example.org"


# --- what is written


def test_a_letter_has_its_headers_and_its_text() -> None:
    letter = message_from_bytes(written(LETTER, sender=SENDER, now=NOW).as_bytes(), policy=default)
    assert (letter["From"], letter["To"], letter["Subject"]) == (SENDER, "ada@example.org", "Ein Gruß")
    assert letter["Date"].datetime == NOW
    assert letter["Message-ID"].endswith("@home.example.org>")
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Content-Language"] == "de"
    assert text_of(letter) == LETTER.body


def test_a_letter_is_plain_ascii_on_the_wire_with_short_lines() -> None:
    long = Message("ada@example.org", "Grüße " * 20, "Zeile ö " * 400, "de")
    octets = written(long, sender=SENDER, now=NOW).as_bytes()
    assert octets.isascii()
    assert max(len(line) for line in octets.split(b"\r\n")) <= 998


@pytest.mark.parametrize("to", ["ada@example.org\r\nBcc: eve@example.org", "ada@example.org\nX: y", "", "a b@c"])
def test_nothing_that_is_no_address_is_written_to(to: str) -> None:
    message = Message(to, "Hello", "text", "en")
    assert error_of(lambda: written(message, sender=SENDER, now=NOW)).code == "mail.address"


@pytest.mark.parametrize("subject", ["", "two\nlines", "two\r\nBcc: eve@example.org", "a\0b", "x" * 201, "a\u2028b"])
def test_a_subject_is_one_line(subject: str) -> None:
    message = Message("ada@example.org", subject, "text", "en")
    assert error_of(lambda: written(message, sender=SENDER, now=NOW)).code == "mail.subject"


@pytest.mark.parametrize("language", ["en\r\nBcc: eve@example.org", "en\nX: y"])
def test_a_language_is_no_way_in_either(language: str) -> None:
    message = Message("ada@example.org", "Hello", "text", language)
    assert error_of(lambda: written(message, sender=SENDER, now=NOW)).code == "mail.subject"


@settings(max_examples=50)
@given(st.text(max_size=80), st.text(max_size=200))
def test_no_subject_and_no_text_adds_a_header(subject: str, body: str) -> None:
    try:
        letter = written(Message("ada@example.org", subject, body, "en"), sender=SENDER, now=NOW)
    except Refusal:
        return
    read = message_from_bytes(letter.as_bytes(), policy=default)
    assert {name.lower() for name in read.keys()} == {  # noqa: SIM118 (a message has several of one name)
        "from",
        "to",
        "subject",
        "date",
        "message-id",
        "auto-submitted",
        "content-language",
        "content-type",
        "content-transfer-encoding",
        "mime-version",
    }
    assert read.get_all("to") == ["ada@example.org"]


# --- files


def test_a_letter_becomes_a_private_file(tmp_path: Path) -> None:
    FileMailer(tmp_path / "mail", SENDER, now).send(LETTER)
    (file,) = (tmp_path / "mail").iterdir()
    assert file.name.startswith("20261122T120000.000000-")
    assert file.suffix == ".eml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert message_from_bytes(file.read_bytes(), policy=default)["To"] == "ada@example.org"


def test_a_directory_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file")
    assert error_of(lambda: FileMailer(tmp_path / "mail", SENDER, now).send(LETTER)).code == "mail.unavailable"


# --- a server


def mailer(server: SmtpServer, security: Any, **more: Any) -> SmtpMailer:
    given = {"timeout": timedelta(seconds=3), **more}
    return SmtpMailer(Server(given.pop("host", "localhost"), server.port, security, **given), SENDER, now)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_letter_goes_over_tls_after_a_login(tmp_path: Path, security: str) -> None:
    context, trusted = tls_for("localhost", tmp_path)
    with SmtpServer(context, implicit=security == "tls") as server:
        mailer(server, security, ca_file=trusted, username="idp", password="s3cret").send(LETTER)
    assert server.login == ("idp", "s3cret")
    assert server.encrypted == [True]
    assert text_of(message_from_bytes(server.letters[0], policy=default)) == LETTER.body


def test_on_this_machine_it_may_go_without(tmp_path: Path) -> None:
    with SmtpServer() as server:
        mailer(server, "none", host="127.0.0.1").send(LETTER)
    assert server.encrypted == [False]


def test_a_server_that_offers_no_tls_gets_neither_login_nor_letter() -> None:
    with SmtpServer() as server:
        error = error_of(lambda: mailer(server, "starttls", username="idp", password="s3cret").send(LETTER))
    assert isinstance(error, Unavailable)
    assert (server.letters, server.login) == ([], None)
    assert "MAIL" not in server.commands


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_that_is_not_trusted_gets_nothing(tmp_path: Path, security: str) -> None:
    context, _ = tls_for("localhost", tmp_path)
    (tmp_path / "other").mkdir()
    _, other = tls_for("localhost", tmp_path / "other")
    with SmtpServer(context, implicit=security == "tls") as server:
        error = error_of(lambda: mailer(server, security, ca_file=other, username="a", password="b").send(LETTER))
    assert error.code == "mail.unavailable"
    assert (server.letters, server.login) == ([], None)


def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    context, trusted = tls_for("mail.example.org", tmp_path)
    with SmtpServer(context) as server:
        error = error_of(lambda: mailer(server, "starttls", ca_file=trusted).send(LETTER))
    assert error.code == "mail.unavailable"
    assert server.letters == []


@pytest.mark.parametrize(
    ("command", "answer", "code", "kind"),
    [
        ("RCPT", "550 no such user", "mail.refused", Refusal),
        ("RCPT", "450 greylisted", "mail.unavailable", Unavailable),
        ("MAIL", "451 try later", "mail.unavailable", Unavailable),
        ("DATA", "554 no", "mail.unavailable", Unavailable),
        ("taken", "452 full", "mail.unavailable", Unavailable),
        ("hello", "554 go away", "mail.unavailable", Unavailable),
        ("AUTH", "535 wrong", "mail.unavailable", Unavailable),
        ("STARTTLS", "454 not now", "mail.unavailable", Unavailable),
        ("EHLO", "what?", "mail.unavailable", Unavailable),
    ],
)
def test_each_way_of_refusing_is_told_without_the_address(
    tmp_path: Path, command: str, answer: str, code: str, kind: type[OstiaryError]
) -> None:
    context, trusted = tls_for("localhost", tmp_path)
    with SmtpServer(context, answers={command: answer}) as server:
        sending = mailer(server, "starttls", ca_file=trusted, username="idp", password="s3cret")
        error = error_of(lambda: sending.send(LETTER))
    assert (error.code, type(error)) == (code, kind)
    assert "ada" not in str(error)
    assert "s3cret" not in str(error)


def test_a_server_that_is_silent_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = Server("127.0.0.1", silent.getsockname()[1], "none", timeout=timedelta(seconds=0.2))
        assert error_of(lambda: SmtpMailer(server, SENDER, now).send(LETTER)).code == "mail.unavailable"


def test_a_server_that_is_down_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = error_of(lambda: SmtpMailer(Server("127.0.0.1", port, "none"), SENDER, now).send(LETTER))
    assert (error.code, error.found) == ("mail.unavailable", "ConnectionRefusedError: Connection refused")


# --- the configuration


class Configured(Settings):
    mail: MailSettings


def configured(tmp_path: Path, text: str) -> Any:
    (tmp_path / "config.yaml").write_text(f"mail: {{{text}}}\n")
    return load_settings(tmp_path / "config.yaml", Configured).mail


def test_files_and_servers_are_configured(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    os.chmod(tmp_path / "password", 0o600)
    files = configured(tmp_path, "type: files, directory: letters")
    assert files.directory == tmp_path / "letters"
    files.open(now).send(LETTER)
    smtp = configured(
        tmp_path, "type: smtp, host: mail.example.org, sender: a@b.example, username: idp, password_file: password"
    )
    assert (smtp.port, smtp.security) == (587, "starttls")
    assert isinstance(smtp.open(now), SmtpMailer)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("type: smtp, host: mail.example.org, sender: nobody", "config.mail_address"),
        ("type: smtp, host: mail.example.org, sender: a@b, security: none", "config.mail_in_the_open"),
        ("type: smtp, host: mail.example.org, sender: a@b, username: idp", "config.mail_login"),
        ("type: smtp, host: mail.example.org, sender: a@b, security: ssl", "config.wrong_value"),
        ("type: smtp, host: mail.example.org, sender: a@b, port: 0", "config.wrong_value"),
        ("type: smtp, host: mail.example.org", "config.missing_key"),
        ("type: pigeon", "config.wrong_value"),
    ],
)
def test_a_mistake_is_named_by_its_code(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configured(tmp_path, text)
    assert refused.value.code == code
    assert refused.value.line == 1


def test_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    os.chmod(tmp_path / "password", 0o644)
    smtp = configured(
        tmp_path, "type: smtp, host: mail.example.org, sender: a@b, username: idp, password_file: password"
    )
    assert error_of(lambda: smtp.open(now)).code == "config.private_file_mode"


def test_either_kind_is_told_by_its_type() -> None:
    kinds = TypeAdapter(MailSettings).json_schema()["discriminator"]["mapping"]
    assert sorted(kinds) == ["files", "smtp"]
