"""Templates and maps against naive readings of what they say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_authority.resolver.transformations import Filled, Template, ValueMap, read_template
from ostiary.errors import Refusal
from ostiary.policy.patterns import compile_pattern


def test_braces_stand_for_sources_and_doubled_ones_for_themselves() -> None:
    assert read_template("{{{a}}} and {b.c-d}") == Template(("{", "} and ", ""), ("a", "b.c-d"))
    assert read_template("{a}{a}") == Template(("", "", ""), ("a", "a"))


@pytest.mark.parametrize("text", ["", "plain", "{a", "a}", "{}", "{a b}", "{1}", "{a}}", "{{a}}", "{a{b}}"])
def test_a_template_with_other_braces_or_without_a_source_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_template(text)
    assert refused.value.code == "aa.template"


TEXTS = st.text(alphabet="xy{} ", max_size=4)
VALUES = st.lists(st.text(alphabet="abc", min_size=1, max_size=2), max_size=3)


@settings(max_examples=50, deadline=None)
@given(
    found=st.dictionaries(st.sampled_from(["p", "q", "r"]), VALUES, min_size=1),
    around=TEXTS,
    order=st.permutations("pqr"),
)
def test_a_template_fills_as_written(found: dict[str, list[str]], around: str, order: list[str]) -> None:
    used = [name for name in order if name in found]
    written = "".join(around.replace("{", "{{").replace("}", "}}") + "{" + name + "}" for name in used)
    template = read_template(written)
    assert template.sources == tuple(used)
    filled = template.fill([found[name] for name in template.sources])
    counts = {len(found[name]) for name in used}
    if 0 in counts:
        assert filled == Filled(())
    elif len(counts - {1}) > 1:
        assert filled == Filled((), uneven=True)
    else:
        rows = range(max(counts))
        whole = tuple("".join(around + (found[name] * max(counts))[row] for name in used) for row in rows)
        assert filled == Filled(whole)


@settings(max_examples=50, deadline=None)
@given(
    table=st.dictionaries(st.sampled_from(["a", "b", "ab"]), VALUES.map(tuple)),
    patterns=st.lists(st.tuples(st.sampled_from(["a.*", "b", "[ab]+"]), VALUES.map(tuple)), max_size=3),
    default=VALUES.map(tuple),
    keep=st.booleans(),
    value=st.sampled_from(["a", "b", "ab", "c"]),
)
def test_a_map_adds_up_all_that_match(
    table: dict[str, tuple[str, ...]],
    patterns: list[tuple[str, tuple[str, ...]]],
    default: tuple[str, ...],
    keep: bool,
    value: str,
) -> None:
    matching = {"a": {"a.*", "[ab]+"}, "b": {"b", "[ab]+"}, "ab": {"a.*", "[ab]+"}, "c": set[str]()}[value]
    expected = list(table.get(value, ()))
    for pattern, texts in patterns:
        if pattern in matching:
            expected += texts
    if not expected:
        expected = [value] if keep else list(default)
    compiled = tuple((compile_pattern(pattern), texts) for pattern, texts in patterns)
    assert ValueMap(table, compiled, default, keep).mapped(value) == tuple(expected)
