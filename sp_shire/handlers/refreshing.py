"""``refresh``: the person has her attributes asked for anew, because something about her has changed at home."""

from datetime import datetime
from typing import Final

from ostiary.web.log import Log
from sp_shire.addresses import Addresses
from sp_shire.handlers.routes import Routes, own_form
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.sessions.visits import Visits
from sp_shire.snapshot import Snapshot


class Refreshing:
    """The handler. How often an authority is really asked, the keeper of sessions bounds."""

    def __init__(self, addresses: Addresses, visits: Visits, replies: Replies, log: Log) -> None:
        self._addresses = addresses
        self._visits = visits
        self._replies = replies
        self._log = log
        self.routes: Final[Routes] = {"refresh": {"POST": self._refresh}}

    def _refresh(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        own_form(request, self._addresses)
        visitor = self._visits.renew(request, snapshot, now)
        if visitor is not None and visitor.session is not None:
            self._log.info("attributes_asked_for_by_person", idp=visitor.session.login.issuer)
        return self._replies.redirect(self._addresses.handler("session"), status=303)
