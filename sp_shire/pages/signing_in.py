"""The pages around a login: where are you from, a form that waits or was lost, an answer that came twice. Decides nothing."""

from functools import partial
from typing import Final

from ostiary.federation.directory import Found, HomeOrganisation
from ostiary.web import suggestions
from sp_shire.login.kept_forms import KeptForm
from sp_shire.messages import Reply, Request
from sp_shire.pages.page import Page


class SigningInPages:
    """Replies before and after a login."""

    def __init__(self, page: Page) -> None:
        self._page: Final = page

    def discover(
        self,
        request: Request,
        login: str,
        searched: str,
        found: Found,
        remembered: tuple[HomeOrganisation, ...],
        language: str,
        *,
        editing: bool,
        elsewhere: str,
    ) -> Reply:
        """The page on which a person chooses her home organisation, for the login of this number. ``editing``: she changes what is
        remembered; ``elsewhere``: another way in that the resource names, may be empty."""
        addresses, display = self._page.addresses, self._page.settings.display
        return self._page.show(
            request,
            200,
            "discovery.html",
            leads_away=True,
            own_scripts=True,
            asking=display.name,
            carried={"login": login},
            field="entityID",
            q=searched,
            found=found,
            remembered=remembered,
            editing=editing,
            language=language,
            languages=(),
            came_back=False,
            guests=(),
            help={
                "resource": display.support_email,
                "resource_page": display.information_url or "",
                "elsewhere": elsewhere,
                "federation_mail": "",
                "federation_page": "",
            },
            logo=None,
            places_url="",
            search_url=addresses.handler("discover"),
            suggest_url=addresses.handler("suggest"),
            choose_url=addresses.handler("discovered"),
            forget_url=addresses.handler("forget"),
            discovery_style=self._page.discovery_style,
            scripts=(self._page.script,),
        )

    def suggestions(self, request: Request, typed: str, found: Found, language: str) -> Reply:
        """What that page shows while she types."""
        content = suggestions.suggestions(found, typed, language, partial(self._page.text, request))
        headers = (
            ("Content-Type", suggestions.MEDIA_TYPE),
            ("Cache-Control", suggestions.CACHE_CONTROL),
            ("Vary", suggestions.VARY),
            ("X-Content-Type-Options", "nosniff"),
        )
        return Reply(200, headers, content)

    def form_waits(self, request: Request, form: KeptForm) -> Reply:
        """The form that was kept through the login, with a button that sends it."""
        return self._page.show(
            request,
            200,
            "sp_form.html",
            leads_away=True,
            action=self._page.addresses.origin + form.target,
            path=form.target.partition("?")[0],
            fields=form.fields,
            multipart=form.multipart,
        )

    def form_gone(self, request: Request) -> Reply:
        """There is no such form, or it was shown already."""
        text = self._page.text
        return self._page.show(
            request,
            404,
            "notice.html",
            title=text(request, "sp.login.form_gone"),
            kind="warning",
            message=text(request, "sp.login.form_gone_lead"),
            detail=text(request, "sp.login.form_gone_detail"),
            way_on_url=self._page.home_url,
            way_on=text(request, "sp.to_service", service=self._page.settings.display.name),
        )

    def form_lost(self, request: Request, login: str) -> Reply:
        """A form was sent without a session, and can't be kept. ``login``: where she signs in without leaving it."""
        return self._page.show(request, 401, "sp_form_lost.html", login=login)

    def answered_before(self, request: Request, target: str) -> Reply:
        """The answer of a home organisation was used already, and the session that it led to is over. ``target`` is a URL of ours."""
        text = self._page.text
        return self._page.show(
            request,
            200,
            "notice.html",
            title=text(request, "sp.login.before"),
            kind="info",
            message=text(request, "sp.login.before_lead"),
            detail=text(request, "sp.login.before_detail"),
            way_on_url=target,
            way_on=text(request, "sp.login.before_way_on"),
        )
