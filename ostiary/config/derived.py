"""What is worked out once: for frozen snapshots (settings, metadata) whatever follows from them alone, or within one request."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

V = TypeVar("V")

_MOST = 1024


class Derived(Generic[V]):
    """``derive`` is a pure function of objects that never change; it is asked once for the same objects, whatever they hold.

    Goes by identity: a snapshot that was read anew is another one. Two threads may both ask. What ``derive`` raises is not kept.
    """

    def __init__(self, derive: Callable[..., V], *, most: int = _MOST) -> None:
        self._derive = derive
        self._most = most
        # With the objects themselves, so that no other object gets their identity.
        self._known: dict[int | tuple[int, ...], tuple[tuple[Any, ...], V]] = {}

    def __call__(self, source: Any, *others: Any) -> V:
        """What follows from these objects. Raises as ``derive``."""
        # Of one object, as most often, the identity alone: a tuple takes twice as long.
        key = (id(source), *map(id, others)) if others else id(source)
        try:
            return self._known[key][1]
        except KeyError:
            pass
        value = self._derive(source, *others)
        if len(self._known) >= self._most:
            # Those of older snapshots go with it.
            self._known = {}
        self._known[key] = ((source, *others), value)
        return value


class Once(Generic[V]):
    """For one request, in one thread: calls ``find`` when it is first asked; what that raises is raised, and it is asked again."""

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
