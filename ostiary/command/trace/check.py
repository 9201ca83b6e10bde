"""What one verification looked at and how it came out, as data; the sentences stand in the text catalogue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeVar

from ostiary.errors import OstiaryError
from ostiary.saml.validate import Timing
from ostiary.saml.xml import write_instant

Outcome = Literal["good", "bad", "note", "unknown"]
"""``note``: nothing to be right or wrong about; ``unknown``: it could not be looked at, which is never the same as good."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Check:
    """``name`` is its title in the catalogue (``trace.check.<name>``), ``told`` the key of the sentence (``trace.told.<told>``) that
    ``facts`` fill; ``section`` the standard's; ``error`` what a rule raised."""

    name: str
    outcome: Outcome
    section: str
    told: str
    facts: Mapping[str, str] = field(default_factory=dict)
    error: OstiaryError | None = None


class Sheet:
    """Collects checks in their order."""

    def __init__(self) -> None:
        self._checks: list[Check] = []

    @property
    def checks(self) -> tuple[Check, ...]:
        """What was collected."""
        return tuple(self._checks)

    def rule(
        self,
        name: str,
        section: str,
        apply: Callable[[], T],
        *,
        told: str = "",
        facts: Callable[[T], Mapping[str, str]] | None = None,
        **known: str,
    ) -> T | None:
        """Applies a rule, which raises `OstiaryError` where it is broken; then None is returned. A rule that itself returns None
        should be asked for by `held`."""
        return self._apply(name, section, apply, told, facts, known)

    def held(self, name: str, section: str, apply: Callable[[], None], *, told: str = "", **known: str) -> bool:
        """The same for a rule that returns nothing: whether it holds."""
        before = len(self._checks)
        self._apply(name, section, apply, told, None, known)
        return self._checks[before].outcome == "good"

    def _apply(
        self,
        name: str,
        section: str,
        apply: Callable[[], T],
        told: str,
        facts: Callable[[T], Mapping[str, str]] | None,
        known: Mapping[str, str],
    ) -> T | None:
        try:
            result = apply()
        except OstiaryError as error:
            self._checks.append(Check(name, "bad", section, told or name, known, error))
            return None
        more = facts(result) if facts is not None else {}
        self._checks.append(Check(name, "good", section, told or name, {**known, **more}))
        return result

    def note(self, name: str, section: str, *, told: str = "", **facts: str) -> None:
        """Something worth knowing that no rule speaks of."""
        self._checks.append(Check(name, "note", section, told or name, facts))

    def unknown(self, name: str, section: str, told: str, **facts: str) -> None:
        """Something that could not be looked at."""
        self._checks.append(Check(name, "unknown", section, told, facts))

    def failed(self, name: str, section: str, error: OstiaryError) -> None:
        """A rule that was applied elsewhere and is broken."""
        self._checks.append(Check(name, "bad", section, name, {}, error))


def clocks(at: datetime, now: datetime, timing: Timing) -> dict[str, str]:
    """Both times, and what is tolerated."""
    return {
        "theirs": write_instant(at),
        "ours": write_instant(now),
        "skew": f"{timing.skew.total_seconds():.0f}",
        "age": f"{timing.max_age.total_seconds():.0f}",
    }
