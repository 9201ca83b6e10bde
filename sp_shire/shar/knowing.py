"""What is known of a person, made from what each authority said of her: merging, what runs out and when, what is too old to serve.

Pure rules. An attribute keeps its issuer: what two authorities say under one name stays two attributes, which policies and applications
read as one set of values; what one authority says twice is united.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from ostiary.attributes import Attribute, Attributes, NameIdValue, Value, make_name_id_value, texts_of
from ostiary.saml.assertion import NameId
from ostiary.saml.names import PERSISTENT
from sp_shire.sessions.records import Knowledge, Login, Source
from sp_shire.shar.settings import CERTIFICATE_ATTRIBUTE, CERTIFICATE_SUBJECT, HANDLE, FurtherAuthoritySettings

PERSISTENT_NAMES: Final = "eduPersonTargetedID"
NEVER: Final = datetime.max.replace(tzinfo=UTC)
SOONEST: Final = timedelta(seconds=30)
"""How long an answer serves at least, however short it says: two clocks may differ."""


def merged(sources: Iterable[Attributes]) -> Attributes:
    """All attributes, values of one name from one issuer (and with one end) united, in the order in which they were said first."""
    united: dict[tuple[str, str | None, datetime | None], tuple[Attribute, dict[Value, None]]] = {}
    for attribute in (one for attributes in sources for one in attributes):
        _, values = united.setdefault((attribute.name, attribute.issuer, attribute.valid_until), (attribute, {}))
        values.update(dict.fromkeys(attribute.values))
    return tuple(attribute.keeping(values) for attribute, values in united.values())


def with_persistent_name(login: Login, attributes: Attributes) -> Attributes:
    """What her home said of her, and the persistent name that it gave her as the attribute that holds such names (eduPerson 202208 2.2.11),
    unless it said that, too."""
    name = login.name_id
    if name.format != PERSISTENT or any(one.name == PERSISTENT_NAMES for one in attributes):
        return attributes
    value = make_name_id_value(NameIdValue(name.value, name.name_qualifier, name.sp_name_qualifier))
    return (*attributes, Attribute(PERSISTENT_NAMES, (value,)))


def lasting(attributes: Attributes, now: datetime) -> Attributes:
    """Without those that may not be used any more."""
    if all(one.valid_until is None or now < one.valid_until for one in attributes):
        return attributes
    return tuple(one for one in attributes if one.valid_until is None or now < one.valid_until)


def knowledge_of(sources: Sequence[Source], at_most: timedelta, now: datetime) -> Knowledge:
    """All that is known now. ``at_most``: how long an answer serves while its authority does not answer again."""
    kept = tuple(_current(source, at_most, now) for source in sources)
    asked = [source for source in kept if source.way != "response"]
    answered = [source.at for source in (asked or kept) if source.at is not None]
    return Knowledge(
        attributes=kept[0].attributes if len(kept) == 1 else merged(source.attributes for source in kept),
        withheld=tuple(dict.fromkeys(one for source in kept for one in source.withheld)),
        rules=tuple(dict.fromkeys(one for source in kept for one in source.rules)),
        queried=bool(asked),
        at=min(answered, default=now),
        ask_again=min((end for source in kept for end in _ends(source, at_most, now)), default=NEVER),
        sources=kept,
    )


def sources_of(login: Login, known: Knowledge) -> tuple[Source, ...]:
    """Who said what; what was stored before there were several sources is from one."""
    if known.sources:
        return known.sources
    ends = known.ask_again if known.queried else None
    way: Final = "query" if known.queried else "response"
    return (Source(login.issuer, way, known.at, known.attributes, known.withheld, known.rules, ends, ends),)


def serves_until(now: datetime, usual: timedelta, said: datetime | None) -> datetime:
    """Until when an answer of ``now`` counts: as long as usual, or as it says where that is shorter."""
    end = now + usual
    return end if said is None else max(min(end, said), min(end, now + SOONEST))


def too_old(source: Source, at_most: timedelta, now: datetime) -> bool:
    """Whether what it said has not been renewed for too long."""
    return source.ask_again is not None and source.at is not None and now >= source.at + at_most


def named_by(setting: FurtherAuthoritySettings, login: Login, told: Attributes) -> NameId | None:
    """How a further authority is told whom the question is about, by what her home organisation said (``told``, as accepted): None where
    that is not exactly one name."""
    if setting.subject == HANDLE:
        return login.name_id
    name = CERTIFICATE_ATTRIBUTE if setting.subject == CERTIFICATE_SUBJECT else setting.subject
    values = texts_of(told, name)
    return NameId(values[0], setting.name_id_format) if len(values) == 1 else None


def _current(source: Source, at_most: timedelta, now: datetime) -> Source:
    attributes = () if too_old(source, at_most, now) else lasting(source.attributes, now)
    return source if attributes is source.attributes else replace(source, attributes=attributes)


def _ends(source: Source, at_most: timedelta, now: datetime) -> Iterable[datetime]:
    """When something about it changes by itself."""
    yield from (one.valid_until for one in source.attributes if one.valid_until is not None)
    if source.ask_again is not None:
        yield source.ask_again
        if source.at is not None and source.attributes and now < source.at + at_most:
            yield source.at + at_most
