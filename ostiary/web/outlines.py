"""A page that is rendered once for each way it can look, and cut where its values stand. The template stays the only source of the page.

Knows no template and no request; every value is escaped as the template would.
"""

import secrets
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import escape

_MAXIMUM_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class Outline:
    """What stays of a page, as a form with a ``%s`` for each value that goes there, and the numbers of these values."""

    form: str
    places: tuple[int, ...]

    def filled(self, values: Sequence[str]) -> str:
        """The page with these values."""
        escaped = [_escaped(value) for value in values]
        return self.form % tuple(map(escaped.__getitem__, self.places))


def _escaped(value: str) -> str:
    # A whole message in base64 has none of these, and to look for each of them takes a fiftieth of the time of `escape`.
    if "&" in value or "<" in value or ">" in value or '"' in value or "'" in value:
        return str(escape(value))
    return value


def outline_of(render: Callable[[Sequence[str]], str], values: int) -> Outline:
    """Renders a page with as many marks as it takes values; the marks are random, so nothing else on the page looks like one.

    Each mark is a web address, for pages that show nothing else as a link. The page may leave a value out or show it twice; one that
    shows something else instead, in capitals for instance, has no outline (`RuntimeError`).
    """
    mark = f"https://{secrets.token_hex(16)}.invalid/"
    first, *rest = render([f"{mark}{number:04d}" for number in range(values)]).split(mark)
    if any(not part[:4].isdecimal() for part in rest) or mark[8:40] in "".join([first, *rest]).lower():
        raise RuntimeError("a page changes one of its values")
    pieces = [piece.replace("%", "%%") for piece in (first, *(part[4:] for part in rest))]
    return Outline("%s".join(pieces), tuple(int(part[:4]) for part in rest))


class Outlines:
    """Those of one application, which are made anew when it looks different: ``look`` is what all of them depend on."""

    def __init__(self) -> None:
        self._kept: tuple[object, dict[Hashable, Outline]] = (None, {})

    def get(self, look: object, key: Hashable, make: Callable[[], Outline]) -> Outline:
        """The outline under this key, made if it is not there. Two threads may both make it."""
        if self._kept[0] is not look:
            self._kept = (look, {})
        kept = self._kept[1]
        found = kept.get(key)
        if found is None:
            found = make()
            if len(kept) < _MAXIMUM_KEPT:
                kept[key] = found
        return found
