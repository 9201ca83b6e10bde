"""Definitions depend on each other as a graph: circles are found and named, the order respects every input."""

from itertools import pairwise, permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_authority.resolver.definitions import Constants, Definition, depending_on, find_cycle, in_order
from attribute_authority.resolver.transformations import Condition, Template

NAMES = ("a", "b", "c", "d", "e")


@st.composite
def graphs(draw: st.DrawFn) -> list[Definition]:
    chosen = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    inputs = st.lists(st.sampled_from((*NAMES, "raw")), max_size=2).map(tuple)

    def definition(name: str) -> Definition:
        sources, when, when_not = draw(inputs), draw(inputs), draw(inputs)
        origin = draw(st.sampled_from([sources, Template(("",) * (len(sources) + 1), sources), Constants(("x",))]))
        return Definition(name, origin, when=tuple(map(Condition, when)), when_not=tuple(map(Condition, when_not)))

    return [definition(name) for name in chosen]


def needed_by(definitions: list[Definition]) -> dict[str, set[str]]:
    names = {definition.name for definition in definitions}
    return {one.name: {name for name in one.inputs() if name in names and name != one.name} for one in definitions}


def has_circle(needed: dict[str, set[str]]) -> bool:
    return any(
        all(chain[(position + 1) % len(chain)] in needed[name] for position, name in enumerate(chain))
        for length in range(2, len(needed) + 1)
        for chain in permutations(needed, length)
    )


@settings(max_examples=50, deadline=None)
@given(definitions=graphs())
def test_circles_are_those_that_a_naive_search_finds(definitions: list[Definition]) -> None:
    needed = needed_by(definitions)
    cycle = find_cycle(definitions)
    assert bool(cycle) is has_circle(needed)
    if cycle:
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all(later in needed[name] for name, later in pairwise(cycle))
        return
    ordered = [definition.name for definition in in_order(definitions)]
    assert sorted(ordered) == sorted(needed)
    assert all(ordered.index(other) < ordered.index(name) for name, others in needed.items() for other in others)


@settings(max_examples=50, deadline=None)
@given(definitions=graphs())
def test_what_depends_on_a_source_is_what_can_reach_it(definitions: list[Definition]) -> None:
    if find_cycle(definitions):
        return
    by_name = {definition.name: definition for definition in definitions}

    def reaches(name: str) -> bool:
        return any(
            reaches(other) if other in by_name and other != name else other == "raw" for other in by_name[name].inputs()
        )

    assert depending_on(in_order(definitions), {"raw"}) == {name for name in by_name if reaches(name)}


def test_a_long_chain_is_no_trouble() -> None:
    chain = [Definition(f"n{number}", f"n{number + 1}") for number in range(20_000)]
    assert in_order(chain)[0].name == "n19999"
    circle = [*chain, Definition("n20000", "n0")]
    assert len(find_cycle(circle)) == 20_002
