"""The pages around signing out. Decides nothing."""

import secrets
from typing import Final

from ostiary.web.headers import auto_post_headers
from sp_shire.departures import Departure
from sp_shire.messages import Reply, Request
from sp_shire.pages.page import HTML, Page, cookie_headers


class LoggingOut:
    """Replies before and after a session ends."""

    def __init__(self, page: Page) -> None:
        self._page: Final = page

    def ask_logout(self, request: Request, home: str | None, *, everywhere: bool) -> Reply:
        """The page with the buttons. ``home``: where the person logged in, None when nobody is; ``everywhere`` whether her home
        organisation can be asked to end all sessions."""
        action = self._page.addresses.handler("logout")
        return self._page.show(
            request, 200, "sp_logout.html", leads_away=True, logout=action, home=home, everywhere=everywhere
        )

    def signed_out(self, request: Request, outcome: str, home: str | None, cookies: tuple[str, ...] = ()) -> Reply:
        """After the session here has ended. ``outcome``: ``here``, ``by_home``, or what ``home`` said of all others (`Outcome`)."""
        text = self._page.text
        return self._page.show(
            request,
            200,
            "notice.html",
            cookies=cookies,
            title=text(request, "sp.signed_out_everywhere" if outcome == "everywhere" else "sp.signed_out"),
            kind="good" if outcome in ("here", "by_home", "everywhere") else "warning",
            message=text(request, f"sp.signed_out_lead.{outcome}", home=home or ""),
            detail=text(request, f"sp.signed_out_detail.{outcome}", home=home or ""),
            way_on_url=self._page.home_url,
            way_on=text(request, "sp.to_service", service=self._page.settings.display.name),
        )

    def departure(self, request: Request, way: Departure, destination: str, cookies: tuple[str, ...] = ()) -> Reply:
        """Off to another site with a message, by redirect or by a form that submits itself; ``destination`` is its name."""
        if not way.fields:
            return self._page.redirect(way.url, cookies, status=303)
        nonce = secrets.token_urlsafe(18)
        values = {"action": way.url, "fields": way.fields, "destination": destination}
        html = self._page.html(request, "auto_post.html", nonce, values)
        headers = [("Content-Type", HTML), *auto_post_headers(nonce, https=self._page.https)]
        return Reply(200, (*headers, *cookie_headers(cookies)), html)
