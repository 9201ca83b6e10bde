"""``session`` and ``metadata``: what the resource tells people about themselves, and everybody about itself."""

from datetime import datetime, timedelta
from typing import Final

from ostiary.errors import NotAuthenticated
from ostiary.federation.publish import signed_entity
from ostiary.web.forms import optional, parse_query
from sp_shire.handlers.routes import Routes
from sp_shire.messages import Reply, Request
from sp_shire.metadata import sp_entity
from sp_shire.pages.replies import Replies
from sp_shire.sessions.visits import Visits
from sp_shire.settings import ShireSettings
from sp_shire.snapshot import Snapshot

METADATA_LIFETIME: Final = timedelta(days=7)


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
            return self._replies.session_json(session)
        if session is None:
            raise NotAuthenticated("sp.login_needed", expected="a session", found="none")
        return self._replies.session_page(request, session, snapshot.registry, now)

    def _metadata(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        entity = sp_entity(self._settings, snapshot.keys)
        document = signed_entity(entity, snapshot.keys.signer, valid_until=now + METADATA_LIFETIME)
        return Reply(
            200, (("Content-Type", "application/samlmetadata+xml"), ("X-Content-Type-Options", "nosniff")), document
        )
