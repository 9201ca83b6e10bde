"""The pages on which a person says where she is from, and what follows from that. Which request is in order, and who is offered, is
decided elsewhere. Keeps nothing but cookies in her browser, so any node may answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol
from urllib.parse import urlencode

from flask import Flask, Response, request, url_for

from ostiary.clock import Clock
from ostiary.errors import Refusal
from ostiary.federation.directory import Directory, Found, HomeOrganisation
from ostiary.federation.directory.nearby import Nearby
from ostiary.federation.directory.offered import Offer
from ostiary.federation.registry import Registry
from ostiary.federation.summary import summary_of
from ostiary.web import incoming
from ostiary.web.assets import STATIC, Asset, load_asset
from ostiary.web.cookies import clear_cookie, cookie_name, read_cookie, set_cookie
from ostiary.web.encodings import takes_gzip
from ostiary.web.forms import Fields, one, optional
from ostiary.web.languages import own_name
from ostiary.web.remembered import asked_by_own_page, cookie_value, from_cookie, with_choice, without
from ostiary.web.service import asset_url, page, shell
from wayf.discovery import DISCOVERY_PATH, SHIBBOLETH_PATH, DiscoveryRequest, answer_url, read_request
from wayf.offering import guests_of, help_for, offer_to
from wayf.places import PlacesOf
from wayf.settings import WayfSettings
from wayf.shibboleth import ShibbolethRequest, handle_service_url, is_shibboleth, read_shibboleth
from wayf.trips import WINDOW, Trips, came_back, goes_round, one_more, read_trips

MOST_AT_FIRST: Final = 15
MOST_FOUND: Final = 50
MAX_SEARCH: Final = 200
MAX_ENTITY_ID: Final = 1024

# The parameters of a request that our own forms carry on, whichever of the two forms it has.
_CARRIED: Final = (
    *("entityID", "return", "returnIDParam", "policy", "trustProfile"),
    *("providerId", "shire", "target", "time"),
    incoming.LANGUAGE_PARAMETER,
)

Logos = Callable[[HomeOrganisation], str | None]


class Known(Protocol):
    """The metadata of the moment."""

    @property
    def registry(self) -> Registry:
        """Everybody."""

    @property
    def directory(self) -> Directory:
        """The home organisations among them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is in order, with what may be offered to its people. ``directory`` is of the same moment; ``guests`` are entityIDs
    that the site offers to people without a home organisation, also where they do not want to be found."""

    request: DiscoveryRequest | ShibbolethRequest
    offer: Offer
    directory: Directory
    registry: Registry
    carried: dict[str, str]
    guests: tuple[str, ...] = ()

    def home(self, entity_id: str, now: datetime) -> HomeOrganisation | None:
        """The organisation, if it is offered now."""
        home = self.directory.get(entity_id, now)
        if home is None and entity_id in self.guests:
            hidden = self.registry.get(entity_id, now)
            summary = summary_of(hidden) if hidden is not None else None
            if summary is not None and summary.has("idp", now) and summary.offers_sign_on:
                home = HomeOrganisation(summary)
        return home if home is not None and self.offer.accepts(home.summary) else None

    def homes(self, entity_ids: tuple[str, ...], now: datetime) -> tuple[HomeOrganisation, ...]:
        """Those of them that are offered now."""
        return tuple(home for entity_id in entity_ids if (home := self.home(entity_id, now)) is not None)


class Choosing:
    """Discovery for people. ``known`` gives the metadata of the moment, ``logos`` the address of an organisation's logo on this service,
    None where the pages show none."""

    def __init__(
        self,
        settings: WayfSettings,
        known: Callable[[datetime], Known],
        clock: Clock,
        logos: Logos | None = None,
    ) -> None:
        self._settings = settings
        self._known = known
        self._clock = clock
        self.logos: Final = logos
        self._places = PlacesOf()
        self._https = settings.public_url.startswith("https:")
        named = partial(cookie_name, entity_id=settings.public_url, https=self._https)
        self._memory: Final = named("home")
        self._trips: Final = named("trips")
        self._language: Final = named("lang")
        self.style: Final = load_asset(STATIC / "discovery.css")
        self.script: Final = load_asset(STATIC / "discovery.js")
        self.nearest: Final = load_asset(STATIC / "nearest.js")

    @property
    def assets(self) -> tuple[Asset, ...]:
        """The files of its pages."""
        return self.style, self.script, self.nearest

    def asked(self, fields: Fields, now: datetime) -> Asked:
        """The request in a query. Raises as `read_request` and `read_shibboleth`."""
        known, own_url = self._known(now), self._settings.public_url
        original = is_shibboleth(fields)
        read = read_shibboleth if original else read_request
        found = read(fields, known.registry, now, own_url=own_url)
        profile = optional(fields, "trustProfile", max_length=255)
        offer = offer_to(found.resource, self._settings, profile=profile or None, by_shibboleth_request=original)
        guests = guests_of(found.resource, self._settings)
        return Asked(found, offer, known.directory, known.registry, _carried(fields), guests)

    def discovery(self) -> Response:
        """The page; for a passive request the answer, without any page (IdP Discovery 2.4.1)."""
        now, fields = self._clock.now(), incoming.query()
        asked = self.asked(fields, now)
        resource = asked.request.resource
        remembered, trips = asked.homes(self._remembered(), now), self._before()
        if asked.request.is_passive:
            if goes_round(trips, resource.entity_id, now):
                raise Refusal("wayf.goes_round", expected="an SP that goes on", found=resource.entity_id)
            return self._send_off(asked, remembered[0] if remembered else None, now)
        text = optional(fields, "q", max_length=MAX_SEARCH) or ""
        language = incoming.language(shell().pages.catalogue)
        answer = page(
            "discovery.html",
            # Choosing ends in redirects to other sites, and browsers hold form-action against each of them.
            form_action=False,
            own_scripts=True,
            geolocation=True,
            asking=resource.name(language),
            carried=asked.carried,
            field="choice",
            remembered=remembered,
            editing=optional(fields, "edit", max_length=10) is not None,
            found=self.found(asked, text, now, language=language, most=MOST_FOUND if text.strip() else MOST_AT_FIRST),
            q=text,
            language=language,
            languages=self._languages(asked, text, language),
            came_back=came_back(trips, resource.entity_id, now),
            guests=asked.homes(asked.guests, now),
            help=help_for(resource, self._settings, asked.offer, language),
            logo=self.logos,
            choose_url=url_for("choose"),
            forget_url=url_for("forget"),
            search_url=url_for("discovery"),
            suggest_url=url_for("suggest"),
            places_url=f"{url_for('places')}?{urlencode(asked.carried)}",
            discovery_style=asset_url(self.style),
            scripts=(asset_url(self.script), asset_url(self.nearest)),
        )
        self._remember_language(answer, fields, language)
        return answer

    def found(self, asked: Asked, text: str, now: datetime, *, language: str, most: int) -> Found:
        """Who is offered and may be meant by the text, for the person who asks."""
        nearby = Nearby(request.remote_addr or "") if self._settings.use_network_hints else None
        return asked.directory.search(text, now, language=language, most=most, offer=asked.offer, nearby=nearby)

    def choose(self) -> Response:
        """Sends the browser where the choice leads. A GET, because it changes nothing here and its answer is a redirect as the protocol
        wants it (IdP Discovery 2.4.3). It trusts nothing of the page before: everything is checked again."""
        now, fields = self._clock.now(), incoming.query()
        asked = self.asked(fields, now)
        choice = one(fields, "choice", max_length=MAX_ENTITY_ID)
        home = asked.home(choice, now)
        if home is None:
            raise Refusal("wayf.unknown_choice", expected="an IdP that is offered", found=choice)
        answer = self._send_off(asked, home, now)
        if optional(fields, "remember", max_length=10) == "yes" and asked_by_own_page(
            request.headers.get("Sec-Fetch-Site")
        ):
            self._keep(answer, with_choice(self._remembered(), choice))
        return answer

    def forget(self) -> Response:
        """Forgets one organisation (``forget``), or all, and goes back to the page."""
        now, fields = self._clock.now(), incoming.query()
        asked = self.asked(fields, now)
        which = optional(fields, "forget", max_length=MAX_ENTITY_ID)
        left = without(self._remembered(), which) if which else ()
        answer = Response(b"", 303)
        more = {"edit": "yes"} if left else {}
        answer.headers["Location"] = f"{url_for('discovery')}?{urlencode({**asked.carried, **more})}"
        if asked_by_own_page(request.headers.get("Sec-Fetch-Site")):
            self._keep(answer, left)
        return answer

    def places(self) -> Response:
        """Where the offered organisations are, for the browser to find the nearest by itself: nobody tells us where she is."""
        now, fields = self._clock.now(), incoming.query()
        asked = self.asked(fields, now)
        language = incoming.language(shell().pages.catalogue)
        plain, packed = self._places.at(asked.directory, asked.offer, language, now)
        gzipped = takes_gzip(request.headers.get("Accept-Encoding", ""))
        answer = Response(packed if gzipped else plain, content_type="application/json")
        if gzipped:
            answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Vary"] = "Accept-Encoding, Accept-Language, Cookie"
        answer.headers["Cache-Control"] = "private, max-age=300"
        return answer

    def use_remembered_language(self) -> None:
        """Before each request: the language that she chose here."""
        incoming.remember_language(read_cookie(request.headers.get("Cookie"), self._language))

    def _send_off(self, asked: Asked, home: HomeOrganisation | None, now: datetime) -> Response:
        """To where the request wants it. Counted, so that people who are sent in a circle find out."""
        if isinstance(asked.request, DiscoveryRequest):
            url: str | None = answer_url(asked.request, home.entity_id if home is not None else None)
        else:
            role = asked.registry.idp(home.entity_id, now) if home is not None else None
            url = handle_service_url(asked.request, role) if role is not None else None
        if url is None:
            raise Refusal("wayf.unknown_choice", expected="an IdP that takes the original Shibboleth's request")
        answer = Response(b"", 302)
        answer.headers["Location"] = url
        # Where an answer must not be kept, nor seen by who comes next.
        answer.headers["Cache-Control"] = "no-store"
        trips = one_more(self._before(), asked.request.resource.entity_id, now)
        answer.headers.add(
            "Set-Cookie", set_cookie(self._trips, trips.cookie_value(), https=self._https, max_age=WINDOW)
        )
        return answer

    def _languages(self, asked: Asked, text: str, language: str) -> tuple[dict[str, object], ...]:
        """For the choice of a language: none where there is only one."""
        tags = shell().pages.catalogue.languages
        if len(tags) < 2:
            return ()
        kept = {**asked.carried, **({"q": text} if text else {})}
        return tuple(
            {
                "tag": tag,
                "name": own_name(tag),
                "here": tag == language,
                "url": f"{url_for('discovery')}?{urlencode({**kept, incoming.LANGUAGE_PARAMETER: tag})}",
            }
            for tag in tags
        )

    def _remember_language(self, answer: Response, fields: Fields, language: str) -> None:
        if optional(fields, incoming.LANGUAGE_PARAMETER) == language and asked_by_own_page(
            request.headers.get("Sec-Fetch-Site")
        ):
            answer.headers.add(
                "Set-Cookie",
                set_cookie(self._language, language, https=self._https, max_age=self._settings.remember),
            )

    def _remembered(self) -> tuple[str, ...]:
        return from_cookie(read_cookie(request.headers.get("Cookie"), self._memory))

    def _before(self) -> Trips | None:
        return read_trips(read_cookie(request.headers.get("Cookie"), self._trips))

    def _keep(self, answer: Response, remembered: tuple[str, ...]) -> None:
        cookie = (
            set_cookie(self._memory, cookie_value(remembered), https=self._https, max_age=self._settings.remember)
            if remembered
            else clear_cookie(self._memory, https=self._https)
        )
        answer.headers.add("Set-Cookie", cookie)


def add_choosing(app: Flask, choosing: Choosing) -> None:
    """The routes: both forms of request at either address, and what the page's own forms lead to."""
    app.before_request(choosing.use_remembered_language)
    app.add_url_rule(DISCOVERY_PATH, "discovery", choosing.discovery, methods=["GET"])
    app.add_url_rule(SHIBBOLETH_PATH, "wayf", choosing.discovery, methods=["GET"])
    app.add_url_rule("/choose", "choose", choosing.choose, methods=["GET"])
    app.add_url_rule("/forget", "forget", choosing.forget, methods=["GET"])
    app.add_url_rule("/places", "places", choosing.places, methods=["GET"])


def _carried(fields: Fields) -> dict[str, str]:
    return {name: value for name in _CARRIED if (value := optional(fields, name)) is not None}
