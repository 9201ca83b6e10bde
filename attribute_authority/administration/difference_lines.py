"""One thing before and after, as YAML line by line. Pure, and quick however long it is."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

import yaml

from attribute_authority.administration.content import Content, Difference

MAXIMUM_LINES: Final = 400
_AROUND: Final = 3
_LEFT_OUT: Final = "  …"


def changed_lines(before: Content, after: Content, one: Difference) -> list[str]:
    """Lines that begin with ``+``, ``-`` or a space, and a space. Of what did not change only what is near; at most `MAXIMUM_LINES`."""
    old, new = (_yaml(state.get(one.section, {}).get(one.id)) for state in (before, after))
    lines = list(_marked(old, new))
    return lines if len(lines) <= MAXIMUM_LINES else [*lines[:MAXIMUM_LINES], _LEFT_OUT]


def _marked(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(None, old, new).get_opcodes():
        if kind == "equal":
            yield from _shortened([f"  {line}" for line in old[old_from:old_to]])
            continue
        yield from (f"- {line}" for line in old[old_from:old_to])
        yield from (f"+ {line}" for line in new[new_from:new_to])


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) <= 4 * _AROUND:
        return lines
    return [*lines[:_AROUND], _LEFT_OUT, *lines[-_AROUND:]]


def _yaml(thing: object) -> list[str]:
    if thing is None:
        return []
    return yaml.safe_dump(thing, sort_keys=False, allow_unicode=True, width=110).splitlines()
