"""What the lint of release policies has to say, and about which line of which file. Finds nothing itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Any, Final, Literal

from ostiary.config import Document, nearest_key
from ostiary.errors import ConfigurationError
from ostiary.policy.release import ReleasePolicy, ReleaseRule, Requester

Level = Literal["error", "warning", "hint"]

LEVELS: Final[tuple[Level, ...]] = ("error", "warning", "hint")
LONG_PATTERN: Final = 200
"""Characters of a pattern from which on nobody can tell any more what it means; a policy with more than 512 is refused."""

_NO_FACTS: Final[Mapping[str, str]] = MappingProxyType({})
# How many names are sought that were probably meant: it takes long, and people wait.
_MOST_NEAREST: Final = 20
TOLD: Final = 5
"""How many names a sentence lists."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. ``code`` is a key of the texts (``lint.<code>``), or of an error where there is a ``problem``: then the
    file can't be used at all. ``facts`` fill the text."""

    level: Level
    code: str
    file: str
    line: int | None
    policy: str = ""
    rule: str = ""
    facts: Mapping[str, str] = field(default_factory=lambda: _NO_FACTS)
    problem: ConfigurationError | None = None


@dataclass(frozen=True, slots=True)
class World:
    """What policies are compared with. ``requesters``: every resource of the metadata at ``now``; ``attributes``: what the definitions of
    the resolver can make, internal ones in ``internal``."""

    requesters: tuple[Requester, ...]
    attributes: frozenset[str]
    now: datetime
    internal: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LintReport:
    """``patterns``: how many there are; none of them can take long, because all are matched in one pass. ``cut``: there were too many rules
    to compare each with each."""

    findings: tuple[Finding, ...]
    policies: int
    patterns: int
    cut: bool = False

    def number(self, level: Level) -> int:
        """How many findings of this level there are."""
        return sum(finding.level == level for finding in self.findings)


class Places:
    """Where each policy and rule stands."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._found: dict[str, tuple[Document, int, Mapping[str, Any]]] = {}
        for document in documents:
            for position, policy in enumerate(document.data.get("policies") or ()):
                self._found.setdefault(str(policy.get("id", "")), (document, position, policy))

    def finding(
        self,
        level: Level,
        code: str,
        policy: ReleasePolicy,
        rule: ReleaseRule | None = None,
        *key: str,
        **facts: object,
    ) -> Finding:
        """At the rule, or at a key of the policy, or at the policy."""
        file, line = policy.file, policy.line or None
        if (known := self._found.get(policy.id)) is not None:
            document, position, written = known
            inside: tuple[str | int, ...] = key
            if rule is not None and (number := _number_of(rule, written)) is not None:
                inside = ("rules", number, *key)
            file, line = str(document.path), document.line("policies", position, *inside)
        told = {name: str(fact) for name, fact in facts.items()}
        return Finding(level, code, file, line, policy.id, rule.id if rule is not None else "", told)


def _number_of(rule: ReleaseRule, written: Mapping[str, Any]) -> int | None:
    for number, candidate in enumerate(written.get("rules") or ()):
        if candidate.get("id", f"rule {number + 1}") == rule.id:
            return number
    return None


class Nearest:
    """The name that was surely meant; for the first few only, for it takes long. ``closeness``: how much of it is the same, at least."""

    def __init__(self, known: Iterable[str], closeness: float) -> None:
        self._known = sorted(known)
        self._closeness = closeness
        self._found: dict[str, str] = {}

    def to(self, name: str) -> str:
        """Empty where none is close, or too many were asked for."""
        if name not in self._found:
            if len(self._found) >= _MOST_NEAREST:
                return ""
            near = nearest_key(name, self._known)
            alike = SequenceMatcher(None, name.lower(), near.lower()).ratio()
            self._found[name] = near if near and alike >= self._closeness else ""
        return self._found[name]


def listed(names: Iterable[str]) -> str:
    """A few names, for a sentence."""
    listed = sorted(names)
    return ", ".join(listed[:TOLD]) + (" …" if len(listed) > TOLD else "")
