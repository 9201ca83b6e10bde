"""The page about a session that will end, and the one after it has ended by itself. Decides nothing."""

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from ostiary.federation.registry import Registry
from sp_shire.messages import Reply, Request
from sp_shire.pages.page import Page
from sp_shire.sessions.ending import End
from sp_shire.sessions.records import Session


class ExpiringPages:
    """Replies about the end of sessions."""

    def __init__(self, page: Page) -> None:
        self._page: Final = page

    def expiring(
        self, request: Request, session: Session, end: End, target: str, registry: Registry, now: datetime
    ) -> Reply:
        """When it ends and why, and what she can do. When it has ended, the page itself says so (by the header ``Refresh``: a script that
        counts down is not needed for that, and nothing that she has open is left)."""
        left = end.at - now
        issuer = session.login.issuer
        # Where her home organisation set the end, only a login anew moves it.
        force = {"forceAuthn": "true"} if end.why == "home" else {}
        handler = self._page.addresses.handler
        then = f"{handler('expiring')}?{urlencode({'target': target, 'why': end.why})}"
        seconds = max(0, left // timedelta(seconds=1)) + 1
        return self._page.show(
            request,
            200,
            "sp_expiring.html",
            more=[("Refresh", f"{seconds}; url={then}")],
            soon=end.is_soon,
            hours=left // timedelta(hours=1),
            minutes=max(1, round(left / timedelta(minutes=1))),
            why=end.why,
            home=registry.name_of(issuer, now),
            ends=end.at,
            expiring=handler("expiring"),
            target=target,
            again=f"{handler('login')}?{urlencode({'target': target, 'entityID': issuer, **force})}",
        )

    def ended(self, request: Request, why: str, target: str, cookies: tuple[str, ...]) -> Reply:
        """It has ended. ``why``: a `Why`, or ``unknown``."""
        text = self._page.text
        login = self._page.addresses.handler("login")
        return self._page.show(
            request,
            200,
            "notice.html",
            cookies=cookies,
            title=text(request, "sp.sessions.ended"),
            kind="info",
            message=text(request, f"sp.sessions.ended_why.{why}"),
            detail=text(request, "sp.sessions.ended_detail"),
            way_on_url=f"{login}?{urlencode({'target': target})}",
            way_on=text(request, "sp.sessions.again"),
        )
