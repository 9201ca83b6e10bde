"""What the index knows of its sources and entities, as data and as JSON. Decides nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ostiary.errors import OstiaryError
from ostiary.federation.model import LocalizedText, Logo
from ostiary.federation.summary import RoleName, RoleSpan, Summary, earliest

UNCHECKED: Final = 0
SOUND: Final = 1
BROKEN: Final = 2
"""Whether a document was held against the schema, and what came of it."""

MOST_LEFT_OUT: Final = 200
"""So many of the entities that were left out are named; all of them are counted."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entity that could not be taken: its entityID (cut), the code of the problem, what was expected and found."""

    entity_id: str
    code: str
    expected: str = ""
    found: str = ""


def left_out(entity_id: str, problem: OstiaryError) -> LeftOut:
    """The same, of a problem."""
    return LeftOut(entity_id[:1024], problem.code, problem.expected[:300], problem.found[:300])


@dataclass(frozen=True, slots=True)
class Indexed:
    """How a document was indexed. ``digest``: SHA-256 of its octets, hexadecimal. ``valid_until``, ``cache_duration``: of its root.
    ``stated``: how many entities stand in it; ``entities``: how many were taken. ``earliest_end``: when the first of these expires.
    ``left_out``: those that are broken (`MOST_LEFT_OUT` are named, ``left_out_count`` counts all); ``unwanted``: those that the source's
    selection leaves out. ``added``, ``changed``, ``removed``: against the last document."""

    source: str
    digest: str
    valid_until: datetime | None
    cache_duration: timedelta | None
    stated: int
    entities: int
    identity_providers: int
    service_providers: int
    earliest_end: datetime | None = None
    added: int = 0
    changed: int = 0
    removed: int = 0
    unwanted: int = 0
    left_out_count: int = 0
    left_out: tuple[LeftOut, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """`indexed_from` reads it."""
        return asdict(self) | {
            "valid_until": stamp(self.valid_until),
            "earliest_end": stamp(self.earliest_end),
            "cache_duration": self.cache_duration.total_seconds() if self.cache_duration is not None else None,
        }


def indexed_from(data: Mapping[str, Any]) -> Indexed:
    """What `Indexed.as_json` wrote."""
    seconds = data["cache_duration"]
    return Indexed(
        **dict(data)
        | {
            "valid_until": instant(data["valid_until"]),
            "earliest_end": instant(data["earliest_end"]),
            "cache_duration": timedelta(seconds=seconds) if seconds is not None else None,
            "left_out": tuple(LeftOut(**one) for one in data["left_out"]),
        }
    )


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source as it stands in the index. ``fingerprint``: of the `Reading` under which it was indexed."""

    name: str
    fingerprint: str
    indexed_at: datetime
    indexed: Indexed


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source that is asked for single entities last said of one: whether it has it, until when that is fresh, and what the asker
    wrote beside it (validators, say)."""

    found: bool
    fresh_until: datetime
    note: str = ""


def stamp(at: datetime | None) -> int | None:
    """Microseconds since 1970, as the index stores an instant."""
    return (at - _EPOCH) // _MICROSECOND if at is not None else None


def instant(stamped: int | None) -> datetime | None:
    """What `stamp` wrote."""
    return _EPOCH + timedelta(microseconds=stamped) if stamped is not None else None


InShort = tuple[
    Sequence[tuple[RoleName, int | None]],
    Sequence[tuple[str, str]],
    Sequence[tuple[str, str]],
    Sequence[tuple[str, int, int, str | None]],
    Sequence[str],
    Sequence[str],
    Sequence[str],
    Sequence[str],
    str | None,
    Sequence[tuple[str, Sequence[str]]],
    bool,
    bool,
]
"""A `Summary` as it is kept: roles with their own ends, names, keywords (text, language), logos, domains, hints for domains, networks and
places, registration authority, entity attributes, whether it offers sign-on, whether it takes the original Shibboleth's requests. The
entityID and the effective end of the entity are columns."""


def written(short: InShort) -> str:
    """In JSON, for `read_summary`."""
    return json.dumps(short, ensure_ascii=False, separators=(",", ":"))


def read_summary(entity_id: str, valid_until: datetime | None, text: str) -> Summary:
    """What `written` wrote, of this entity with this effective end."""
    return summary_from(entity_id, valid_until, json.loads(text))


def summary_from(entity_id: str, valid_until: datetime | None, short: InShort) -> Summary:
    """The summary of this entity with this effective end."""
    roles, shown, keywords, logos, domains, domain_hints, ip_hints, places, authority, attributes, *sign_on = short
    return Summary(
        entity_id,
        tuple(RoleSpan(name, earliest(valid_until, instant(end))) for name, end in roles),
        tuple(LocalizedText(text, lang) for text, lang in shown),
        tuple(LocalizedText(text, lang) for text, lang in keywords),
        tuple(Logo(url, width, height, lang) for url, width, height, lang in logos),
        tuple(domains),
        tuple(domain_hints),
        tuple(ip_hints),
        tuple(places),
        authority,
        tuple((name, tuple(values)) for name, values in attributes),
        valid_until,
        *sign_on,
    )
