"""``widget.js``, ``widget`` and ``choose``: choosing a home organisation on a page of the application itself.

Everything comes from this site, so that no browser has to keep anything for a third one.
"""

import json
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import urlencode

from ostiary.federation.directory import HomeOrganisation
from ostiary.web.assets import STATIC, load_asset
from ostiary.web.forms import one, optional, parse_query
from ostiary.web.suggestions import CACHE_CONTROL, MEDIA_TYPE, VARY, suggestion_parts
from sp_shire.addresses import Addresses
from sp_shire.handlers.discovering import MAXIMUM_SEARCH, Discovering
from sp_shire.handlers.routes import Routes
from sp_shire.login.targets import Targets
from sp_shire.login.wishes import MAXIMUM_ENTITY_ID
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.settings import ShireSettings
from sp_shire.snapshot import Snapshot

_MAXIMUM_AGE: Final = 3_600
# What the script writes around the organisations.
_TEXTS: Final = {
    "title": "discovery.widget.title",
    "label": "discovery.search.label",
    "hint": "discovery.search.hint",
    "remember": "discovery.remember.label",
    "other": "discovery.somewhere_else",
}


class Widget:
    """The element ``<ostiary-login>`` of one resource; only where people choose among several organisations."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        targets: Targets,
        discovering: Discovering,
        replies: Replies,
    ) -> None:
        self._addresses = addresses
        self._targets = targets
        self._discovering = discovering
        self._replies = replies
        self._script = load_asset(STATIC / "widget.js")
        self.routes: Final[Routes] = (
            {}
            if settings.identity_provider is not None
            else {"widget.js": {"GET": self._element}, "widget": {"GET": self._shown}, "choose": {"GET": self._choose}}
        )

    def _element(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """The script. Pages name it without its fingerprint, so it is asked for again now and then."""
        tag = f'"{self._script.fingerprint}"'
        headers = (
            ("Content-Type", self._script.media_type),
            ("ETag", tag),
            ("Cache-Control", f"public, max-age={_MAXIMUM_AGE}"),
            ("X-Content-Type-Options", "nosniff"),
        )
        return (
            Reply(304, headers)
            if tag in request.headers.get("if-none-match", "")
            else Reply(200, headers, self._script.content)
        )

    def _shown(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """What the element shows while she types: texts, whom she chose before, whom she may mean. For pages of this site alone: a browser
        gives it to no other."""
        text = optional(parse_query(request.query), "q", max_length=MAXIMUM_SEARCH) or ""
        language, words = self._replies.language(request), partial(self._replies.text, request)
        found = self._discovering.suggested(request, text, snapshot, now)
        content = {
            **suggestion_parts(found, text, language, words),
            "before": [_row(home, language, words) for home in self._discovering.remembered(request, snapshot, now)],
            "texts": {name: words(key) for name, key in _TEXTS.items()},
        }
        headers = (
            ("Content-Type", MEDIA_TYPE),
            ("Cache-Control", CACHE_CONTROL),
            ("Vary", VARY),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        )
        return Reply(200, headers, json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())

    def _choose(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """Remembers the choice where she wants that, and begins the login there."""
        fields = parse_query(request.query)
        login = {
            "target": self._targets.of(request),
            "entityID": one(fields, "entityID", max_length=MAXIMUM_ENTITY_ID),
        }
        cookies = self._discovering.choice_cookie(request)
        return self._replies.redirect(f"{self._addresses.handler('login')}?{urlencode(login)}", cookies, status=303)


def _row(home: HomeOrganisation, language: str, words: "partial[str]") -> list[str]:
    name = home.name(language)
    return [home.entity_id, name, home.domain, words("discovery.continue_with", name=name)]
