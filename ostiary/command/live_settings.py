"""A service's configuration while it runs: a changed file takes effect as a whole, waits for a restart as a whole, or is refused.

What listeners, databases and partners were told at the start (``fixed``) can't change under way. A file that changes any of it is
not applied at all, not even the rest of it: what runs is always one file as somebody wrote it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ostiary.config import Settings, Sources
from ostiary.web.log import Log

S = TypeVar("S", bound=Settings)
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class LiveSettings(Generic[S, D]):
    """``settings`` in force with what was made of them (``derived``), and ``needs_restart``: the keys that a newer file changes and that
    keep it from taking effect."""

    settings: S
    derived: D
    needs_restart: tuple[str, ...] = ()


def changed_keys(before: Settings, after: Settings, keys: Sequence[str]) -> tuple[str, ...]:
    """Which of these keys two configurations differ in."""
    return tuple(key for key in keys if getattr(before, key) != getattr(after, key))


def settings_loader(
    read: Callable[[Sources], S],
    derive: Callable[[S, Sources], D],
    *,
    fixed: Sequence[str],
    log: Log,
) -> Callable[[Sources], LiveSettings[S, D]]:
    """What a `Holder` loads: ``read`` reads the file, ``derive`` makes of it what may fail too (pages with a site's logo, for instance),
    so that a file which can't be used is refused as a whole. Both tell the `Sources` what they read."""
    in_force: list[LiveSettings[S, D]] = []

    def load(sources: Sources) -> LiveSettings[S, D]:
        settings = read(sources)
        derived = derive(settings, sources)
        found = LiveSettings(settings, derived)
        if in_force:
            before = in_force[0]
            waiting = changed_keys(before.settings, settings, fixed)
            if waiting:
                log.warning("settings_need_restart", changed=list(waiting))
                found = LiveSettings(before.settings, before.derived, waiting)
            else:
                log.info("settings_reloaded")
        in_force[:] = [found]
        return found

    return load
