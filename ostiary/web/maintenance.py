"""The maintenance page: while a flag file is there, people are told to come back later; what programs ask goes on.

The flag is a YAML file with ``since``, and perhaps ``until`` (an estimate, for people and Retry-After) and ``message`` by language. It
ends when the file is removed, never by the clock: whoever works on the machine decides when doors open.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import yaml
from flask import Flask, Response, request

from ostiary.config import Sources, load_document
from ostiary.errors import OstiaryError
from ostiary.web import incoming
from ostiary.web.branding import in_language
from ostiary.web.service import page, prefers_json, shell

RETRY_AFTER: Final = timedelta(minutes=5)
LONGEST_RETRY: Final = timedelta(hours=12)
MAXIMUM_MESSAGE: Final = 1000

_ALWAYS_OPEN: Final = frozenset({"health", "asset"})


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What people are told. ``message`` by language, English first; both may be left out."""

    since: datetime | None = None
    until: datetime | None = None
    message: Mapping[str, str] = field(default_factory=dict)


def read_flag(path: Path, sources: Sources) -> Maintenance | None:
    """What the flag says; None where there is none. A flag that can't be read is a flag: somebody put it there."""
    sources.note(path.parent)
    sources.note(path)
    if not path.exists():
        return None
    try:
        content = load_document(path).data
    except OstiaryError:
        return Maintenance()
    message = content.get("message")
    return Maintenance(
        _moment(content.get("since")),
        _moment(content.get("until")),
        {str(lang): str(text)[:MAXIMUM_MESSAGE] for lang, text in message.items()}
        if isinstance(message, dict) and "en" in message
        else {},
    )


def write_flag(path: Path, maintenance: Maintenance) -> None:
    """Puts the flag there, whole."""
    content = {
        "since": _written(maintenance.since),
        "until": _written(maintenance.until),
        "message": dict(maintenance.message),
    }
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(yaml.safe_dump({key: value for key, value in content.items() if value}, allow_unicode=True))
    unfinished.replace(path)


def retry_after(maintenance: Maintenance, now: datetime) -> int:
    """Seconds after which to come back (RFC 9110 10.2.3): until the end that was estimated, else a few minutes."""
    if maintenance.until is None or maintenance.until <= now:
        return int(RETRY_AFTER.total_seconds())
    return max(1, int(min(maintenance.until - now, LONGEST_RETRY).total_seconds()))


def add_maintenance(
    app: Flask,
    maintenance: Callable[[], Maintenance | None],
    *,
    goes_on: Collection[str] = (),
    is_operator: Callable[[], bool] = lambda: False,
) -> None:
    """Answers 503 with the page to whoever asks for anything but the endpoints in ``goes_on``: what is not named there rests.

    ``is_operator`` tells whether the request comes from somebody who tries out the service meanwhile.
    """
    open_endpoints = _ALWAYS_OPEN | frozenset(goes_on)

    def check() -> Response | None:
        found = maintenance()
        if found is None or request.endpoint in open_endpoints or is_operator():
            return None
        return _answer(found)

    app.before_request(check)


def _answer(maintenance: Maintenance) -> Response:
    now = shell().clock.now()
    catalogue = shell().pages.catalogue
    lang = incoming.language(catalogue)
    message = (
        in_language(maintenance.message, lang) if maintenance.message else catalogue.text(lang, "maintenance.message")
    )
    until = maintenance.until if maintenance.until is not None and maintenance.until > now else None
    headers = [("Retry-After", str(retry_after(maintenance, now)))]
    if prefers_json():
        body = json.dumps({"error": {"code": "maintenance", "message": message}})
        return Response(body, 503, headers, content_type="application/json")
    return page("maintenance.html", status=503, headers=headers, message=message, until=until)


def _moment(value: object) -> datetime | None:
    """A moment as YAML or ISO 8601 has it; without a zone it is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _written(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at is not None else None
