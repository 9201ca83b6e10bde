"""Decides when a person is asked about her attributes, and what her answer lets through. Pure: knows no store, no page, no clock.

What counts as a change, by what she chose (docs/idp-consent.md has the same table):

                                                     remember   ask_when_changed   ask_always
    an attribute that she was never asked about        ask            ask             ask
    an attribute that she withheld is required now     ask            ask             ask
    the purpose or the privacy statement               ask            ask             ask
    a value that she was never shown                   -              ask             ask
    fewer attributes or values, or nothing at all      -              -               ask

A value of an attribute that she withholds is no change. Values and purposes are known here only as keyed digests.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ostiary.attributes import Attribute, Attributes, Value
from ostiary.policy.release import PersonalWish, Wish

SALT_LENGTH: Final = 32
"""Bytes of the key of the digests; each choice has its own."""

MAXIMUM_DIGESTS: Final = 2_000
"""Values of one attribute that are remembered as shown."""

_DIGEST_LENGTH: Final = 12


class Mode(StrEnum):
    """When to ask again."""

    REMEMBER = "remember"
    ASK_WHEN_CHANGED = "ask_when_changed"
    ASK_ALWAYS = "ask_always"


class Why(StrEnum):
    """Why a person is asked."""

    FIRST_VISIT = "first_visit"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NEW_ATTRIBUTES = "new_attributes"
    NOW_REQUIRED = "now_required"
    NEW_VALUES = "new_values"
    NEW_PURPOSE = "new_purpose"
    ASKS_ALWAYS = "asks_always"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why she is asked, and about which attributes that holds; none where it holds for the whole."""

    why: Why
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """An attribute that is about to go, with the values; ``required``: the resource says that it can't do without."""

    attribute: Attribute
    required: bool = False

    @property
    def name(self) -> str:
        """The attribute's name."""
        return self.attribute.name


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a resource says it is for, and where it says what it does with data: (language tag, text) as its metadata has them, in order."""

    descriptions: tuple[tuple[str, str], ...] = ()
    privacy_urls: tuple[tuple[str, str], ...] = ()

    def read_in(self, language: str) -> "ReadPurpose":
        """What somebody who reads ``language`` is shown: else English, else the first there is."""
        return ReadPurpose(*_read(self.descriptions, language), *_read(self.privacy_urls, language))


@dataclass(frozen=True, slots=True)
class ReadPurpose:
    """The purpose as one person read it; a language is empty where there is no text."""

    text_language: str = ""
    text: str = ""
    url_language: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class ShownPurpose:
    """What is remembered of a purpose: the languages in which it was read, and a digest."""

    text_language: str
    url_language: str
    digest: str


@dataclass(frozen=True, slots=True)
class AttributeChoice:
    """What she decided about one attribute; ``values`` are the digests of those that she was shown.

    ``more``: what she was shown goes although nothing recommends it. ``withheld_values``: of an attribute that she allows, the digests of
    the values that stay all the same.
    """

    name: str
    allowed: bool
    values: frozenset[str] = frozenset()
    more: bool = False
    withheld_values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Choice:
    """What one person has said about one resource (``entity_id``).

    ``given_at`` is when she said it, ``revoked_at`` when she took it back. ``visit`` names the sign-on in which she said it.
    ``created_serial`` and ``revoked_serial`` are those of the audit.
    """

    principal: str
    entity_id: str
    mode: Mode
    attributes: tuple[AttributeChoice, ...]
    purpose: ShownPurpose
    salt: bytes
    given_at: datetime
    visit: str = ""
    revoked_at: datetime | None = None
    created_serial: int = 0
    revoked_serial: int | None = None

    def about(self, name: str) -> AttributeChoice | None:
        """What she decided about the attribute of that name; None when she was never asked."""
        return next((found for found in self.attributes if found.name == name), None)

    def names(self, *, allowed: bool) -> tuple[str, ...]:
        """The attributes that she allowed, or withheld."""
        return tuple(found.name for found in self.attributes if found.allowed is allowed)

    def holds_at(self, now: datetime, lifetime: timedelta | None) -> bool:
        """Whether it is in force: not revoked, and not older than ``lifetime`` (None: it does not grow old)."""
        return self.revoked_at is None and (lifetime is None or now < self.given_at + lifetime)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person answers when she is asked: ``allowed`` are the names among ``shown`` that may go."""

    principal: str
    entity_id: str
    mode: Mode
    shown: tuple[Offered, ...]
    allowed: frozenset[str]
    purpose: ReadPurpose
    visit: str = ""


