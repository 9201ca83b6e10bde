"""When a session ends by itself, why, and whether it is time to say so. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from sp_shire.messages import Request
from sp_shire.sessions.records import Session
from sp_shire.settings import ShireSessionSettings

Why = Literal["idle", "lifetime", "home"]
"""Nobody uses it; it lasts no longer here; her home organisation said until when it may last."""
WHYS: tuple[Why, ...] = get_args(Why)


@dataclass(frozen=True, slots=True)
class End:
    """When a session will end unless something happens, and why. ``is_soon``: it is time to tell her."""

    at: datetime
    why: Why
    is_soon: bool


def end_of(session: Session, times: ShireSessionSettings, now: datetime) -> End:
    """What ends it first."""
    idle = session.idle_until(times.idle)
    if idle < session.ends:
        return End(idle, "idle", idle - now <= _warning(times, times.idle))
    home = session.login.session_ends
    why: Why = "home" if home is not None and home <= session.ends else "lifetime"
    return End(session.ends, why, session.ends - now <= _warning(times, session.ends - session.started))


def is_due(session: Session, times: ShireSessionSettings, now: datetime) -> bool:
    """Whether a person who opens a page is to be told that her session ends, however much she uses it: once, shortly before."""
    return not session.warned and session.ends - now <= _warning(times, session.ends - session.started)


def opens_page(request: Request) -> bool:
    """Whether somebody goes to a page that she will see: no form, no script, no frame, nothing that is fetched ahead."""
    headers = request.headers
    return (
        request.method == "GET"
        and headers.get("sec-fetch-mode", "navigate") == "navigate"
        and headers.get("sec-fetch-dest", "document") == "document"
        and "sec-purpose" not in headers
        and "x-requested-with" not in headers
        and "text/html" in headers.get("accept", "")
    )


def _warning(times: ShireSessionSettings, whole: timedelta) -> timedelta:
    """How long before the end. A short time is not announced before its half is over; without warnings it is never time."""
    return min(times.warn_before, whole / 2) if times.warn_before else timedelta.min
