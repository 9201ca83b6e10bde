"""How a row is measured and what it looks like. Times are CPU seconds of this process unless a row says otherwise."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """``limit``: the bare work; ``goal``: the allowed multiple of it; ``peers``: what others need for the same, by name, or a sentence
    that says why it was not measured."""

    name: str
    value: float
    unit: str
    limit: float
    goal: float
    peers: dict[str, float | str] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return self.value / self.limit

    @property
    def holds(self) -> bool:
        return self.ratio <= self.goal

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "limit": self.limit,
            "goal": self.goal,
            "ratio_to_limit": round(self.ratio, 3),
            "peers": {name: self._peer(found) for name, found in self.peers.items()},
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
        }

    def _peer(self, found: float | str) -> dict[str, object]:
        if isinstance(found, str):
            return {"value": None, "ratio": None, "not_measured": found}
        return {"value": found, "ratio": round(found / self.value, 2)}


def cpu_milliseconds(
    tasks: dict[str, Callable[[], object]],
    *,
    rounds: int,
    loops: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Milliseconds of CPU for one call of each task: the best of ``rounds``, each of ``loops`` calls. ``clock``: CPU seconds so far.

    The tasks take turns, so that a slow moment of the machine falls on all of them; many short rounds find its quiet moments.
    """
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            begin = clock()
            for _ in range(loops):
                task()
            best[name] = min(best[name], (clock() - begin) / loops * 1000)
    return best