def must_ask(
    stored: Choice | None,
    about_to_go: Sequence[Offered],
    purpose: Purpose,
    now: datetime,
    *,
    lifetime: timedelta | None = None,
    always: bool = False,
    visit: str = "",
) -> Reason | None:
    """Why she has to be asked before ``about_to_go`` leaves; None when she has not.

    ``lifetime``: how long an answer holds, None for ever. ``always``: this resource asks at each visit whatever she chose; ``visit``
    names the sign-on under way, in which she is not asked twice. Where nothing is about to go there is nothing to ask.
    """
    if not about_to_go:
        return None
    if stored is None:
        return Reason(Why.FIRST_VISIT)
    if stored.revoked_at is not None:
        return Reason(Why.REVOKED)
    if visit and visit == stored.visit:
        # Whatever came up since is kept back by `wish_of`; asking twice in a row could go on for ever.
        return None
    if not stored.holds_at(now, lifetime):
        return Reason(Why.EXPIRED)
    unknown = tuple(offered.name for offered in about_to_go if stored.about(offered.name) is None)
    if unknown:
        return Reason(Why.NEW_ATTRIBUTES, unknown)
    withheld = stored.names(allowed=False)
    required = tuple(offered.name for offered in about_to_go if offered.required and offered.name in withheld)
    if required:
        return Reason(Why.NOW_REQUIRED, required)
    if not _same_purpose(stored, purpose):
        return Reason(Why.NEW_PURPOSE)
    if stored.mode is not Mode.REMEMBER:
        new = tuple(offered.name for offered in about_to_go if _has_new_values(stored, offered.attribute))
        if new:
            return Reason(Why.NEW_VALUES, new)
    return Reason(Why.ASKS_ALWAYS) if always or stored.mode is Mode.ASK_ALWAYS else None


def wish_of(stored: Choice | None, now: datetime, *, lifetime: timedelta | None = None) -> Wish:
    """What to say to each value that policies would let go: None lets it go.

    Without an answer in force nothing goes (``not_asked``). What she withheld stays (``withheld``). An attribute that she was never
    asked about stays, and unless she chose to have the answer remembered, so does a value that she was never shown (``not_asked``). What
    she lets go of her own accord is ``chosen``.
    """
    if stored is None or not stored.holds_at(now, lifetime):
        return nothing_was_asked
    return wish_by(stored, rest=lambda _name: "not_asked", unseen="not_asked")


def wish_by(stored: Choice, *, rest: Callable[[str], PersonalWish | None], unseen: PersonalWish | None) -> Wish:
    """What a choice in force says: ``rest`` about the attributes that she decided nothing about, ``unseen`` about a value of an allowed one
    that she was never shown, unless she chose to have the answer remembered."""
    choices = {found.name: found for found in stored.attributes}
    salt, any_value = stored.salt, stored.mode is Mode.REMEMBER

    def wanted(name: str, value: Value) -> PersonalWish | None:
        choice = choices.get(name)
        if choice is None:
            return rest(name)
        if not choice.allowed:
            return "withheld"
        if any_value and not choice.more and not choice.withheld_values:
            return None
        digest = value_digest(salt, name, value)
        if digest in choice.withheld_values:
            return "withheld"
        if any_value or digest in choice.values:
            return "chosen" if choice.more else None
        return unseen

    return wanted


def apply(
    stored: Choice | None, attributes: Attributes, now: datetime, *, lifetime: timedelta | None = None
) -> Attributes:
    """What of ``attributes`` may leave; an attribute without a value that may is left out."""
    wanted = wish_of(stored, now, lifetime=lifetime)
    kept = (
        attribute.keeping(value for value in attribute.values if wanted(attribute.name, value) is None)
        for attribute in attributes
    )
    return tuple(attribute for attribute in kept if attribute.values)


def askable(stored: Choice | None, offered: Sequence[Offered]) -> tuple[Offered, ...]:
    """What of ``offered`` there is to ask her about: without the values that she keeps back one by one."""
    if stored is None or stored.revoked_at is not None:
        return tuple(offered)
    found = tuple(replace(one, attribute=_without_withheld(stored, one.attribute)) for one in offered)
    return tuple(one for one in found if one.attribute.values)


def refused_though_required(answer: Answer) -> tuple[str, ...]:
    """The attributes that this answer withholds although they are required: with such an answer she can't go on."""
    return tuple(offered.name for offered in answer.shown if offered.required and offered.name not in answer.allowed)


