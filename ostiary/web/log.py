"""The log: one event, one line, JSON or for the eye. Secrets do not reach it, and no value can forge a line."""

import json
import re
import secrets
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from json.encoder import encode_basestring
from types import TracebackType
from typing import Final, Literal, TextIO, cast

from ostiary.clock import Clock
from ostiary.errors import OstiaryError
from ostiary.web.one_line import MAX_TEXT, one_line

__all__ = ["HIDDEN", "MAX_TEXT", "Log", "is_secret", "make_log", "one_line", "reference"]

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
# They stand before the facts, or come from elsewhere.
_RESERVED: Final = frozenset({"at", "level", "service", "event", "exc_info", "traceback"})
_MOST_CHILDREN: Final = 100
# Tuples: `int | float` would be worked out at each call.
_NUMBERS: Final = (bool, int, float)
_COLLECTIONS: Final = (list, tuple, set, frozenset)

_Facts = dict[str, object]
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


class Log:
    """Call it as ``log.info("event_name", key=value)``; ``log.exception`` adds the traceback."""

    def __init__(
        self, clock: Clock, service: str, *, least: int, line: Callable[[_Facts], str] | None, stream: TextIO
    ) -> None:
        """``line`` writes an event in full; left out, it is written as JSON."""
        self._clock = clock
        self._service = service
        self._least = least
        self._line = line
        self._stream = stream
        self._writing = threading.Lock()

    def debug(self, event: str, **facts: object) -> None:
        """What helps to find a defect."""
        self._note("debug", event, facts)

    def info(self, event: str, **facts: object) -> None:
        """What happens every day."""
        self._note("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        """What somebody should look at, some time."""
        self._note("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        """What is broken."""
        self._note("error", event, facts)

    def exception(self, event: str, **facts: object) -> None:
        """The same, with what is being handled."""
        self._note("error", event, {"exc_info": True, **facts})

    def _note(self, level: str, event: str, facts: _Facts) -> None:
        if _LEVELS[level] < self._least:
            return
        at = self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = self._plain_json(at, level, event, facts) if self._line is None else None
        if line is None:
            facts = {"at": at, "level": level, "service": self._service, "event": event, **_without_level(facts)}
            line = (self._line or _as_json)(_without_secrets(_with_traceback(facts)))
        with self._writing:
            self._stream.write(line + "\n")
            self._stream.flush()

    def _plain_json(self, at: str, level: str, event: str, facts: _Facts) -> str | None:
        """What `_as_json` would write, where no name among the facts is unusual, and no value; None where one is.

        Each answer has its line, and putting it together from its pieces costs a third.
        """
        line = f'{{"at": "{at}{_head(level, self._service, event)}'
        for name, value in facts.items():
            start = _start_of(name)
            text = encode_basestring(value) if type(value) is str else _json(value)
            if start is None or text is None:
                return None
            line += start + text
        # What `one_line` would change has either become an escape or can't be printed.
        return line + "}" if len(line) < MAX_TEXT and "\\" not in line and line.isprintable() else None


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
    """A log that writes to ``stream`` (standard error by default), each line with time, level and ``service``."""
    return Log(
        clock,
        service,
        least=_LEVELS[level],
        line=None if style == "json" else _for_the_eye,
        stream=stream if stream is not None else sys.stderr,
    )


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


@lru_cache(maxsize=1024)
def _head(level: str, service: str, event: str) -> str:
    """What stands between the time and the facts."""
    service, event = encode_basestring(one_line(service)), encode_basestring(one_line(event))
    return f'", "level": "{level}", "service": {service}, "event": {event}'


@lru_cache(maxsize=1024)
def _start_of(name: str) -> str | None:
    """How a fact of this name begins in JSON; None for one that is told elsewhere, hidden, or written otherwise."""
    if name in _RESERVED or is_secret(name) or one_line(name) != name:
        return None
    return f", {encode_basestring(name)}: "


def _json(value: object) -> str | None:
    """A usual value in JSON, every text in it as it is; None for one that has to be looked at."""
    if value is None:
        return "null"
    # Not isinstance: a subclass may be written in another way.
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if (type(value) is list or type(value) is tuple) and len(value) <= _MOST_CHILDREN:
        try:
            return f"[{', '.join(map(encode_basestring, value))}]"
        except TypeError:
            return None
    return None


def _without_level(facts: _Facts) -> _Facts:
    return {name: value for name, value in facts.items() if name != "level"} if "level" in facts else facts


def _with_traceback(event: _Facts) -> _Facts:
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[0] is not None:
        kind, value, trace = cast("tuple[type[BaseException], BaseException, TracebackType | None]", info)
        event["traceback"] = "".join(traceback.format_exception(kind, value, trace)).splitlines()[-60:]
    return event


def _without_secrets(event: _Facts) -> _Facts:
    return {one_line(str(name)): HIDDEN if is_secret(str(name)) else _plain(value, 0) for name, value in event.items()}


def _plain(value: object, depth: int) -> object:
    if value is None or isinstance(value, _NUMBERS):
        return value
    if isinstance(value, str):
        return one_line(value)
    if depth < 4 and isinstance(value, _COLLECTIONS):
        return [_plain(child, depth + 1) for child in list(value)[:_MOST_CHILDREN]]
    if depth < 4 and isinstance(value, Mapping):
        return {
            one_line(str(name)): HIDDEN if is_secret(str(name)) else _plain(child, depth + 1)
            for name, child in list(value.items())[:_MOST_CHILDREN]
        }
    return one_line(str(value))


def _as_json(event: _Facts) -> str:
    return _encode(event)


def _for_the_eye(event: _Facts) -> str:
    trace = cast("list[str]", event.pop("traceback", []))
    head = [str(event.pop(name)) for name in ("at", "level", "service", "event")]
    pairs = [
        f"{name}={value if isinstance(value, str) and ' ' not in value else repr(value)}"
        for name, value in event.items()
    ]
    line = f"{head[0][11:19]} {head[1]:<7} {head[2]:<10} {head[3]}"
    return "\n".join([" ".join([line, *pairs]), *(f"    | {row}" for row in trace)])
