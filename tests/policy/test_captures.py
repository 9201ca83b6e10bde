import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import Refusal
from ostiary.policy.captures import MAX_CAPTURE_LENGTH, compile_capture


@pytest.mark.parametrize(
    ("pattern", "value", "part"),
    [
        ("([^@]+)@.*", "ada@uni.example", "ada"),
        ("(.*)@.*", "ada@b@uni.example", "ada@b"),
        ("[^@]*@(.*)", "ada@b@uni.example", "b@uni.example"),
        (".*@(.*)", "ada@b@uni.example", "uni.example"),
        ("ou=([^,]+),(?:ou=.*,)?o=uni", "ou=staff,ou=all,o=uni", "staff"),
        ("(?:a|ab)(c|bcd)(?:d*)", "abcd", "bcd"),
        ("(a*)(?:a*)", "aaa", "aaa"),
        ("(a{1,2})a*", "aaa", "aa"),
        ("^([0-9]{4})-[0-9]{2}$", "2026-11", "2026"),
        ("(é+).*", "éé!", "éé"),
        ("x(?:y|(z))", "xz", "z"),
        ("x(?:y|(z))", "xy", None),
        ("(a*)b", "b", ""),
        ("(a*)", "", ""),
        ("([^@]+)@uni", "ada@uni.example", None),
        ("([^@]+)@uni", "", None),
        ("(a).", "a\n", None),
    ],
)
def test_the_group_holds_what_a_backtracking_engine_would_say(pattern: str, value: str, part: str | None) -> None:
    assert compile_capture(pattern).part_of(value) == part


@pytest.mark.parametrize(
    "pattern",
    [
        "abc",
        "(a)(b)",
        "((a)b)",
        "(a)*",
        "(?:(a)b){2}",
        "(?:a*)*(b)",
        "(b)(?:a?){2}",
        "(b)(?:a|){3}",
        "(a",
        "(a)\\1",
        "",
        "(a{129})",
    ],
)
def test_a_pattern_without_one_plain_group_is_refused(pattern: str) -> None:
    with pytest.raises(Refusal) as refused:
        compile_capture(pattern)
    assert refused.value.code == "policy.pattern"


def test_a_pattern_that_stops_a_backtracking_engine_answers_at_once() -> None:
    capture = compile_capture("(?:a|a|aa)*(?:a+)*" + "(?:a|b){0,40}(x?)b")
    started = time.process_time()
    assert capture.part_of("a" * MAX_CAPTURE_LENGTH) is None
    assert time.process_time() - started < 2


def test_a_value_that_is_too_long_is_not_looked_at() -> None:
    capture = compile_capture("(a*)")
    assert capture.part_of("a" * MAX_CAPTURE_LENGTH) == "a" * MAX_CAPTURE_LENGTH
    assert capture.part_of("a" * (MAX_CAPTURE_LENGTH + 1)) is None


LEAVES = st.sampled_from(["a", "b", ".", "[ab]", "[^a]"])
# What is repeated is never empty.
SOLID = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["+", "{2}", "{1,}", "{1,2}"])).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    ),
    max_leaves=4,
)
LOOSE = st.one_of(
    SOLID, st.tuples(SOLID, st.sampled_from(["*", "?", "{0,2}"])).map(lambda pair: f"(?:{pair[0]}){pair[1]}")
)
AROUND = st.lists(LOOSE, max_size=2).map("".join)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    group = "(" + draw(st.one_of(AROUND, st.tuples(AROUND, LOOSE).map("|".join))) + ")"
    core = draw(st.sampled_from(["{}", "(?:{}|a)", "(?:b|{})"])).replace("{}", group, 1)
    return draw(AROUND) + core + draw(AROUND)


@settings(max_examples=50, deadline=None)
@given(pattern=patterns(), values=st.lists(st.text(alphabet="ab\n", max_size=7), max_size=12))
def test_the_group_is_that_of_python_on_whole_values(pattern: str, values: list[str]) -> None:
    capture = compile_capture(pattern)
    for value in values:
        found = re.compile(pattern).fullmatch(value)
        assert capture.part_of(value) == (found[1] if found is not None else None)