def answered(previous: Choice | None, answer: Answer, *, salt: bytes, now: datetime) -> Choice:
    """The choice that follows from an answer.

    What she said before about attributes that she was not shown now still holds, and values stay known, so that a resource which asks
    for different things on different pages does not ask again and again; unless she took her word back. ``salt``: `SALT_LENGTH` random
    bytes, for a first answer.
    """
    if previous is not None and previous.revoked_at is not None:
        previous = None
    key = previous.salt if previous is not None else salt
    shown = tuple(_shown_now(previous, offered, offered.name in answer.allowed, key) for offered in answer.shown)
    names = {found.name for found in shown}
    kept = tuple(found for found in previous.attributes if found.name not in names) if previous is not None else ()
    return Choice(
        principal=answer.principal,
        entity_id=answer.entity_id,
        mode=answer.mode,
        attributes=(*shown, *kept),
        purpose=shown_purpose(answer.purpose, key),
        salt=key,
        given_at=now,
        visit=answer.visit,
    )


def changed(previous: Choice, *, mode: Mode, allowed: frozenset[str], now: datetime) -> Choice:
    """The choice after she changed her mind about the same attributes; what she was shown stays as it was."""
    attributes = tuple(replace(found, allowed=found.name in allowed) for found in previous.attributes)
    return replace(previous, mode=mode, attributes=attributes, given_at=now, visit="")


def nothing_was_asked(_name: str, _value: Value) -> PersonalWish | None:
    """The wish of somebody who never said a word about anything."""
    return "not_asked"


def _without_withheld(stored: Choice, attribute: Attribute) -> Attribute:
    choice = stored.about(attribute.name)
    if choice is None or not choice.withheld_values:
        return attribute
    withheld = choice.withheld_values
    return attribute.keeping(
        value for value in attribute.values if value_digest(stored.salt, attribute.name, value) not in withheld
    )


def _has_new_values(stored: Choice, attribute: Attribute) -> bool:
    """Whether a value is about to go that she was never shown, of an attribute that she allowed."""
    choice = stored.about(attribute.name)
    if choice is None or not choice.allowed:
        return False
    return any(value_digest(stored.salt, attribute.name, value) not in choice.values for value in attribute.values)


def _shown_now(previous: Choice | None, offered: Offered, allowed: bool, salt: bytes) -> AttributeChoice:
    """What she let go of her own accord, and the values that she keeps back, stand in no question: they stay as they were."""
    before = previous.about(offered.name) if previous is not None else None
    values = known_values(previous, offered.attribute, salt)
    if before is None:
        return AttributeChoice(offered.name, allowed, values)
    return AttributeChoice(offered.name, allowed, values, before.more, before.withheld_values)


def known_values(previous: Choice | None, attribute: Attribute, salt: bytes) -> frozenset[str]:
    """The digests of the values of an attribute that she is shown now, and of those that she was shown before."""
    now = dict.fromkeys(value_digest(salt, attribute.name, value) for value in attribute.values)
    before = previous.about(attribute.name) if previous is not None else None
    everything = [*now, *sorted((before.values if before is not None else frozenset()) - set(now))]
    # Beyond the bound the oldest are forgotten; what is about to go has to fit, or she would be asked for ever.
    return frozenset(everything[: max(MAXIMUM_DIGESTS, len(now))])


def _same_purpose(stored: Choice, purpose: Purpose) -> bool:
    """Compared in the languages that she read: a translation that is added, or another language of her browser, changes nothing."""
    text = _exactly(purpose.descriptions, stored.purpose.text_language)
    url = _exactly(purpose.privacy_urls, stored.purpose.url_language)
    if text is None or url is None:
        return False
    return hmac.compare_digest(_digest(stored.salt, "purpose", text, url), stored.purpose.digest)


def shown_purpose(read: ReadPurpose, salt: bytes) -> ShownPurpose:
    """What is remembered of a purpose under the key of a choice."""
    return ShownPurpose(read.text_language, read.url_language, _digest(salt, "purpose", read.text, read.url))


def _exactly(texts: Iterable[tuple[str, str]], language: str) -> str | None:
    found = next((text for tag, text in texts if tag == language), None)
    if found is None and not language and not tuple(texts):
        return ""
    return found


def _read(texts: Sequence[tuple[str, str]], language: str) -> tuple[str, str]:
    for wanted in (language, "en"):
        for tag, text in texts:
            if _primary(tag) == _primary(wanted):
                return tag, text
    return texts[0] if texts else ("", "")


def _primary(tag: str) -> str:
    return tag.lower().partition("-")[0]


def value_digest(salt: bytes, name: str, value: Value) -> str:
    """By what one value is remembered under the key of a choice."""
    return _digest(salt, "value", name, str(value))


def _digest(salt: bytes, *parts: str) -> str:
    octets = hmac.digest(salt, json.dumps(parts).encode(), hashlib.sha256)[:_DIGEST_LENGTH]
    return base64.urlsafe_b64encode(octets).decode("ascii")
