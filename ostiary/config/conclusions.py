"""What was concluded from an object that lives for a while, kept with it: when it goes, all that was concluded from it goes, too."""

from collections.abc import Hashable
from typing import Any, Final

_MOST: Final = 4


class Conclusions:
    """Those of one object, by question; a few, for nobody asks many. Knows neither question nor conclusion: whoever keeps one keeps with it
    whatever else it follows from, and looks whether that is still so. Safe for use by several threads."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def get(self, question: Hashable) -> Any:
        """The latest conclusion about this, None where there is none."""
        return self._kept.get(question)

    def keep(self, question: Hashable, conclusion: object) -> None:
        """Takes the place of an earlier one."""
        if len(self._kept) >= _MOST and question not in self._kept:
            self._kept = {}
        self._kept[question] = conclusion
