"""What may stand between a request and its answer: logging in, a second factor, terms of use, consent. Decides nothing itself."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from flask import Response

from idp.login.contexts import Achieved
from idp.sessions.session import SsoSession
from idp.sign_on.requests import WaitingRequest
from ostiary.federation.model import Entity
from ostiary.ports import Release, ReleaseRequest


class Visit(NamedTuple):
    """One sign-on under way in one browser.

    ``ticket`` is None while nothing has stood in its way; ``sp`` None for a login to a page of this service itself; ``session`` that of
    the browser, None before she logged in. ``release()`` is what the Attribute Authority lets go to the SP about her, asked for once;
    it raises `Unavailable`, and needs a session. ``request`` is the question to which that is the answer. ``context``: the authentication
    context by which the session answers the request, None when it can't.
    """

    ticket: str | None
    asked: WaitingRequest
    sp: Entity | None
    session: SsoSession | None
    now: datetime
    release: Callable[[], Release]
    request: ReleaseRequest | None = None
    context: Achieved | None = None


class Step(Protocol):
    """Something that may have to come before the answer. Its own pages bring the ticket, and end in `SignOn.onward`."""

    def is_due(self, visit: Visit) -> bool:
        """Whether the answer has to wait for it. A passive request is refused then. Raises `Unavailable`."""
        ...

    def show(self, visit: Visit) -> Response:
        """The page, or the redirect to it; ``visit.ticket`` is there. Or the refusal in a Response (`SignOn.refuse`)."""
        ...
