"""``session`` and ``metadata``: what the resource tells people about themselves, and everybody about itself."""

from datetime import datetime
from typing import Final

from ostiary.errors import NotAuthenticated
from ostiary.web.forms import optional, parse_query
from sp_shire.handlers.routes import Routes
from sp_shire.messages import Reply, Request
from sp_shire.metadata import signed_metadata
from sp_shire.pages.replies import Replies
from sp_shire.sessions.visits import Visits
from sp_shire.settings import ShireSettings
from sp_shire.snapshot import Snapshot


class Showing:
    """The handlers that change nothing."""

    def __init__(self, settings: ShireSettings, visits: Visits, replies: Replies) -> None:
        self._settings = settings
        self._visits = visits
        self._replies = replies
        self.routes: Final[Routes] = {
            "session": {"GET": self._session},
            "metadata": {"GET": self._metadata},
        }

    def _session(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        session = self._visits.session(request, snapshot, now)
        wants_json = optional(parse_query(request.query), "format") == "json"
        if wants_json or "text/html" not in request.headers.get("accept", ""):
            if session is None and (visitor := self._visits.by_certificate(request, snapshot, now)) is not None:
                return self._replies.certificate_json(visitor)
            return self._replies.session_json(session)
        if session is None:
            raise NotAuthenticated("sp.login_needed", expected="a session", found="none")
        return self._replies.session_page(request, session, snapshot.registry, now)

    def _metadata(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        document = signed_metadata(self._settings.published_as, snapshot.keys, now)
        return Reply(
            200, (("Content-Type", "application/samlmetadata+xml"), ("X-Content-Type-Options", "nosniff")), document
        )
