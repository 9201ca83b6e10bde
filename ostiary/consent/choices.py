"""Decides when a person is asked about her attributes, and what her answer lets through. Pure: knows no store, no page, no clock.

What counts as a change, by what she chose (docs/idp-consent.md has the same table):

                                                     remember   ask_when_changed   ask_always
    an attribute that she was never asked about        ask            ask             ask
    an attribute that she withheld is required now     ask            ask             ask
    the purpose or the privacy statement               ask            ask             ask
    a value that she was never shown                   -              ask             ask
    fewer attributes or values, or nothing at all      -              -               ask

A value of an attribute that she withholds is no change. Values and purposes are known here only as keyed digests.

What each sign-on reads and makes is a tuple with names: a frozen dataclass takes six times as long to make.
"""

import hmac
from binascii import b2a_base64
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from json.encoder import encode_basestring_ascii as as_json
from typing import Final, NamedTuple

from ostiary.attributes import Attribute, Attributes, Value
from ostiary.identifiers.keyed_hash import KeyedHash
from ostiary.policy.release import PersonalWish, Wish

SALT_LENGTH: Final = 32
"""Bytes of the key of the digests; each choice has its own."""

MAXIMUM_DIGESTS: Final = 2_000
"""Values of one attribute that are remembered as shown."""

_DIGEST_LENGTH: Final = 12
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


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


class Offered(NamedTuple):
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


class ShownPurpose(NamedTuple):
    """What is remembered of a purpose: the languages in which it was read, and a digest."""

    text_language: str
    url_language: str
    digest: str


class AttributeChoice(NamedTuple):
    """What she decided about one attribute; ``values`` are the digests of those that she was shown.

    ``more``: what she was shown goes although nothing recommends it. ``withheld_values``: of an attribute that she allows, the digests of
    the values that stay all the same.
    """

    name: str
    allowed: bool
    values: frozenset[str] = frozenset()
    more: bool = False
    withheld_values: frozenset[str] = frozenset()


class Choice(NamedTuple):
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


class Digests:
    """What is remembered of values under the key of one choice; each value's digest is worked out once."""

    __slots__ = ("_hash", "_known")

    def __init__(self, salt: bytes) -> None:
        self._hash = KeyedHash(salt)
        self._known: dict[tuple[str, Value], str] = {}

    def of_value(self, name: str, value: Value) -> str:
        """Of one value of the attribute of that name."""
        key = name, value
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._of(f'["value", {as_json(name)}, {as_json(str(value))}]')
        return found

    def of_purpose(self, text: str, url: str) -> str:
        """Of a purpose as it was read."""
        return self._of(f'["purpose", {as_json(text)}, {as_json(url)}]')

    def _of(self, content: str) -> str:
        octets = self._hash.of(content.encode("ascii"))[:_DIGEST_LENGTH]
        return b2a_base64(octets, newline=False).translate(_URL_SAFE).decode("ascii")


