"""The octets of a line: both ways of writing JSON give those that the log has always given."""

import io
import json
from datetime import UTC, datetime
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.web.log import Log, make_log

LINES = Path(__file__).parent / "log_lines.json"
"""What structlog's chain of processors gave for these facts, before the log wrote its lines by itself."""


class Still:
    def now(self) -> datetime:
        return datetime(2026, 11, 22, 3, 30, 1, 250_000, tzinfo=UTC)


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


class Word(str):
    __slots__ = ()


CONTROLS = "a\nb\r\t\x00\x1b[2J\x7f\x85\u2028\u2029\u202e\u200b\ufeff\ud800"
FACTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "of a release": {
        "requester": "https://sp.example/shibboleth",
        "requester_known": True,
        "authority": 0,
        "attributes": ("mail", "sn"),
        "policies": ["a/b"],
        "withheld": [],
        "trial": False,
        "who": None,
    },
    "quotes": {"a": '"', "b": "\\", "c": "'", "d": "/</script>", "e": "é€😀", "f": ""},
    "controls": {"a": CONTROLS, "b": ["x\ny", ("z\n",)]},
    "names": {"na\nme": 1, "na\\u000ame": 2, 'quo"te': 3, "é": 4, "": 5, "back\\slash": 6, "  ": 7},
    "secrets": {
        "password": "x",
        "client_secret": None,
        "SAMLResponse": b"x",
        "deep": {"cookie": 1, "list": [{"pin": [1]}]},
        "key\n": "x",
    },
    "numbers": {
        "a": 1,
        "b": -1,
        "c": 2**70,
        "d": 1.5,
        "e": float("nan"),
        "f": float("inf"),
        "g": 1e300,
        "h": -0.0,
        "i": True,
        "j": Size.BIG,
    },
    "kinds": {
        "a": b"bytes",
        "b": Colour.RED,
        "c": Word("wo\nrd"),
        "d": datetime(2026, 1, 1, tzinfo=UTC),
        "e": ValueError("bo\nom"),
        "f": object,
        "g": frozenset({"one"}),
        "h": range(3),
    },
    "nested": {
        "a": [[[[["deep"]]]]],
        "b": {"x": {"y": {"z": {"w": {"v": 1}}}}},
        "c": [None, True, 1, 1.0, "s", b"b"],
        "d": {1: 2, None: 3, 0.5: 4},
    },
    "long": {
        "a": "x" * 2000,
        "b": "y" * 2001,
        "e": list(range(101)),
        "f": {str(number): number for number in range(101)},
        "g": ["s"] * 100,
        "h": ["s"] * 101,
    },
    "names that stand before": {"at": "now", "service": "mine", "level": "none", "b": 1},
    "a traceback of its own": {"b": 1, "traceback": "mine", "timestamp": 2},
    "no exception": {"exc_info": None, "a": 1},
    "no exception at all": {"exc_info": False, "a": 1},
    "an exception": {"a": 1, "exc_info": ValueError("line one\nline two"), "b": 2},
    "an exception in parts": {"exc_info": (ValueError, ValueError("x"), None)},
    "parts of none": {"exc_info": (None, None, None)},
    "what is handled": {"exc_info": True},
}


def line_of(facts: dict[str, Any], style: Any, level: str) -> str:
    stream = io.StringIO()
    log = make_log(Still(), service='i"dp', style=style, level="debug", stream=stream)
    getattr(log, level)("what\nhappened", **facts)
    return stream.getvalue()


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "exception"])
@pytest.mark.parametrize("name", FACTS)
def test_each_line_is_what_it_was(name: str, level: str, style: str) -> None:
    known = json.loads(LINES.read_text())
    expected = known[f"{style}: {name}"]
    level_in_line = "error" if level == "exception" else level
    shown = f'"level": "{level_in_line}"' if style == "json" else f" {level_in_line:<7} "
    told = '"level": "info"' if style == "json" else " info    "
    assert line_of(FACTS[name], style, level) == expected.replace(told, shown, 1)


@pytest.mark.parametrize("name", FACTS)
def test_putting_a_line_together_gives_what_the_encoder_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together = line_of(FACTS[name], "json", "info")
    monkeypatch.setattr(Log, "_plain_json", lambda *_: None)
    assert line_of(FACTS[name], "json", "info") == together


TEXTS = st.text(max_size=40) | st.sampled_from([CONTROLS, "", '"', "\\", "x" * 1000, "y" * 2000, "z" * 2001])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=8,
)


@given(facts=st.dictionaries(st.sampled_from(["a", "b", "c", "password", "na\nme"]), VALUES, max_size=4))
def test_any_line_that_is_put_together_is_what_the_encoder_gives(facts: dict[str, Any]) -> None:
    log = make_log(Still(), service="idp", stream=io.StringIO())
    together = log._plain_json("2026-11-22T03:30:01.250Z", "info", "happened", facts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, "_plain_json", lambda *_: None)
        encoded = (
            line_of(facts, "json", "info").replace('"i\\"dp"', '"idp"').replace("what\\\\u000ahappened", "happened")
        )
    assert together is None or together + "\n" == encoded


def test_the_facts_of_the_caller_stay_as_they_are() -> None:
    facts = {"exc_info": ValueError("x"), "level": "none", "password": "x"}
    before = dict(facts)
    line_of(facts, "json", "info")
    assert facts == before


def test_every_line_is_written_whole_and_at_once() -> None:
    class Counted(io.StringIO):
        writes = 0
        flushed = 0

        def write(self, text: str) -> int:
            self.writes += 1
            return super().write(text)

        def flush(self) -> None:
            self.flushed += 1

    stream = Counted()
    make_log(Still(), service="idp", stream=stream).info("x", a=1)
    assert (stream.writes, stream.flushed, stream.getvalue()[-1]) == (1, 1, "\n")
