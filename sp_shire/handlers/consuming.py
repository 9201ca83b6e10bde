"""``acs``, ``acs/artifact``, ``acs/paos`` and ``finish``: the addresses to which answers of home organisations come."""

from datetime import datetime
from typing import Final

from ostiary.saml.ecp import PAOS_TYPE
from ostiary.web.forms import one, optional, parse_form, parse_query
from ostiary.web.log import Log
from sp_shire.addresses import Addresses
from sp_shire.handlers.routes import Handler, Routes
from sp_shire.handlers.signing_in import SigningIn
from sp_shire.login.answers import FORM, Answers, posted_response
from sp_shire.login.finishing import AnsweredBefore, Finishing, Unanswered
from sp_shire.login.paos import Programs
from sp_shire.login.resolving import ArtifactResolver
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.sessions.records import Login
from sp_shire.sessions.visits import Visits
from sp_shire.settings import ShireSettings
from sp_shire.snapshot import Snapshot

# SAML bindings 3.3.5.2: nothing on the way may keep what is said to a program.
_UNCACHED: Final = (("Cache-Control", "no-cache, no-store, must-revalidate, private"), ("Pragma", "no-cache"))
# As sent by a browser; an artifact has 60 characters.
_MAXIMUM_ARTIFACT: Final = 100
_MAXIMUM_RELAY_STATE: Final = 1024


class Consuming:
    """The assertion consumers of one resource, and the step after them in which the browser shows its cookie."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        answers: Answers,
        finishing: Finishing,
        signing_in: SigningIn,
        resolver: ArtifactResolver,
        programs: Programs,
        visits: Visits,
        replies: Replies,
        log: Log,
    ) -> None:
        self._addresses = addresses
        self._answers = answers
        self._finishing = finishing
        self._signing_in = signing_in
        self._resolver = resolver
        self._programs = programs
        self._visits = visits
        self._replies = replies
        self._log = log
        routes: dict[str, dict[str, Handler]] = {"finish": {"GET": self._finish}}
        if "post" in settings.answers_by:
            routes["acs"] = {"POST": self._posted}
        if "artifact" in settings.answers_by:
            routes["acs/artifact"] = {"GET": self._by_artifact, "POST": self._by_artifact}
        if "paos" in settings.answers_by:
            routes["acs/paos"] = {"POST": self._by_program}
        self.routes: Final[Routes] = routes

    def is_program(self, request: Request) -> bool:
        """Whether who asks for this page is a program that can take a request to its home organisation itself."""
        return self._programs.speaks(request)

    def ask_program(self, request: Request, target: str, snapshot: Snapshot, now: datetime) -> Reply:
        """The answer to a program without a session that wants ``target``: an AuthnRequest for it to take home."""
        envelope = self._programs.ask(request, target, snapshot.registry, snapshot.keys, now)
        headers = (("Content-Type", PAOS_TYPE), ("X-Content-Type-Options", "nosniff"), *_UNCACHED)
        return Reply(200, headers, envelope)

    def _posted(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        held = self._answers.hold(posted_response(request), snapshot.registry, snapshot.keys, now)
        return self._replies.redirect(*held, status=303)

    def _by_artifact(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """HTTP-Artifact, in the query or in a form (SAML bindings 3.6.3, 3.6.4)."""
        by_form = request.method == "POST"
        fields = (
            parse_form(request.headers.get("content-type"), request.body, FORM)
            if by_form
            else parse_query(request.query)
        )
        artifact = one(fields, "SAMLart", max_length=_MAXIMUM_ARTIFACT)
        optional(fields, "RelayState", max_length=_MAXIMUM_RELAY_STATE)
        received = self._resolver.fetch(artifact, snapshot.registry, snapshot.keys, now)
        held = self._answers.hold(received, snapshot.registry, snapshot.keys, now)
        return self._replies.redirect(*held, status=303)

    def _by_program(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        """A program brings its answer and gets its session at once: there is no other step in which it could show who it is."""
        login, target = self._programs.answer(request, snapshot.registry, snapshot.keys, now)
        return self._opened(request, login, target, self._addresses.origin + target, snapshot, now)

    def _finish(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        done = self._finishing.finish(request, now)
        if isinstance(done, Unanswered):
            return self._signing_in.unanswered(request, done, snapshot, now)
        if isinstance(done, AnsweredBefore):
            return self._signing_in.answered_before(request, done, snapshot, now)
        url, cookies = self._signing_in.after(done.intent, now)
        return self._opened(request, done.login, done.intent.target, url, snapshot, now, cookies)

    def _opened(
        self,
        request: Request,
        login: Login,
        target: str,
        url: str,
        snapshot: Snapshot,
        now: datetime,
        cookies: tuple[str, ...] = (),
    ) -> Reply:
        """The session begins; the browser goes to ``url``."""
        cookie, session = self._visits.begin(request, login, target, snapshot, now)
        self._log.info(
            "session_started",
            idp=login.issuer,
            attributes=[attribute.name for attribute in session.knowledge.attributes],
            withheld=[f"{name}: {reason}" for name, _, reason in session.knowledge.withheld],
            asked_for=session.knowledge.queried,
        )
        return self._replies.redirect(url, (cookie, *cookies), status=303)