class ByChoice:
    """What a choice in force says to each value: a `Wish`.

    ``stored`` is the choice as it is kept in ``place``, and ``digests`` are those under its key: for whoever looks at the same choice
    after it. ``attributes`` is what of it counts; ``rest`` speaks about the attributes that she decided nothing about,
    ``unseen`` about a value of an allowed one that she was never shown, unless she chose to have the answer remembered. Neither ever says
    ``chosen``; ``never_adds`` as `ostiary.policy.release.as_she_wishes` looks for it. ``follows_from``: whatever whoever keeps it compares,
    to see whether it holds.
    """

    __slots__ = (
        "_any_value",
        "_choices",
        "_rest",
        "_unseen",
        "digests",
        "follows_from",
        "never_adds",
        "place",
        "stored",
    )

    def __init__(
        self,
        stored: Choice,
        attributes: Iterable[AttributeChoice],
        rest: Callable[[str], PersonalWish | None],
        unseen: PersonalWish | None,
        place: object = None,
    ) -> None:
        self.stored = stored
        self.place = place
        self.follows_from: object = None
        self.digests = Digests(stored.salt)
        self._choices = {found.name: found for found in attributes}
        self._rest = rest
        self._unseen = unseen
        self._any_value = stored.mode is Mode.REMEMBER
        self.never_adds = not [found for found in self._choices.values() if found.more]

    def __call__(self, name: str, value: Value) -> PersonalWish | None:
        choice = self._choices.get(name)
        if choice is None:
            return self._rest(name)
        if not choice.allowed:
            return "withheld"
        if self._any_value and not choice.more and not choice.withheld_values:
            return None
        digest = self.digests.of_value(name, value)
        if digest in choice.withheld_values:
            return "withheld"
        if self._any_value or digest in choice.values:
            return "chosen" if choice.more else None
        return self._unseen


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
    digests: Digests | None = None,
) -> Reason | None:
    """Why she has to be asked before ``about_to_go`` leaves; None when she has not.

    ``lifetime``: how long an answer holds, None for ever. ``always``: this resource asks at each visit whatever she chose; ``visit``
    names the sign-on under way, in which she is not asked twice. ``digests`` are those under the key of ``stored``, where some have been
    worked out. Where nothing is about to go there is nothing to ask.
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
    said = {found.name: found for found in stored.attributes}
    unknown = [attribute.name for attribute, _ in about_to_go if attribute.name not in said]
    if unknown:
        return Reason(Why.NEW_ATTRIBUTES, tuple(unknown))
    now_required = [one.name for one, is_required in about_to_go if is_required and not said[one.name].allowed]
    if now_required:
        return Reason(Why.NOW_REQUIRED, tuple(now_required))
    digests = digests or Digests(stored.salt)
    if not _same_purpose(stored.purpose, purpose, digests):
        return Reason(Why.NEW_PURPOSE)
    if stored.mode is not Mode.REMEMBER:
        new = [one.name for one, _ in about_to_go if _has_new_values(said[one.name], one, digests)]
        if new:
            return Reason(Why.NEW_VALUES, tuple(new))
    return Reason(Why.ASKS_ALWAYS) if always or stored.mode is Mode.ASK_ALWAYS else None


def wish_of(
    stored: Choice | None,
    now: datetime,
    *,
    lifetime: timedelta | None = None,
    counted: Iterable[AttributeChoice] | None = None,
    place: object = None,
) -> Wish:
    """What to say to each value that policies would let go: None lets it go. ``counted`` and ``place`` as the attributes and place of
    `ByChoice`; left out, everything that she said counts.

    Without an answer in force nothing goes (``not_asked``). What she withheld stays (``withheld``). An attribute that she was never
    asked about stays, and unless she chose to have the answer remembered, so does a value that she was never shown (``not_asked``). What
    she lets go of her own accord is ``chosen``.
    """
    if stored is None or not stored.holds_at(now, lifetime):
        return nothing_was_asked
    attributes = stored.attributes if counted is None else counted
    return ByChoice(stored, attributes, rest=not_asked, unseen="not_asked", place=place)


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


def askable(stored: Choice | None, offered: Sequence[Offered], digests: Digests | None = None) -> tuple[Offered, ...]:
    """What of ``offered`` there is to ask her about: without the values that she keeps back one by one. ``digests`` as in `must_ask`."""
    if stored is None or stored.revoked_at is not None:
        return tuple(offered)
    withheld = {found.name: found.withheld_values for found in stored.attributes if found.withheld_values}
    if not withheld:
        return tuple([one for one in offered if one.attribute.values])
    digests = digests or Digests(stored.salt)
    found = [Offered(_without(withheld.get(one.name, ()), one.attribute, digests), one.required) for one in offered]
    return tuple([one for one in found if one.attribute.values])


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
    attributes = tuple(found._replace(allowed=found.name in allowed) for found in previous.attributes)
    return previous._replace(mode=mode, attributes=attributes, given_at=now, visit="")


def nothing_was_asked(_name: str, _value: Value) -> PersonalWish | None:
    """The wish of somebody who never said a word about anything."""
    return "not_asked"


def not_asked(_name: str) -> PersonalWish | None:
    """What is true of an attribute about which somebody said nothing."""
    return "not_asked"


def _without(withheld: Collection[str], attribute: Attribute, digests: Digests) -> Attribute:
    if not withheld:
        return attribute
    return attribute.keeping(
        value for value in attribute.values if digests.of_value(attribute.name, value) not in withheld
    )


def _has_new_values(said: AttributeChoice, attribute: Attribute, digests: Digests) -> bool:
    """Whether a value is about to go that she was never shown, of an attribute that she allowed."""
    if not said.allowed:
        return False
    shown, name = said.values, attribute.name
    return bool([value for value in attribute.values if digests.of_value(name, value) not in shown])


def _shown_now(previous: Choice | None, offered: Offered, allowed: bool, salt: bytes) -> AttributeChoice:
    """What she let go of her own accord, and the values that she keeps back, stand in no question: they stay as they were."""
    before = previous.about(offered.name) if previous is not None else None
    values = known_values(previous, offered.attribute, salt)
    if before is None:
        return AttributeChoice(offered.name, allowed, values)
    return AttributeChoice(offered.name, allowed, values, before.more, before.withheld_values)


def known_values(previous: Choice | None, attribute: Attribute, salt: bytes) -> frozenset[str]:
    """The digests of the values of an attribute that she is shown now, and of those that she was shown before."""
    digests = Digests(salt)
    now = dict.fromkeys(digests.of_value(attribute.name, value) for value in attribute.values)
    before = previous.about(attribute.name) if previous is not None else None
    everything = [*now, *sorted((before.values if before is not None else frozenset()) - set(now))]
    # Beyond the bound the oldest are forgotten; what is about to go has to fit, or she would be asked for ever.
    return frozenset(everything[: max(MAXIMUM_DIGESTS, len(now))])


def _same_purpose(shown: ShownPurpose, purpose: Purpose, digests: Digests) -> bool:
    """Compared in the languages that she read: a translation that is added, or another language of her browser, changes nothing."""
    text = _exactly(purpose.descriptions, shown.text_language)
    url = _exactly(purpose.privacy_urls, shown.url_language)
    if text is None or url is None:
        return False
    return hmac.compare_digest(digests.of_purpose(text, url), shown.digest)


def shown_purpose(read: ReadPurpose, salt: bytes) -> ShownPurpose:
    """What is remembered of a purpose under the key of a choice."""
    return ShownPurpose(read.text_language, read.url_language, Digests(salt).of_purpose(read.text, read.url))


def _exactly(texts: Sequence[tuple[str, str]], language: str) -> str | None:
    for tag, text in texts:
        if tag == language:
            return text
    return "" if not language and not texts else None


def _read(texts: Sequence[tuple[str, str]], language: str) -> tuple[str, str]:
    for wanted in (language, "en"):
        for tag, text in texts:
            if _primary(tag) == _primary(wanted):
                return tag, text
    return texts[0] if texts else ("", "")


def _primary(tag: str) -> str:
    return tag.lower().partition("-")[0]
