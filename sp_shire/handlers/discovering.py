"""``discover``, ``suggest``, ``forget``, ``discovered`` and ``discofeed``: how a person's home organisation is found, here or at a WAYF."""

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from ostiary.federation.directory import Found, HomeOrganisation
from ostiary.federation.directory.nearby import Nearby
from ostiary.federation.directory.offered import Offer, offer_for
from ostiary.web.cookies import clear_cookie, cookie_name, read_cookie, set_cookie
from ostiary.web.encodings import takes_gzip
from ostiary.web.forms import optional, parse_query
from ostiary.web.remembered import asked_by_own_page, cookie_value, from_cookie, with_choice, without
from ostiary.web.suggestions import MOST_SUGGESTED
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

MOST_AT_FIRST: Final = 15
MOST_FOUND: Final = 50
MAXIMUM_SEARCH: Final = 200


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
        self._entity_id = settings.entity_id
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
            routes |= {
                "discover": {"GET": self._discover},
                "suggest": {"GET": self._suggest},
                "forget": {"GET": self._forget},
            }
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
        offer = self._offer(snapshot, now)
        last = self.remembered(request, snapshot, now)
        if intent.wishes.passive:
            answer = {"login": number} | ({"entityID": last[0].entity_id} if last else {})
            return self._replies.redirect(f"{self._addresses.handler('discovered')}?{urlencode(answer)}")
        text = optional(fields, "q", max_length=MAXIMUM_SEARCH) or ""
        language = self._replies.language(request)
        most = MOST_FOUND if text.strip() else MOST_AT_FIRST
        found = directory.search(text, now, language=language, most=most, offer=offer, nearby=Nearby(request.remote))
        editing = optional(fields, "edit", max_length=10) is not None
        elsewhere = offer.profile.fallback if offer.profile is not None else ""
        return self._replies.discover(
            request, number, text, found, last, language, editing=editing, elsewhere=elsewhere
        )

    def _suggest(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """What that page shows while she types: the same that its form would find."""
        text = optional(parse_query(request.query), "q", max_length=MAXIMUM_SEARCH) or ""
        found = self.suggested(request, text, snapshot, now)
        return self._replies.suggestions(request, text, found, self._replies.language(request))

    def suggested(self, request: Request, text: str, snapshot: Snapshot, now: datetime) -> Found:
        """The home organisations that she may mean."""
        directory, _ = self._homes.at(snapshot.registry, now)
        language, offer = self._replies.language(request), self._offer(snapshot, now)
        near = Nearby(request.remote)
        return directory.search(text, now, language=language, most=MOST_SUGGESTED, offer=offer, nearby=near)

    def remembered(self, request: Request, snapshot: Snapshot, now: datetime) -> tuple[HomeOrganisation, ...]:
        """Those that she chose before, the last one first, as far as they are offered now."""
        directory, _ = self._homes.at(snapshot.registry, now)
        offer = self._offer(snapshot, now)
        known = (directory.get(one, now) for one in self._remembered(request))
        return tuple(home for home in known if home is not None and offer.accepts(home.summary))

    def _discovered(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        intent = self._asking.intent_of(request, now)
        leaving = self._asking.discovered(request, intent, snapshot, now)
        if leaving is None:
            return self._signing_in.unanswered(request, Unanswered(intent), snapshot, now)
        return leave(self._replies, request, leaving, snapshot, now, cookies=self.choice_cookie(request))

    def _forget(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """Forgets one organisation (``forget``), or all, and goes back to the page."""
        fields = parse_query(request.query)
        number = optional(fields, "login", max_length=64) or ""
        which = optional(fields, "forget", max_length=MAXIMUM_ENTITY_ID)
        left = without(self._remembered(request), which) if which else ()
        cookies = (self._kept(left),) if asked_by_own_page(request.headers.get("sec-fetch-site")) else ()
        more = {"edit": "yes"} if left else {}
        url = f"{self._addresses.handler('discover')}?{urlencode({'login': number, **more})}"
        return self._replies.redirect(url, cookies, status=303)

    def _feed(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """For pages that choose by themselves (Shibboleth DiscoFeed)."""
        _, feed = self._homes.at(snapshot.registry, now)
        document = feed.at(now)
        packed = takes_gzip(request.headers.get("accept-encoding", ""))
        # Each encoding has an ETag of its own (RFC 9110 8.8.3).
        tag = f'"{document.etag}-gz"' if packed else f'"{document.etag}"'
        headers = (
            ("Content-Type", "application/json"),
            ("ETag", tag),
            ("Cache-Control", "public, max-age=300"),
            # Public data; a page elsewhere may show it.
            ("Access-Control-Allow-Origin", "*"),
            ("X-Content-Type-Options", "nosniff"),
            ("Vary", "Accept-Encoding"),
            *((("Content-Encoding", "gzip"),) if packed else ()),
        )
        known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
        if tag in known or "*" in known:
            return Reply(304, headers)
        return Reply(200, headers, document.gzipped if packed else document.content)

    def _remembered(self, request: Request) -> tuple[str, ...]:
        return from_cookie(read_cookie(request.headers.get("cookie"), self._cookie))

    def choice_cookie(self, request: Request) -> tuple[str, ...]:
        """Remembers the ``entityID`` of this request, where she wants that (``remember``)."""
        fields = parse_query(request.query)
        chosen = optional(fields, "entityID", max_length=MAXIMUM_ENTITY_ID) or ""
        if optional(fields, "remember", max_length=10) != "yes" or not asked_by_own_page(
            request.headers.get("sec-fetch-site")
        ):
            return ()
        return (self._kept(with_choice(self._remembered(request), chosen)),)

    def _kept(self, remembered: tuple[str, ...]) -> str:
        """The cookie that remembers these; with none, the one that ends it."""
        https = self._addresses.https
        if not remembered:
            return clear_cookie(self._cookie, https=https)
        return set_cookie(self._cookie, cookie_value(remembered), https=https, max_age=REMEMBERED)

    def _offer(self, snapshot: Snapshot, now: datetime) -> Offer:
        """What the federation's metadata says that this resource wants, where it lists the resource itself."""
        own = snapshot.registry.get(self._entity_id, now)
        return offer_for(own) if own is not None else Offer()
