"""The log: one event, one line, JSON or for the eye. Secrets do not reach it, and no value can forge a line."""

import json
import re
import secrets
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Final, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from ostiary.clock import Clock
from ostiary.errors import OstiaryError
from ostiary.web.one_line import MAX_TEXT, one_line

__all__ = ["HIDDEN", "MAX_TEXT", "Log", "is_secret", "make_log", "one_line", "reference"]

Log = FilteringBoundLogger

HIDDEN: Final = "(hidden)"

# The last word of a name decides: "client_secret", "SAMLResponse", "Set-Cookie", "signing_key".
_SECRET_WORDS: Final = frozenset(
    {
        "authorization",
        "cookie",
        "credential",
        "key",
        "passphrase",
        "passwd",
        "password",
        "pin",
        "relaystate",
        "samlrequest",
        "samlresponse",
        "secret",
        "token",
    }
)
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def reference() -> str:
    """A fresh reference number for a person to read out, such as ``7F3A-91C2``; no secret."""
    digits = secrets.token_hex(4).upper()
    return f"{digits[:4]}-{digits[4:]}"


def make_log(
    clock: Clock,
    *,
    service: str,
    style: Literal["json", "console"] = "json",
    level: Literal["debug", "info", "warning", "error"] = "info",
    stream: TextIO | None = None,
) -> Log:
    """A log that writes to ``stream`` (standard error by default), each line with time, level and ``service``.

    Call it as ``log.info("event_name", key=value)``; ``log.exception`` adds the traceback.
    """
    logger = structlog.wrap_logger(
        structlog.PrintLogger(stream if stream is not None else sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            _Stamp(clock, service),
            _with_traceback,
            _without_secrets,
            _as_json if style == "json" else _for_the_eye,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("Log", logger)


def left_out(log: Log) -> Callable[[str, OstiaryError], None]:
    """What to call about an entity of a federation's metadata that can't be read and is left out."""

    def tell(entity_id: str, problem: OstiaryError) -> None:
        log.warning("metadata_left_out", entity=entity_id, code=problem.code, problem=str(problem))

    return tell


@lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Whether a value under this name stays out of the log."""
    words = _WORD.findall(name)
    return bool(words) and words[-1].lower() in _SECRET_WORDS


class _Stamp:
    def __init__(self, clock: Clock, service: str) -> None:
        self._clock = clock
        self._service = service

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        at = self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "at": at,
            "level": event.pop("level"),
            "service": self._service,
            "event": event.pop("event", ""),
            **event,
        }


def _with_traceback(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[0] is not None:
        kind, value, trace = cast("tuple[type[BaseException], BaseException, TracebackType | None]", info)
        event["traceback"] = "".join(traceback.format_exception(kind, value, trace)).splitlines()[-60:]
    return event


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {one_line(str(name)): HIDDEN if is_secret(str(name)) else _plain(value, 0) for name, value in event.items()}


def _plain(value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return one_line(value)
    if depth < 4 and isinstance(value, list | tuple | set | frozenset):
        return [_plain(child, depth + 1) for child in list(value)[:100]]
    if depth < 4 and isinstance(value, Mapping):
        return {
            one_line(str(name)): HIDDEN if is_secret(str(name)) else _plain(child, depth + 1)
            for name, child in list(value.items())[:100]
        }
    return one_line(str(value))


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return json.dumps(event, ensure_ascii=False)


def _for_the_eye(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    trace = event.pop("traceback", [])
    head = [str(event.pop(name)) for name in ("at", "level", "service", "event")]
    pairs = [
        f"{name}={value if isinstance(value, str) and ' ' not in value else repr(value)}"
        for name, value in event.items()
    ]
    line = f"{head[0][11:19]} {head[1]:<7} {head[2]:<10} {head[3]}"
    return "\n".join([" ".join([line, *pairs]), *(f"    | {row}" for row in trace)])
