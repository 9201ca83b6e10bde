"""``discover``, ``forget``, ``discovered`` and ``discofeed``: how a person's home organisation is found, here or at a WAYF."""

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from ostiary.web.cookies import clear_cookie, cookie_name, read_cookie, set_cookie
from ostiary.web.forms import optional, parse_query
from ostiary.web.remembered import cookie_value, from_cookie, with_choice
from sp_shire.addresses import Addresses
from sp_shire.handlers.leaving import leave
from sp_shire.handlers.routes import Handler, Routes
from sp_shire.handlers.signing_in import SigningIn
from sp_shire.login.asking import Asking
from sp_shire.login.finishing import Unanswered
from sp_shire.login.homes import Homes
from sp_shire.login.settings import REMEMBERED
from sp_shire.login.targets import Targets
from sp_shire.login.wishes import MAXIMUM_ENTITY_ID, Wishes
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.settings import ShireSettings
from sp_shire.snapshot import Snapshot

MOST_SHOWN: Final = 50
_MAXIMUM_SEARCH: Final = 200


class Discovering:
    """Discovery at one resource."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        targets: Targets,
        asking: Asking,
        signing_in: SigningIn,
        replies: Replies,
    ) -> None:
        self._addresses = addresses
        self._targets = targets
        self._asking = asking
        self._signing_in = signing_in
        self._replies = replies
        self._homes = Homes()
        self._cookie = cookie_name("home", settings.space, https=addresses.https)
        routes: dict[str, dict[str, Handler]] = {
            "discovered": {"GET": self._discovered},
            "discofeed": {"GET": self._feed},
        }
        if settings.discovery == "embedded":
            routes |= {"discover": {"GET": self._discover}, "forget": {"GET": self._forget}}
        self.routes: Final[Routes] = routes

    def _discover(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """The page on which she chooses. Where nothing may be shown, the choice that she made last time."""
        fields = parse_query(request.query)
        number = optional(fields, "login", max_length=64)
        if not number:
            leaving = self._asking.begin(request, self._targets.first, Wishes(), snapshot, now)
            return leave(self._replies, request, leaving, snapshot, now)
        intent = self._asking.intent_of(request, now)
        directory, _ = self._homes.at(snapshot.registry, now)
        last = [home for one in self._remembered(request) if (home := directory.get(one, now)) is not None]
        if intent.wishes.passive:
            answer = {"login": number} | ({"entityID": last[0].entity_id} if last else {})
            return self._replies.redirect(f"{self._addresses.handler('discovered')}?{urlencode(answer)}")
        text = optional(fields, "q", max_length=_MAXIMUM_SEARCH) or ""
        language = self._replies.language(request)
        found = directory.search(text, now, language=language, most=MOST_SHOWN)
        return self._replies.discover(request, number, text, found, tuple(last), language)

    def _discovered(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        intent = self._asking.intent_of(request, now)
        leaving = self._asking.discovered(request, intent, snapshot, now)
        if leaving is None:
            return self._signing_in.unanswered(request, Unanswered(intent), snapshot, now)
        return leave(self._replies, request, leaving, snapshot, now, cookies=self._choice_cookie(request))

    def _forget(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        number = optional(parse_query(request.query), "login", max_length=64) or ""
        cookies = (clear_cookie(self._cookie, https=self._addresses.https),) if _from_our_page(request) else ()
        url = f"{self._addresses.handler('discover')}?{urlencode({'login': number})}"
        return self._replies.redirect(url, cookies, status=303)

    def _feed(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """For pages that choose by themselves (Shibboleth DiscoFeed)."""
        _, feed = self._homes.at(snapshot.registry, now)
        document = feed.at(now)
        tag = f'"{document.etag}"'
        headers = (
            ("Content-Type", "application/json"),
            ("ETag", tag),
            ("Cache-Control", "public, max-age=300"),
            # Public data; a page elsewhere may show it.
            ("Access-Control-Allow-Origin", "*"),
            ("X-Content-Type-Options", "nosniff"),
        )
        known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
        return Reply(304, headers) if tag in known or "*" in known else Reply(200, headers, document.content)

    def _remembered(self, request: Request) -> tuple[str, ...]:
        return from_cookie(read_cookie(request.headers.get("cookie"), self._cookie))

    def _choice_cookie(self, request: Request) -> tuple[str, ...]:
        fields = parse_query(request.query)
        chosen = optional(fields, "entityID", max_length=MAXIMUM_ENTITY_ID) or ""
        if optional(fields, "remember", max_length=10) != "yes" or not _from_our_page(request):
            return ()
        value = cookie_value(with_choice(self._remembered(request), chosen))
        return (set_cookie(self._cookie, value, https=self._addresses.https, max_age=REMEMBERED),)


def _from_our_page(request: Request) -> bool:
    """Whether memory may change: another site must not plant a home organisation by a link (Fetch Metadata 2.3)."""
    return request.headers.get("sec-fetch-site") in (None, "same-origin", "none")
