"""What a definition does with values on the way: tables, templates, conditions. Pure; every text that is made is bounded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from attribute_authority.connectors.protocol import MAX_VALUE_LENGTH
from ostiary.attributes import make_value
from ostiary.errors import Refusal
from ostiary.policy.patterns import Pattern
from ostiary.policy.values import ValueTest

_PIECE: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z][A-Za-z0-9:._-]*)\}|[^{}]+")


@dataclass(frozen=True, slots=True)
class Template:
    """A text with names of sources in braces: pieces of text, with the name of a source after each but the last one."""

    texts: tuple[str, ...]
    sources: tuple[str, ...]

    def fill(self, values: Sequence[Sequence[str]]) -> "Filled":
        """The texts that the values of the sources make, in the order of ``sources``.

        A source with one value goes into each text; sources with several have equally many and are taken in step, the first with the
        first. Without a value of each source there is none.
        """
        several = {len(found) for found in values if len(found) != 1}
        if 0 in several:
            return Filled(())
        if len(several) > 1:
            return Filled((), uneven=True)
        made: list[str] = []
        too_long = False
        for position in range(several.pop() if several else 1):
            parts = [found[position if len(found) > 1 else 0] for found in values]
            if sum(map(len, parts)) + sum(map(len, self.texts)) > MAX_VALUE_LENGTH:
                too_long = True
                continue
            made.append("".join(part for pair in zip(self.texts, (*parts, ""), strict=True) for part in pair))
        return Filled(tuple(made), too_long=too_long)


@dataclass(frozen=True, slots=True)
class Filled:
    """What a template made; ``uneven``: several sources have several values, not equally many; ``too_long``: some texts were left out."""

    texts: tuple[str, ...]
    uneven: bool = False
    too_long: bool = False


def read_template(text: str) -> Template:
    """The template written as ``text``: ``{name}`` stands for a source, ``{{`` and ``}}`` for braces. Raises `Refusal` ``aa.template`` for
    one without a source, and for other braces."""
    texts: list[str] = [""]
    sources: list[str] = []
    at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise Refusal("aa.template", expected="names in braces, {{ and }} for braces", found=text[at : at + 40])
        at = piece.end()
        if piece[1] is None:
            texts[-1] += piece[0][0] if piece[0] in ("{{", "}}") else piece[0]
        else:
            sources.append(piece[1])
            texts.append("")
    if not sources:
        raise Refusal("aa.template", expected="at least one name in braces", found=text[:40])
    return Template(tuple(texts), tuple(sources))


@dataclass(frozen=True, slots=True)
class ValueMap:
    """What becomes of each value: its entry in ``table`` and the values of each pattern that matches it, in order. Where nothing does,
    ``default``; ``keep`` leaves such a value as it is."""

    table: Mapping[str, tuple[str, ...]]
    patterns: tuple[tuple[Pattern, tuple[str, ...]], ...] = ()
    default: tuple[str, ...] = ()
    keep: bool = False

    def mapped(self, value: str) -> tuple[str, ...]:
        """What the value becomes."""
        found = (
            *self.table.get(value, ()),
            *(text for pattern, texts in self.patterns if pattern.matches(value) for text in texts),
        )
        return found or ((value,) if self.keep else self.default)


@dataclass(frozen=True, slots=True)
class Condition:
    """Something about another attribute: it has a value, or one that passes the ``test``."""

    attribute: str
    test: ValueTest | None = None

    def holds(self, texts: Sequence[str]) -> bool:
        """Whether it holds for these values of the attribute."""
        if self.test is None:
            return any(texts)
        return any(text and self.test.holds(make_value(self.attribute, text)) for text in texts)
