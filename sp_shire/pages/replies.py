"""The pages that the resource side itself shows, and their headers. Decides nothing."""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ostiary.attributes import texts_of
from ostiary.errors import OstiaryError, TooMany
from ostiary.federation.registry import Registry
from ostiary.policy.access import Check, Decision
from ostiary.saml.bindings import soap_fault
from ostiary.web.assets import STATIC, load_asset
from ostiary.web.headers import Headers, asset_headers, auto_post_headers, page_headers
from ostiary.web.log import Log, reference
from ostiary.web.pages import Pages
from sp_shire.addresses import Addresses
from sp_shire.logout.flow import Departure
from sp_shire.messages import Reply, Request
from sp_shire.sessions.records import Session
from sp_shire.settings import ShireSettings

_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"


class Replies:
    """Makes the replies of one resource."""

    def __init__(self, settings: ShireSettings, pages: Pages, log: Log) -> None:
        self._settings = settings
        self._pages = pages
        self._log = log
        self._addresses = Addresses(settings)
        self._https = self._addresses.https
        self._stylesheet = load_asset(STATIC / "style.css")

    def redirect(self, location: str, cookies: tuple[str, ...] = (), *, status: int = 302) -> Reply:
        """To another page; never stored."""
        headers = (("Location", location), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))
        return Reply(status, (*headers, *(("Set-Cookie", cookie) for cookie in cookies)))

    def asset(self, name: str) -> Reply | None:
        """The style sheet, under the name that carries its fingerprint."""
        if name != self._stylesheet.file_name:
            return None
        headers = asset_headers(https=self._https, fingerprint=self._stylesheet.fingerprint, forever=True)
        return Reply(200, (("Content-Type", self._stylesheet.media_type), *headers), self._stylesheet.content)

    def refused(self, request: Request, error: OstiaryError, now: datetime) -> Reply:
        """An error page with a reference number; what was expected and found goes to the log under that number."""
        number = reference()
        record = self._log.error if error.status >= 500 else self._log.info
        record(
            "refused",
            reference=number,
            status=error.status,
            code=error.code,
            expected=error.expected,
            found=error.found,
            params=dict(error.params),
            **_facts(request),
        )
        return self._error(request, error, number, now)

    def crashed(self, request: Request, error: Exception, now: datetime) -> Reply:
        """A defect: the traceback goes to the log, the person gets a reference number."""
        number = reference()
        self._log.error("crashed", reference=number, status=500, exc_info=error, **_facts(request))
        return self._error(request, OstiaryError("internal"), number, now)

    def denied(
        self,
        request: Request,
        session: Session,
        decision: Decision,
        registry: Registry,
        target: str,
        now: datetime,
    ) -> Reply:
        """Logged in, and not allowed: which rule, what it asks for, what we know, whom to ask. ``target`` is the page at hand, for another
        account."""
        number = reference()
        reason = decision.reasons[0]
        self._log.info(
            "denied",
            reference=number,
            status=403,
            rule=reason.rule,
            reason=reason.code,
            missing=[
                f"{'not ' if check.negated else ''}{check.kind} {check.name} {check.expected}".strip()
                for check in reason.checks
                if not check.met
            ],
            idp=session.login.issuer,
            **_facts(request),
        )
        if _prefers_json(request):
            why = f"sp.denied_because.{reason.code.removeprefix('access.')}"
            message = reason.because or self._pages.catalogue.text(self._language(request), why)
            return self._json(
                {"error": {"code": "sp.denied", "message": message, "rule": reason.rule, "reference": number}}, 403
            )
        return self._page(
            request,
            403,
            "sp_denied.html",
            leads_away=True,
            switch=self._addresses.handler("switch"),
            target=target,
            because=reason.because,
            reason=reason.code.removeprefix("access."),
            rule=reason.rule,
            one_is_enough=reason.one_is_enough and len(reason.checks) > 1,
            checks=[self._needed(check, session) for check in reason.checks],
            missing=sorted({check.kind for check in reason.checks if not check.met and not check.negated}),
            entity_id=self._settings.entity_id,
            page=request.path[:200],
            reference=number,
            at=now,
            **self._about(session, registry, now),
        )

    def _needed(self, check: Check, session: Session) -> dict[str, object]:
        """One thing that the rule asks for, and what was said about it."""
        told = "values" if check.found else "nothing"
        if told == "values" and not self._settings.show_attribute_values:
            told = "count"
        if told == "nothing" and any(name == check.name for name, _, _ in session.knowledge.withheld):
            told = "not_believed"
        return {
            "kind": check.kind,
            "name": check.name,
            "expected": expected_in_words(check.expected),
            "found": check.found if told == "values" else (),
            "count": len(check.found),
            "told": told,
            "met": check.met,
            "negated": check.negated,
        }

    def session_json(self, session: Session | None) -> Reply:
        """The session as JSON; 401 when there is none. Values are shown where the settings allow it, else how many there are."""
        if session is None:
            return self._json({"authenticated": False}, 401)
        known = session.knowledge
        shown: Mapping[str, object] = {
            name: list(texts) if self._settings.show_attribute_values else len(texts)
            for name, texts in _by_name(session)
        }
        content = {
            "authenticated": True,
            "idp": session.login.issuer,
            "authenticated_at": session.login.authenticated_at.isoformat(),
            "authn_context": session.login.authn_context,
            "started": session.started.isoformat(),
            "ends": session.ends.isoformat(),
            "attributes": shown,
            "attributes_from": "query" if known.queried else "response",
            "attributes_at": known.at.isoformat(),
            "not_accepted": sorted({f"{name}: {reason}" for name, _, reason in known.withheld}),
        }
        return self._json(content, 200)

    def session_page(self, request: Request, session: Session, registry: Registry, now: datetime) -> Reply:
        """The same for people."""
        return self._page(request, 200, "sp_session.html", session=session, **self._about(session, registry, now))

    def ask_logout(self, request: Request, home: str | None, *, everywhere: bool) -> Reply:
        """The page with the buttons. ``home``: where the person logged in, None when nobody is; ``everywhere`` whether her home
        organisation can be asked to end all sessions."""
        action = self._addresses.handler("logout")
        return self._page(
            request, 200, "sp_logout.html", leads_away=True, logout=action, home=home, everywhere=everywhere
        )

    def signed_out(self, request: Request, outcome: str, home: str | None, cookies: tuple[str, ...] = ()) -> Reply:
        """After the session here has ended. ``outcome``: ``here``, ``by_home``, or what ``home`` said of all others (`Outcome`)."""
        language = self._language(request)
        text = self._pages.catalogue.text
        reply = self._page(
            request,
            200,
            "notice.html",
            title=text(language, "sp.signed_out_everywhere" if outcome == "everywhere" else "sp.signed_out"),
            kind="good" if outcome in ("here", "by_home", "everywhere") else "warning",
            message=text(language, f"sp.signed_out_lead.{outcome}", home=home or ""),
            detail=text(language, f"sp.signed_out_detail.{outcome}", home=home or ""),
            way_on_url=self._settings.public_url + self._settings.protected[0],
            way_on=text(language, "sp.back"),
        )
        return Reply(reply.status, (*reply.headers, *(("Set-Cookie", cookie) for cookie in cookies)), reply.body)

    def departure(self, request: Request, way: Departure, destination: str, cookies: tuple[str, ...] = ()) -> Reply:
        """Off to another site with a message, by redirect or by a form that submits itself; ``destination`` is its name."""
        if not way.fields:
            return self.redirect(way.url, cookies, status=303)
        nonce = secrets.token_urlsafe(18)
        values = {"action": way.url, "fields": way.fields, "destination": destination}
        html = self._html(request, "auto_post.html", nonce, values)
        headers = [("Content-Type", _HTML), *auto_post_headers(nonce, https=self._https)]
        return Reply(200, (*headers, *(("Set-Cookie", cookie) for cookie in cookies)), html)

    def soap(self, envelope: bytes, status: int = 200) -> Reply:
        """A SOAP 1.1 envelope (SAML bindings 3.2.3.2: nothing on the way may keep it)."""
        headers = (
            ("Content-Type", "text/xml; charset=utf-8"),
            ("Cache-Control", "no-cache, no-store, must-revalidate, private"),
            ("Pragma", "no-cache"),
            ("X-Content-Type-Options", "nosniff"),
        )
        return Reply(status, headers, envelope)

    def soap_fault(self, request: Request, problem: OstiaryError) -> Reply:
        """A SOAP Fault for an envelope that can't be read (DESIGN.md rule 8)."""
        number = reference()
        facts = {"expected": problem.expected, "found": problem.found, **_facts(request)}
        self._log.info("soap_fault", reference=number, code=problem.code, **facts)
        return self.soap(soap_fault(problem, number), 500)

    def _about(self, session: Session, registry: Registry, now: datetime) -> dict[str, Any]:
        """Who she is here, what is known, and whom to ask."""
        home = registry.get(session.login.issuer, now)
        values = self._settings.show_attribute_values
        contacts = [email for contact in home.contacts for email in contact.emails] if home is not None else []
        return {
            "home": home.name() if home is not None else session.login.issuer,
            "home_id": session.login.issuer,
            "home_contact": contacts[0] if contacts else "",
            "support": self._settings.display.support_email,
            "known": [
                {"name": name, "values": texts if values else (), "count": len(texts)}
                for name, texts in _by_name(session)
            ],
            "withheld": sorted({(name, reason) for name, _, reason in session.knowledge.withheld}),
            "wide": True,
            "logout": self._addresses.handler("logout"),
        }

    def _error(self, request: Request, error: OstiaryError, number: str, now: datetime) -> Reply:
        # A plain 500 shows nothing of its own: paths and settings are for the log.
        shown = OstiaryError("internal") if error.status == 500 else error
        language = self._language(request)
        message, remedy = self._pages.catalogue.error(language, shown)
        more: Headers = [("Retry-After", str(error.retry_after))] if isinstance(error, TooMany) else []
        if _prefers_json(request):
            content = {"code": shown.code, "message": message, "remedy": remedy, "reference": number}
            if error.code == "sp.login_needed":
                content["login"] = self._addresses.handler("login")
            return self._json({"error": content}, error.status, more)
        way_on_url, way_on = self._addresses.handler("login"), "sp.start_again"
        if error.code == "http.host":
            way_on_url, way_on = self._settings.public_url + self._settings.protected[0], "sp.right_address"
        reply = self._page(
            request,
            error.status,
            "error.html",
            message=message,
            remedy=remedy,
            reference=number,
            at=now,
            way_on_url=way_on_url,
            way_on=self._pages.catalogue.text(language, way_on),
        )
        return Reply(reply.status, (*reply.headers, *more), reply.body)

    def _page(
        self, request: Request, status: int, template: str, *, leads_away: bool = False, **values: object
    ) -> Reply:
        """``leads_away``: the answer to one of its forms may redirect to another site."""
        html = self._html(request, template, secrets.token_urlsafe(16), values)
        headers = page_headers(https=self._https, form_action=not leads_away)
        return Reply(status, (("Content-Type", _HTML), *headers), html)

    def _html(self, request: Request, template: str, nonce: str, values: Mapping[str, object]) -> bytes:
        html = self._pages.render(
            template,
            self._language(request),
            nonce=nonce,
            # A path, so that a page under a wrong host name has its style, too.
            stylesheet=self._addresses.handler_prefix + self._stylesheet.file_name,
            service_name=self._settings.display.name,
            home_url=self._settings.public_url + self._settings.protected[0],
            **values,
        )
        return html.encode()

    def _json(self, content: object, status: int, more: Headers | None = None) -> Reply:
        headers = [
            ("Content-Type", _JSON),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *(more or []),
        ]
        return Reply(status, tuple(headers), json.dumps(content, ensure_ascii=False, indent=2).encode())

    def _language(self, request: Request) -> str:
        return self._pages.catalogue.choose(accept=request.headers.get("accept-language"))


def _by_name(session: Session) -> list[tuple[str, tuple[str, ...]]]:
    attributes = session.knowledge.attributes
    return [(name, texts_of(attributes, name)) for name in dict.fromkeys(attribute.name for attribute in attributes)]


def expected_in_words(expected: str) -> str:
    """What an access rule wants of an attribute, without the policy language's own word for a plain comparison."""
    plain = expected.removeprefix("value: ").removeprefix("left: ")
    # A pattern may hold the bar itself.
    return plain if "pattern: " in plain else plain.replace(" | ", " or ")


def _prefers_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return _JSON in accepted and "text/html" not in accepted


def _facts(request: Request) -> dict[str, object]:
    return {"method": request.method[:20], "path": request.path[:500], "client": request.remote}
