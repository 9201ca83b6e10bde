"""Something that is found out when it is first asked for, and only once: within one request, by one thread."""

from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Once(Generic[V]):
    """Calls ``find`` at the first call; what it raises is raised, and it is asked again at the next."""

    __slots__ = ("_find", "_found")

    def __init__(self, find: Callable[[], V]) -> None:
        self._find = find
        self._found: tuple[V] | None = None

    def __call__(self) -> V:
        """What was found."""
        found = self._found
        if found is None:
            found = self._found = (self._find(),)
        return found[0]
