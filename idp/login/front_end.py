"""Login by the word of a web server in front that has authenticated the person already (``REMOTE_USER``: Pubcookie, mod_auth_cas, ...)."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from idp.login.mapping import Home, NameRule
from idp.login.methods import AmbientName, Arrival, Authenticated, Challenge, NotOffered, Rejected
from ostiary.config import TrustedPeer
from ostiary.web.ignored_once import IgnoredOnce

_MAXIMUM_NAME: Final = 256


@dataclass(frozen=True, slots=True)
class FrontEndLogin:
    """`AmbientMethod`. ``header`` carries the login name in UTF-8; from anybody but ``peer`` it is as if it were not there."""

    header: str
    peer: TrustedPeer
    rule: NameRule
    home: Home
    ignored: IgnoredOnce

    @property
    def name(self) -> AmbientName:
        return "front_end"

    def is_at_once(self, arrival: Arrival) -> bool:
        return self.header.lower() in arrival.headers and self.peer.trusts(arrival.peer, arrival.headers)

    def look(self, arrival: Arrival, now: datetime) -> Authenticated | Rejected | NotOffered | Challenge:
        given = arrival.headers.get(self.header.lower())
        if given is None:
            return NotOffered("no header")
        if not self.peer.trusts(arrival.peer, arrival.headers):
            self.ignored.tell(self.header, arrival.peer, arrival.client)
            return NotOffered("not from the web server in front")
        text = _text(given)
        login_name = self.rule.apply(text) if text is not None else None
        if login_name is None:
            return Rejected("foreign", detail=given[:_MAXIMUM_NAME])
        return self.home.person(login_name)


def _text(given: str) -> str | None:
    """The header's octets as UTF-8 text (WSGI hands them over as Latin-1), without outer spaces; None for what is no name."""
    try:
        text = given.encode("latin-1").decode().strip()
    except UnicodeError:
        return None
    if not 0 < len(text) <= _MAXIMUM_NAME or any(unicodedata.category(letter).startswith("C") for letter in text):
        return None
    return text
