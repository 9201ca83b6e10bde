"""The log: one event is one line, secrets stay out, nothing forges a line."""

import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from ostiary.web.log import Log, is_secret, make_log, one_line, reference


class Still:
    def now(self) -> datetime:
        return datetime(2026, 11, 22, 3, 30, 1, 250_000, tzinfo=UTC)


def log_to(stream: io.StringIO, style: Any = "json") -> Log:
    return make_log(Still(), service="idp", style=style, stream=stream)


def test_a_line_is_one_json_object_with_time_level_and_service() -> None:
    stream = io.StringIO()
    log_to(stream).info("refused", code="saml.audience", status=400)
    assert json.loads(stream.getvalue()) == {
        "at": "2026-11-22T03:30:01.250Z",
        "level": "info",
        "service": "idp",
        "event": "refused",
        "code": "saml.audience",
        "status": 400,
    }


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "SAMLResponse",
        "SAMLRequest",
        "Cookie",
        "Set-Cookie",
        "authorization",
        "signing_key",
        "client_secret",
        "KEY",
    ],
)
def test_a_secret_is_never_written(name: str) -> None:
    for style in ("json", "console"):
        stream = io.StringIO()
        log_to(stream, style).warning("x", **{name: "s3cr3t"}, deep={"list": [{name: "s3cr3t"}]})
        assert "s3cr3t" not in stream.getvalue()
        assert stream.getvalue().count("(hidden)") == 2


@pytest.mark.parametrize("name", ["user", "keyword", "cookie_name", "path", "code", ""])
def test_other_names_are_not_secrets(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize(
    "separator", ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1b[2J", "\x85", "\u2028", "\u2029", "\u202e", "\x7f"]
)
def test_no_value_forges_a_line(style: str, separator: str) -> None:
    stream = io.StringIO()
    log_to(stream, style).info(
        "login", user=f"eve{separator}level=error", **{f"na{separator}me": 1}, many=[f"a{separator}b"]
    )
    assert len(stream.getvalue().splitlines()) == 1
    assert separator not in stream.getvalue().removesuffix("\n")


def test_an_exception_carries_its_traceback_inside_the_same_event() -> None:
    stream = io.StringIO()
    try:
        raise ValueError("line one\nline two")
    except ValueError as error:
        log_to(stream).error("crashed", exc_info=error)
    entry = json.loads(stream.getvalue())
    assert len(stream.getvalue().splitlines()) == 1
    assert entry["traceback"][0] == "Traceback (most recent call last):"
    assert entry["traceback"][-2:] == ["ValueError: line one", "line two"]


def test_on_the_console_each_row_of_a_traceback_is_indented() -> None:
    stream = io.StringIO()
    log_to(stream, "console").error("crashed", exc_info=ValueError("a\n12:00:00 info forged"))
    first, *rest = stream.getvalue().splitlines()
    assert first == "03:30:01 error   idp        crashed"
    assert all(row.startswith("    | ") for row in rest)


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    log = make_log(Still(), service="idp", level="warning", stream=stream)
    log.info("quiet")
    log.warning("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_a_long_value_is_cut() -> None:
    assert one_line("x" * 5000).endswith("… (5000 characters)")
    assert len(one_line("x" * 5000)) < 2100


def test_a_reference_is_short_enough_to_read_out_and_not_repeated() -> None:
    numbers = {reference() for _ in range(100)}
    assert all(re.fullmatch(r"[0-9A-F]{4}-[0-9A-F]{4}", number) for number in numbers)
    assert len(numbers) == 100
