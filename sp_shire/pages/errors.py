"""What was refused or went wrong, as page, JSON or SOAP Fault, each with a reference number under which the log has the details."""

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from ostiary.errors import OstiaryError, Refusal, TooMany
from ostiary.saml.bindings import soap_fault
from ostiary.web.headers import Headers
from ostiary.web.log import reference
from sp_shire.login.targets import Targets
from sp_shire.messages import Reply, Request
from sp_shire.pages.page import Page, facts_of, prefers_json


class Errors:
    """Replies to what can't be done."""

    def __init__(self, page: Page) -> None:
        self._page: Final = page
        self._log: Final = page.log
        self._targets: Final = Targets(page.addresses)

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
            **facts_of(request),
        )
        return self._error(request, error, number, now)

    def crashed(self, request: Request, error: Exception, now: datetime) -> Reply:
        """A defect: the traceback goes to the log, the person gets a reference number."""
        number = reference()
        self._log.error("crashed", reference=number, status=500, exc_info=error, **facts_of(request))
        return self._error(request, OstiaryError("internal"), number, now)

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
        facts = {"expected": problem.expected, "found": problem.found, **facts_of(request)}
        self._log.info("soap_fault", reference=number, code=problem.code, **facts)
        return self.soap(soap_fault(problem, number), 500)

    def _error(self, request: Request, error: OstiaryError, number: str, now: datetime) -> Reply:
        # A plain 500 shows nothing of its own: paths and settings are for the log.
        shown = OstiaryError("internal") if error.status == 500 else error
        message, remedy = self._page.error_texts(request, shown)
        wait = str(error.retry_after) if isinstance(error, TooMany) else error.params.get("retry_after")
        more: Headers = [("Retry-After", wait)] if wait is not None else []
        login = self._page.addresses.handler("login")
        if prefers_json(request) or (error.code == "certificates.none_shown"):
            content = {"code": shown.code, "message": message, "remedy": remedy, "reference": number}
            if error.code == "sp.login_needed":
                content["login"] = login
            return self._page.json({"error": content}, error.status, more)
        way_on_url, way_on = login, "sp.start_again"
        if "target" in error.params:
            way_on_url = f"{login}?{urlencode({'target': error.params['target']})}"
        if error.code == "http.host":
            way_on_url, way_on = self._page.home_url, "sp.right_address"
        if error.code.startswith("proxy."):
            # She is signed in, if she has to be: what failed comes after that.
            repeats = request.method in ("GET", "HEAD")
            way_on_url = self._page_at_hand(request) if repeats else self._page.home_url
            way_on = "sp.once_more" if repeats else "sp.to_service"
        return self._page.show(
            request,
            error.status,
            "error.html",
            more=more,
            message=message,
            remedy=remedy,
            reference=number,
            at=now,
            way_on_url=way_on_url,
            way_on=self._page.text(request, way_on, service=self._page.settings.display.name),
        )

    def _page_at_hand(self, request: Request) -> str:
        try:
            target = self._targets.back_to(request.path, request.query)
        except Refusal:
            return self._page.home_url
        return self._page.addresses.origin + target
