"""Who is there: a person who logged in through a federation, or one whose browser showed a certificate. Says what she is known by."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import Engine

from ostiary.errors import Denied
from ostiary.web.identity import Person, person
from ostiary.web.listener import PEER_CHAIN
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.clients import verify_client
from ostiary.x509.trust import TrustDirectory
from voms.administration.callers import Caller, caller_of_certificate, caller_of_identities
from voms.details import Details
from voms.identities import FederatedIdentity
from voms.requests.office import Office
from voms.settings import VomsSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAXIMUM_IDENTITIES: Final = 10
"""Of one person at one login; whose home organisation asserts more is not who it says."""
_MAXIMUM_VALUE: Final = 1024


@dataclass(frozen=True, slots=True, eq=False)
class ServedVo:
    """One VO whose pages are served. ``trust`` gives the CA directory of the moment; ``office``: with what requests are handled."""

    settings: VomsSettings
    engine: Engine
    trust: Callable[[], TrustDirectory]
    office: Office

    @property
    def name(self) -> str:
        """The VO's name."""
        return self.settings.vo


@dataclass(frozen=True, slots=True)
class Visitor:
    """``caller``: for decisions; ``details``: what the home organisation tells of her, to fill in forms with."""

    caller: Caller
    details: Details = field(default_factory=Details)


class WhoIsThere(Protocol):
    """Finds out who sent a request."""

    def __call__(self, vo: ServedVo, environ: "WSGIEnvironment", now: datetime) -> Visitor:
        """Raises `Denied` (``voms.pages_*``), `NotAuthenticated` (``x509.*``), `Unavailable`."""
        ...


def by_certificate(vo: ServedVo, environ: "WSGIEnvironment", now: datetime) -> Visitor:
    """Who shows a certificate at the TLS listener. A proxy is for programs: whoever gets hold of one shall not administer with it."""
    chain = verify_client(environ.get(PEER_CHAIN, ()), vo.trust(), now)
    if chain.proxies:
        raise Denied("voms.pages_proxy", expected="a person's own certificate", found="a proxy")
    names = CertificateNames.of(chain.end_entity)
    return Visitor(caller_of_certificate(vo.engine, vo.name, names, now))


@dataclass(frozen=True, slots=True)
class BySession:
    """Who logged in at her home organisation, by the attributes ``identifiers``; implements `WhoIsThere`."""

    identifiers: tuple[str, ...]

    def __call__(self, vo: ServedVo, environ: "WSGIEnvironment", now: datetime) -> Visitor:
        """Raises `Denied` (``voms.pages_session``, ``voms.pages_no_identity``), `Unavailable`."""
        who = person(environ)
        if who is None:
            raise Denied("voms.pages_session", expected="somebody who logged in here", found="nobody")
        identities = identities_of(who, self.identifiers)
        if not identities:
            wanted = ", ".join(self.identifiers)
            raise Denied("voms.pages_no_identity", expected=f"one of {wanted}", found="none", wanted=wanted)
        if len(identities) > MAXIMUM_IDENTITIES:
            raise Denied("voms.pages_session", expected=f"at most {MAXIMUM_IDENTITIES} identities", found="more")
        return Visitor(caller_of_identities(vo.engine, vo.name, identities, now), _details_of(who))


def identities_of(who: Person, identifiers: Iterable[str]) -> tuple[FederatedIdentity, ...]:
    """How her home organisation names a person who logged in: each value of each of these attributes, in this order.

    What another authority says of her, where the resource asks further ones, is no name of hers.
    """
    return tuple(
        FederatedIdentity(who.issuer, name, text)
        for name in identifiers
        for text in dict.fromkeys(
            text
            for attribute in who.attributes
            if attribute.name == name and attribute.issuer in (None, who.issuer)
            for text in attribute.texts()
        )
        if 0 < len(text) <= _MAXIMUM_VALUE
    )


def _details_of(who: Person) -> Details:
    """For the eyes of whoever fills in a form; nothing is believed."""
    given, surname = _first(who, "givenName"), _first(who, "sn")
    if not (given or surname):
        given, _, surname = _first(who, "displayName").rpartition(" ")
    return Details(given, surname, _first(who, "o"), "", "", _first(who, "mail"))


def _first(who: Person, name: str) -> str:
    found = (text for attribute in who.attributes if attribute.name == name for text in attribute.texts())
    return next((text for text in found if len(text) <= 200 and text.isprintable()), "")
