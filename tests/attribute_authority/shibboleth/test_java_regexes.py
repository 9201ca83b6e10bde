"""Java's regular expressions as patterns: equal, or refused."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_authority.shibboleth.java_regex import pattern_ignoring_case, pattern_of, pattern_of_texts
from ostiary.errors import Refusal
from ostiary.policy.patterns import compile_pattern


@pytest.mark.parametrize(
    ("regex", "pattern"),
    [
        (r"^https://sp\.example/.*$", "https://sp\\.example/[^\n\r\x85\u2028\u2029]*"),
        (r"a|^b$", "a|b"),
        (r"a{2,3}?b*?", "a{2,3}b*"),
        (r"\Qa.b\E[x-z]", r"a\.b[x-z]"),
        (r"(?<name>a|b)+", "(a|b)+"),
        (r"(?i)Ab[c-e]\d", r"[Aa][Bb][C-Ec-e]\d"),
        (r"(?s).", r"[\s\S]"),
        (r"\p{Alnum}\x41\u00e9", "[0-9A-Za-z]Aé"),
        (r"[^\d]", r"\D"),
        ("}]", r"\}\]"),
        ("", "()"),
    ],
)
def test_a_regular_expression_becomes_the_pattern_that_means_the_same(regex: str, pattern: str) -> None:
    assert pattern_of(regex) == pattern


@pytest.mark.parametrize(
    "regex",
    [
        r"(?=a).*",
        r"(?!a).*",
        r"(?<=a)b",
        r"(a)\1",
        r"\bword\b",
        r"a++",
        r"a*+",
        r"(?>a|ab)c",
        r"[a&&b]",
        r"[a[b]]",
        r"[]a]",
        r"\p{L}",
        r"\p{javaLowerCase}",
        r"(^a)b",
        r"a$b",
        r"(?x) a b",
        r"a(?i)b",
        r"\u12",
        r"\ud800",
        r"x{2}{3}",
        "a{600}",
        "(",
        "a)",
        "[a",
        "*a",
        "a\\",
        "(" * 30 + ")" * 30,
        "a" * 2001,
    ],
)
def test_what_has_no_equal_is_refused(regex: str) -> None:
    with pytest.raises(Refusal):
        pattern_of(regex)


def test_a_dot_takes_no_line_end_of_java() -> None:
    pattern = compile_pattern(pattern_of("a.c"))

    assert pattern.matches("abc")
    assert not any(pattern.matches(f"a{end}c") for end in "\n\r\x85\u2028\u2029")


def test_a_dot_stays_as_it_is_for_texts_of_one_line() -> None:
    assert pattern_of("https://.*", one_line=True) == "https://.*"


def test_characters_that_a_text_can_not_hold_are_taken_out() -> None:
    pattern = compile_pattern(pattern_of(r".*[^x]\W", without="@"))

    assert pattern.matches("ab.")
    assert not pattern.matches("a@b.")
    assert not pattern.matches("ab@")
    with pytest.raises(Refusal):
        pattern_of("a@b", without="@")


def test_a_text_without_case_is_what_java_finds_equal() -> None:
    pattern = compile_pattern(pattern_ignoring_case("Kiss-1"))

    assert all(pattern.matches(text) for text in ("kiss-1", "KISS-1", "k\u0131ss-1", "\u212ai\u017fs-1", "K\u0130SS-1"))
    assert not pattern.matches("kiss-2")
    with pytest.raises(Refusal):
        pattern_ignoring_case("Ätna")


def test_several_texts_are_one_pattern() -> None:
    assert pattern_of_texts(["a.b", "c"]) == r"a\.b|c"


_atoms = st.sampled_from(["a", "b", "@", r"\.", "[ab]", "[^a]", r"\d", r"\W", ".", "(?:a|b@)", "(ab|)", r"\Qa.\E"])
_pieces = st.tuples(_atoms, st.sampled_from(["", "", "*", "+?", "{1,2}"])).map(
    lambda piece: piece[0] if piece[0].startswith(r"\Q") else "".join(piece)
)
_regexes = st.lists(_pieces, max_size=5).map("".join)


@settings(max_examples=50, deadline=None)
@given(regex=_regexes, ignore_case=st.booleans(), text=st.text("abAB@.1\n", max_size=5))
def test_patterns_match_what_regular_expressions_match(regex: str, ignore_case: bool, text: str) -> None:
    in_python = regex.replace(r"\Qa.\E", r"a\.").replace("\\.", "\0").replace(".", "[^\n\r]").replace("\0", "\\.")

    expected = re.fullmatch(in_python, text, re.ASCII | (re.IGNORECASE if ignore_case else 0)) is not None
    assert compile_pattern(pattern_of(regex, ignore_case=ignore_case)).matches(text) is expected
