"""What the doorkeeper tells an application about a request: who is there, what is known of her, and where the way in and out is.

Only tells. Who may enter was decided before the application was reached.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from ostiary.attributes import texts_of
from ostiary.errors import Refusal
from ostiary.policy.access import Decision
from ostiary.web.identity import Person
from ostiary.x509.fqan import Fqan, parse_fqan
from sp_shire.sessions.records import Session

if TYPE_CHECKING:
    from sp_shire.addresses import Addresses
    from sp_shire.login.targets import Targets

OSTIARY_KEY: Final = "ostiary"
"""Where an `Ostiary` stands in a WSGI environment and in an ASGI scope. No header of a client can get there."""
GROUPS_AND_ROLES: Final = "isMemberOf"
"""The attribute whose values are FQANs, wherever they come from."""


class Doors:
    """Where one resource lets people in and out."""

    def __init__(self, addresses: "Addresses", targets: "Targets") -> None:
        self._addresses = addresses
        self._targets = targets

    def back_to(self, path: str, query: bytes) -> str:
        """As `Targets.back_to`."""
        return self._targets.back_to(path, query)

    def login_url(self, target: str) -> str:
        """Where a login begins that leads to ``target``: a path of this site, or a URL of it. Raises `Refusal` (``sp.target``)."""
        path = (
            target.removeprefix(self._addresses.origin) if target.startswith(self._addresses.origin + "/") else target
        )
        return f"{self._addresses.handler('login')}?{urlencode({'target': self._targets.checked(path)})}"

    def logout_url(self) -> str:
        """The page on which a person signs out."""
        return self._addresses.handler("logout")


@dataclass(frozen=True)
class Ostiary:
    """Who makes this request, for the application. Outside the protected paths it may be nobody: then ``person`` is None, there are no
    attributes, and ``login_url()`` is the way to change that.

    ``decision`` is what let her in (None outside the protected paths); ``session`` None: nobody is there, or she came with a certificate.
    """

    person: Person | None
    session: Session | None
    decision: Decision | None
    doors: Doors
    path: str
    query: bytes = b""
    renew: "Callable[[], Ostiary] | None" = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, holder: Mapping[str, object]) -> "Ostiary":
        """What stands in a WSGI ``environ`` or an ASGI ``scope``. Raises `LookupError` when the application is not behind the middleware:
        nobody has looked at the request then."""
        found = holder.get(OSTIARY_KEY)
        if not isinstance(found, cls):
            raise LookupError("this application is not behind ShireMiddleware or ShireAsgiMiddleware")
        return found

    @property
    def is_logged_in(self) -> bool:
        """Whether it is somebody."""
        return self.person is not None

    @cached_property
    def attributes(self) -> Mapping[str, tuple[str, ...]]:
        """Every attribute that the acceptance policy let through, with all its values as text, in order, none twice. Values are not cut
        or escaped: a page has to escape them."""
        known = self.person.attributes if self.person is not None else ()
        return MappingProxyType({attribute.name: texts_of(known, attribute.name) for attribute in known})

    def values(self, name: str) -> tuple[str, ...]:
        """All values of an attribute; none when nothing is known."""
        return self.attributes.get(name, ())

    def one(self, name: str) -> str | None:
        """The value of an attribute that has exactly one; None for none, and for several, of which nothing says which counts."""
        values = self.values(name)
        return values[0] if len(values) == 1 else None

    def has(self, name: str, value: str | None = None) -> bool:
        """Whether an attribute has this value, letter for letter; without one, whether it is there at all."""
        values = self.values(name)
        return bool(values) if value is None else value in values

    def member_of(self, fqan: str) -> bool:
        """Whether she has this group (``/vo/group``) or role (``/vo/group/Role=r``) of a VO, in the short or the long form. A group does
        not follow from a role, nor one group from another: who has them all shows them all.

        Raises `Refusal` (``x509.fqan``) for what is no FQAN.
        """
        wanted = parse_fqan(fqan)
        return any(_fqan(value) == wanted for value in self.values(GROUPS_AND_ROLES))

    @property
    def issuer(self) -> str | None:
        """The entityID of the home organisation (or the issuer of her certificate) that vouches for her."""
        return self.person.issuer if self.person is not None else None

    @property
    def authenticated_at(self) -> datetime | None:
        """When she logged in there (UTC)."""
        return self.person.authenticated_at if self.person is not None else None

    @property
    def authn_context(self) -> str | None:
        """How she logged in there: an AuthnContextClassRef (SAML core 2.7.2.2)."""
        return self.person.authn_context if self.person is not None else None

    @property
    def session_ends(self) -> datetime | None:
        """When her session here ends at the latest (UTC); None when she has none."""
        return self.session.ends if self.session is not None else None

    def refresh(self) -> "Ostiary":
        """The same after her attributes were asked for anew, for an application in which something has just been settled about her. Not
        each call asks: how often, the resource bounds. ``decision`` is made anew and may be a refusal; when her session has ended
        meanwhile, nobody is there. Who has no session stays as she is.

        It waits for Attribute Authorities: in an asynchronous application, call it in a thread. Raises `Unavailable` when the session store
        does not answer, or authorities have not for too long.
        """
        return self if self.renew is None or self.session is None else self.renew()

    def login_url(self, target: str | None = None) -> str:
        """Where to send a browser that is to log in: it comes back to ``target`` (a path or a URL of this site), else to the page at hand.

        Raises `Refusal` (``sp.target``) for an address of another site.
        """
        return self.doors.login_url(self.doors.back_to(self.path, self.query) if target is None else target)

    def logout_url(self) -> str:
        """The page on which she signs out: it asks whether here only or everywhere, so that no link alone ends a session."""
        return self.doors.logout_url()


def _fqan(value: str) -> Fqan | None:
    try:
        return parse_fqan(value)
    except Refusal:
        return None
