"""The signed token about a person for what stands behind the application: what it says, and for how long it serves. One is made for a
session and used again, so that not each request pays for a signature.
"""

import json
import secrets
import threading
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib import import_module
from typing import Final

from ostiary.attributes import Attributes, texts_of
from ostiary.federation.keys import KeyRing
from ostiary.tokens import sign_token
from ostiary.web.identity import Person
from ostiary.web.log import Log
from sp_shire.adapters.settings import TokenSettings
from sp_shire.sessions.visitor import Visitor
from sp_shire.settings import ShireSettings

MAXIMUM_CLAIMS: Final = 4500
"""Characters of the attributes in a token, as JSON: with everything else it fits into a header of 8 kB, which is what servers take."""
_REMEMBERED: Final = 2000
_PAIRWISE_FIRST: Final = ("pairwise-id", "subject-id")


@dataclass(frozen=True, slots=True)
class _Made:
    token: str
    attributes: Attributes
    ring: KeyRing
    fresh_until: datetime


class Tokens:
    """The tokens of one resource. Thread-safe."""

    def __init__(self, settings: ShireSettings, wanted: TokenSettings, log: Log) -> None:
        """Raises `ModuleNotFoundError` without python-jose (the extra ``jwt``), at the start and not with the first person."""
        import_module("jose")
        self._issuer = settings.entity_id
        self._application = settings.application
        self._wanted = wanted
        self._names = wanted.attributes if wanted.attributes is not None else tuple(settings.environ)
        self._log = log
        self._made: OrderedDict[tuple[object, ...], _Made] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, visitor: Visitor, ring: KeyRing, now: datetime) -> str:
        """A token that is good for half of its lifetime at least, or until the session or the certificate ends. Signed with the current key
        of the ring."""
        person, session = visitor.person, visitor.session
        # Who shows certificates has no session; each of her proxies says by itself since when.
        since = session.started if session is not None else person.authenticated_at
        key = (person.issuer, person.name_id, person.session_index, since)
        with self._lock:
            known = self._made.get(key)
        if (
            known is not None
            and now < known.fresh_until
            and known.ring is ring
            and known.attributes == person.attributes
        ):
            return known.token
        ends = now + self._wanted.lifetime
        if visitor.ends is not None:
            ends = min(ends, visitor.ends)
        token = sign_token(self._claims(person, ends, now), ring.signer)
        made = _Made(token, person.attributes, ring, now + (ends - now) / 2)
        with self._lock:
            self._made[key] = made
            self._made.move_to_end(key)
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        return token

    def _claims(self, person: Person, ends: datetime, now: datetime) -> dict[str, object]:
        claims: dict[str, object] = {
            "iss": self._issuer,
            "sub": subject_of(person),
            "aud": self._wanted.audience,
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int(ends.timestamp()),
            "jti": secrets.token_urlsafe(16),
            "auth_time": int(person.authenticated_at.timestamp()),
            "idp": person.issuer,
        }
        if self._application:
            # Under one entityID, all else would be that of a domain to which others are let in.
            claims["application"] = self._application
        if person.authn_context is not None:
            claims["acr"] = person.authn_context
        held = {name: texts for name in self._names if (texts := texts_of(person.attributes, name))}
        fitting, left_out = _fitting(held)
        claims["attributes"] = fitting
        if left_out:
            claims["left_out"] = left_out
            self._log.warning("token_too_long", idp=person.issuer, left_out=left_out)
        return claims


def subject_of(person: Person) -> str:
    """Who the token is about: her ``pairwise-id`` or else her ``subject-id``, where the acceptance policy let one through; else a digest of
    what her home organisation calls her here: the same for as long as that is the same, for a handle until the session ends."""
    for name in _PAIRWISE_FIRST:
        values = texts_of(person.attributes, name)
        if len(values) == 1:
            return values[0]
    named = f"{len(person.issuer)} {person.issuer} {person.name_id}"
    return urlsafe_b64encode(sha256(named.encode()).digest()).rstrip(b"=").decode()


def _fitting(held: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, list[str]], list[str]]:
    """The attributes that fit into a token, and the names of those that do not: the longest go, whole, until the others fit."""
    sizes = {name: len(json.dumps([name, texts])) for name, texts in held.items()}
    left_out: list[str] = []
    while sum(sizes.values()) > MAXIMUM_CLAIMS:
        longest = max(sizes, key=lambda name: sizes[name])
        del sizes[longest]
        left_out.append(longest)
    return {name: list(texts) for name, texts in held.items() if name in sizes}, left_out
