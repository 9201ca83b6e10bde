"""Login by Kerberos V5 over SPNEGO (RFC 4559): the browser brings a ticket for this service, which a keytab opens. No NTLM, one round trip.

The library that opens tickets stands behind a port (`idp.login.gss`), so that nobody needs it who has no Kerberos.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from idp.login.mapping import NAME, Home
from idp.login.methods import AmbientName, Arrival, Authenticated, Challenge, NotOffered, Rejected
from ostiary.config import Network, is_in
from ostiary.storage.stores import ReplayStore

NEGOTIATE: Final = Challenge((("WWW-Authenticate", "Negotiate"),))
MAXIMUM_TOKEN: Final = 48 * 1024

# An authenticator is believed for five minutes before and after its own time (RFC 4120 3.2.3), by clocks that are as far apart.
_REMEMBERED: Final = timedelta(minutes=15)
_NTLM: Final = b"NTLMSSP"
_CREDENTIALS: Final = re.compile(r"negotiate +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
# A person; not one with an instance (ada/admin), and no name that Kerberos writes with a backslash.
_PERSON: Final = re.compile(r"(?P<name>[^@/\\\s]{1,128})@(?P<realm>[^@/\\\s]{1,253})")


@dataclass(frozen=True, slots=True)
class AcceptedTicket:
    """``client`` is the Kerberos principal that the ticket names; ``reply`` proves to it that we could open the ticket."""

    client: str
    reply: bytes


class TicketAcceptor(Protocol):
    """What opens tickets."""

    def accept(self, token: bytes) -> AcceptedTicket | str:
        """The ticket in a SPNEGO token; or why there is none that is good, in words for the log."""
        ...


@dataclass(frozen=True, slots=True)
class KerberosLogin:
    """`AmbientMethod`. ``realms`` says for each realm how a login name is made of the principal's name, ``{name}``; a ticket of another
    realm means nobody here. ``networks`` are those whose browsers are asked before the form is shown."""

    acceptor: TicketAcceptor
    realms: Mapping[str, str]
    networks: tuple[Network, ...]
    home: Home
    replays: ReplayStore

    @property
    def name(self) -> AmbientName:
        return "kerberos"

    def is_at_once(self, arrival: Arrival) -> bool:
        return is_in(arrival.client, self.networks)

    def look(self, arrival: Arrival, now: datetime) -> Authenticated | Rejected | NotOffered | Challenge:
        given = arrival.headers.get("authorization")
        if given is None:
            return NEGOTIATE
        token = _token(given)
        if token is None:
            return NotOffered("no Negotiate token")
        if token.startswith(_NTLM):
            return NotOffered("NTLM")
        accepted = self.acceptor.accept(token)
        if isinstance(accepted, str):
            return Rejected("not_valid", detail=accepted)
        # Beside the library's own cache, which the other nodes do not see.
        used = f"kerberos {hashlib.sha256(token).hexdigest()}"
        if not self.replays.first_use(used, expires=now + _REMEMBERED, now=now):
            return Rejected("not_valid", detail="a ticket that was shown before")
        login_name = self._login_name(accepted.client)
        if login_name is None:
            return Rejected("foreign", detail=accepted.client)
        outcome = self.home.person(login_name)
        if isinstance(outcome, Rejected):
            return outcome
        return Authenticated(outcome.principal, reply=_reply(accepted.reply))

    def _login_name(self, client: str) -> str | None:
        found = _PERSON.fullmatch(client)
        template = self.realms.get(found["realm"]) if found is not None else None
        return template.replace(NAME, found["name"]) if found is not None and template is not None else None


def _token(given: str) -> bytes | None:
    if len(given) > MAXIMUM_TOKEN * 4 // 3 + 16:
        return None
    found = _CREDENTIALS.fullmatch(given.strip())
    try:
        return base64.b64decode(found[1], validate=True) if found is not None else None
    except binascii.Error:
        return None


def _reply(token: bytes) -> tuple[tuple[str, str], ...]:
    return (("WWW-Authenticate", f"Negotiate {base64.b64encode(token).decode('ascii')}"),) if token else ()
