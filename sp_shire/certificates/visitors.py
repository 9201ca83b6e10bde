"""Who makes a request by the certificate that it shows, when it brings no session. Decides nothing about access."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from ostiary.errors import Denied
from ostiary.policy.access import Subject
from ostiary.saml.names import TLS_CLIENT
from ostiary.web.identity import Person
from ostiary.web.log import Log
from sp_shire.adapters.exports import exports_of
from sp_shire.addresses import Addresses
from sp_shire.certificates.believing import Believed, Terms, believe
from sp_shire.certificates.grid import Grid
from sp_shire.certificates.remembered import Basis, Remembered
from sp_shire.certificates.settings import CertificateSettings
from sp_shire.certificates.shown import Shown
from sp_shire.messages import Request
from sp_shire.sessions.visitor import Visitor
from sp_shire.settings import ShireSettings
from sp_shire.snapshot import Snapshot


class CertificateVisitors:
    """``grid`` gives who is trusted at an instant. Thread-safe."""

    def __init__(
        self,
        settings: ShireSettings,
        certificates: CertificateSettings,
        *,
        grid: Callable[[datetime], Grid],
        log: Log,
    ) -> None:
        addresses = Addresses(settings)
        self._settings = settings
        self._origin: Final = addresses.origin
        self._terms: Final = Terms(
            audience=settings.entity_id,
            host_names=tuple(dict.fromkeys((addresses.host_name, *certificates.host_names))),
            limited_proxies=certificates.limited_proxies,
            most_proxies=certificates.most_proxies,
        )
        self._grid = grid
        self._shown = Shown(certificates.front_end, log)
        self._remembered: Remembered[Visitor] = Remembered()
        self._log = log

    def reading(self, request: Request) -> Request:
        """As `Shown.reading`."""
        return self._shown.reading(request)

    def visitor(self, request: Request, snapshot: Snapshot, now: datetime) -> Visitor | None:
        """Whose certificate this is; None where the request shows none. ``request`` as `reading` made it.

        Raises what `believe` raises, and `Denied` (``certificates.cross_site``) for a request that another site made a browser send.
        """
        if not request.peer:
            return None
        _check_site(request, self._origin)
        basis = Basis(self._grid(now), snapshot.accept)
        visitor = self._remembered.find(request.peer, basis, now)
        if visitor is None:
            believed = believe(request.peer, self._terms, basis.grid, basis.policy, now)
            self._tell(believed, request)
            visitor = self._visitor(believed)
            self._remembered.keep(request.peer, basis, visitor, until=believed.until, now=now)
        return visitor

    def _tell(self, believed: Believed, request: Request) -> None:
        self._log.info(
            "certificate_accepted",
            subject=believed.names.subject,
            issuer=believed.names.issuer,
            proxies=believed.proxies,
            attributes=sorted({attribute.name for attribute in believed.attributes}),
            not_accepted=sorted({f"{name}: {reason}" for name, _, reason in believed.withheld}),
            other_vos=list(believed.unread_vos),
            client=request.remote,
        )

    def _visitor(self, believed: Believed) -> Visitor:
        names = believed.names
        person = Person(
            issuer=names.issuer,
            name_id=names.subject,
            attributes=believed.attributes,
            authenticated_at=believed.authenticated_at,
            authn_context=TLS_CLIENT,
        )
        subject = Subject(person.attributes, person.issuer, person.authenticated_at, person.authn_context)
        exports = exports_of(self._settings, person)
        return Visitor(person, subject, exports, None, believed.until, believed.withheld)


def _check_site(request: Request, origin: str) -> None:
    """A browser shows its certificate to whichever page makes it send a request, and no SameSite holds it back as it does a cookie. So what
    another site sends is let in only where a Lax cookie would be: somebody follows a link."""
    site = request.headers.get("sec-fetch-site")
    if site is None:
        from_elsewhere = request.headers.get("origin", origin) != origin
    else:
        followed = request.method in ("GET", "HEAD") and request.headers.get("sec-fetch-dest") == "document"
        from_elsewhere = site == "cross-site" and not followed
    if from_elsewhere:
        raise Denied(
            "certificates.cross_site", expected=f"a request of {origin}", found=request.headers.get("origin", site)
        )
