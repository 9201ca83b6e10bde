"""A source with a memory, a pause after repeated failure, and others that stand in for it. Never gives an answer that is older than its
settings allow, nor makes one up."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from attribute_authority.connectors.protocol import Found, is_down
from attribute_authority.connectors.sources import Answer, FollowingSource, Remark, Source
from ostiary.errors import Unavailable

FAILURES_IN_A_ROW: Final = 3

# What is found out before the source is asked.
_NOT_ASKED: Final = ("aa.connector_parameter", "aa.vo_identity")


@dataclass(frozen=True, slots=True)
class Care:
    """How a source is looked after.

    An answer serves for ``cache_age``, for at most ``cache_size`` people; with None it is remembered nowhere but in what the resolver
    remembers as a whole. While neither the source nor those that stand in for it answer, one that was given less than
    ``serve_when_down`` ago serves; with None none does. A source that did not answer three times in a row is left alone for ``pause``.
    """

    cache_age: timedelta | None = None
    cache_size: int = 10_000
    serve_when_down: timedelta | None = None
    pause: timedelta = timedelta(seconds=10)


class GuardedSource:
    """Asks a source as the resolver does. Safe for use by several threads."""

    def __init__(self, inner: Source | FollowingSource, care: Care, stand_ins: Sequence["GuardedSource | Source"] = ()):
        self._inner = inner
        self._care = care
        self._stand_ins = tuple(stand_ins)
        self._memory = _Memory(care)
        self._circuit = _Circuit(care.pause)

    @property
    def name(self) -> str:
        """The connector's."""
        return self._inner.name

    @property
    def required(self) -> bool:
        """Whether its failure makes the query fail."""
        return self._inner.required

    @property
    def needs(self) -> tuple[str, ...]:
        """What it, or those that stand in for it, ask by."""
        return tuple(dict.fromkeys(name for source in (self._inner, *self._stand_ins) for name in source.needs))

    @property
    def names(self) -> frozenset[str] | None:
        """What it, or those that stand in for it, call their attributes; None when only they know."""
        names = [source.names for source in (self._inner, *self._stand_ins)]
        known = [each for each in names if each is not None]
        return frozenset().union(*known) if len(known) == len(names) else None

    def ask(self, principal: str, at: datetime, earlier: Sequence[Found]) -> Answer:
        """What it remembers, or knows, or those that stand in for it do. Raises the `Unavailable` of the source itself."""
        asked_by = self._inner.asked_by(earlier)
        if any(name not in asked_by for name in self._inner.needs):
            # Nobody to ask for: that says nothing about the source.
            return Answer({})
        known = self._memory.recall(principal, asked_by, at)
        age = self._care.cache_age
        if known is not None and age is not None and at < known.since + age:
            return Answer(known.found, known.since + age)
        try:
            found = self._found(principal, at, earlier)
        except Unavailable as problem:
            if not is_down(problem):
                raise
            return self._instead(problem, known, principal, at, earlier)
        self._memory.keep(principal, asked_by, _Known(at, found))
        return Answer(found, at + age if age is not None else None)

    def forget(self, principal: str) -> None:
        """Nothing that was said about the person is remembered, here or by those that stand in."""
        self._memory.forget(principal)
        for source in self._stand_ins:
            source.forget(principal)

    def close(self) -> None:
        """Close the connections, also of those that stand in."""
        for source in (self._inner, *self._stand_ins):
            source.close()

    def _found(self, principal: str, at: datetime, earlier: Sequence[Found]) -> Found:
        self._circuit.check(at)
        try:
            answered = self._inner.ask(principal, at, earlier).found
        except Unavailable as problem:
            if is_down(problem):
                self._circuit.failed(at, problem)
            elif problem.code not in _NOT_ASKED:
                self._circuit.answered()
            raise
        self._circuit.answered()
        # Many will be given the same answer.
        return MappingProxyType({name: tuple(values) for name, values in answered.items()})

    def _instead(
        self, problem: Unavailable, known: "_Known | None", principal: str, at: datetime, earlier: Sequence[Found]
    ) -> Answer:
        for source in self._stand_ins:
            if not all(any(answer.get(name) for answer in earlier) for name in source.needs):
                # It has nobody to ask for: that is no answer in place of another.
                continue
            try:
                answer = source.ask(principal, at, earlier)
            except Unavailable:
                continue
            remark = Remark("connector_failover", f"{source.name} answered instead: {problem}")
            return Answer(answer.found, answer.until, (remark, *answer.remarks), self._unknown_to(source))
        limit = self._care.serve_when_down
        if known is not None and limit is not None and at < known.since + limit:
            remark = Remark("connector_old", f"known since {known.since.isoformat(timespec='seconds')}: {problem}")
            return Answer(known.found, at, (remark,))
        raise problem

    def _unknown_to(self, stand_in: "GuardedSource | Source") -> frozenset[str] | None:
        """What the source calls attributes of which this stand-in says nothing. One that takes what it finds knows what the source does."""
        if stand_in.names is None:
            return frozenset()
        return self._inner.names - stand_in.names if self._inner.names is not None else None


@dataclass(frozen=True, slots=True)
class _Known:
    since: datetime
    found: Found


class _Memory:
    """The last answer about each person, with what it was asked by: it says nothing about somebody of whom other things are known now."""

    def __init__(self, care: Care) -> None:
        self._longest = max(care.cache_age or timedelta(0), care.serve_when_down or timedelta(0))
        self._size = care.cache_size
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Found, _Known]] = OrderedDict()

    def recall(self, principal: str, asked_by: Found, at: datetime) -> _Known | None:
        with self._lock:
            entry = self._known.get(principal)
            if entry is None:
                return None
            before, known = entry
            if known.since <= at < known.since + self._longest:
                return known if before == asked_by else None
            del self._known[principal]
            return None

    def keep(self, principal: str, asked_by: Found, known: _Known) -> None:
        if self._longest <= timedelta(0):
            return
        with self._lock:
            self._known.pop(principal, None)
            self._known[principal] = (asked_by, known)
            while len(self._known) > self._size:
                self._known.popitem(last=False)

    def forget(self, principal: str) -> None:
        with self._lock:
            self._known.pop(principal, None)


class _Circuit:
    """Leaves a source alone that failed several times in a row; after the pause one question goes through, and what becomes of it
    decides about the others."""

    def __init__(self, pause: timedelta) -> None:
        self._pause = pause
        self._lock = threading.Lock()
        self._failures = 0
        self._since: datetime | None = None
        self._why = ""

    def check(self, at: datetime) -> None:
        """Raises `Unavailable` (``aa.connector_resting``) during the pause."""
        with self._lock:
            if self._since is None or self._failures < FAILURES_IN_A_ROW:
                return
            if not self._since <= at < self._since + self._pause:
                self._since = at
                return
            raise Unavailable("aa.connector_resting", expected="an answer", found=f"before: {self._why}")

    def failed(self, at: datetime, problem: Unavailable) -> None:
        with self._lock:
            self._failures += 1
            self._since = at
            self._why = str(problem)

    def answered(self) -> None:
        with self._lock:
            self._failures, self._since = 0, None
