import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import Refusal
from ostiary.policy.patterns import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("member", "member", True),
        ("member", "members", False),
        ("member", "a member", False),
        ("(.+\\.)?example\\.org", "example.org", True),
        ("(.+\\.)?example\\.org", "cs.example.org", True),
        ("(.+\\.)?example\\.org", "badexample.org", False),
        ("^(.+\\.)?example\\.org$", "cs.example.org", True),
        ("example\\.org", "exampleXorg", False),
        ("urn:mace:.+:group:.+", "urn:mace:example.org:group:staff", True),
        ("urn:mace:.+:group:.+", "urn:mace:example.org:group:", False),
        ("[a-z]{2,3}\\d+", "ab7", True),
        ("[a-z]{2,3}\\d+", "abcd7", False),
        ("[^@]+", "a@b", False),
        ("[]a-]+", "]-a", True),
        ("a||b", "", True),
        ("a{0}", "", True),
        ("(a*)*", "aaaa", True),
        (".", "\n", False),
        ("a$", "a\n", False),
        ("price \\$", "price $", True),
        ("\\w+", "é", False),
        (".+", "é", True),
        ("Member", "member", False),
    ],
)
def test_a_pattern_matches_the_whole_value_or_not_at_all(pattern: str, value: str, expected: bool) -> None:
    assert compile_pattern(pattern).matches(value) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "(",
        ")",
        "a)",
        "[a",
        "[z-a]",
        "[\\w-z]",
        "[[a]]",
        "*a",
        "a**",
        "a+?",
        "a{2,1}",
        "a{x}",
        "a{,3}",
        "a{2",
        "a\\",
        "\\1",
        "\\b",
        "(?=a)a",
        "(?<name>a)",
        "(?i)a",
        "a^b",
        "a$b",
        "a{9999}",
        "(a{100}){100}",
        "(" * 20 + "a" + ")" * 20,
        "a" * 513,
    ],
)
def test_a_pattern_outside_the_language_is_refused(pattern: str) -> None:
    with pytest.raises(Refusal) as refused:
        compile_pattern(pattern)
    assert refused.value.code == "policy.pattern"


def test_a_huge_count_of_nothing_is_not_counted_out() -> None:
    assert compile_pattern("((){9999}){9999}").matches("")


def test_a_pattern_that_stops_a_backtracking_engine_answers_at_once() -> None:
    pattern = compile_pattern("(a|a)*(.*.*.*.*)*[^x]*b")
    started = time.process_time()
    assert not pattern.matches("a" * 5000)
    assert time.process_time() - started < 2


LEAVES = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "\\w", "\\.", "[a-b.]", "\\D"])
PATTERNS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(pattern=PATTERNS, values=st.lists(st.text(alphabet="ab.\né1", max_size=6), max_size=8))
def test_the_language_is_that_of_python_on_whole_values(pattern: str, values: list[str]) -> None:
    compiled = compile_pattern(pattern)
    for value in values:
        assert compiled.matches(value) is (re.compile(pattern, re.ASCII).fullmatch(value) is not None)
