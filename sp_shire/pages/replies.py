"""All that the resource side itself answers: pages, redirects, data. One name for each reply; the modules beside make them."""

from typing import Final

from ostiary.web.log import Log
from ostiary.web.pages import Pages
from sp_shire.pages.denied import Denied, expected_in_words
from sp_shire.pages.errors import Errors
from sp_shire.pages.expiring import ExpiringPages
from sp_shire.pages.incomplete import Incomplete
from sp_shire.pages.logging_out import LoggingOut
from sp_shire.pages.page import Page
from sp_shire.pages.session_page import SessionPage
from sp_shire.pages.signing_in import SigningInPages
from sp_shire.pages.status_page import StatusReply
from sp_shire.settings import ShireSettings

__all__ = ["Replies", "expected_in_words"]


class Replies:
    """Makes the replies of one resource."""

    def __init__(self, settings: ShireSettings, pages: Pages, log: Log) -> None:
        page = Page(settings, pages, log)
        self.catalogue: Final = pages.catalogue
        self.data: Final = page.json
        self.redirect: Final = page.redirect
        self.text: Final = page.text
        self.asset: Final = page.asset
        errors = Errors(page)
        self.refused: Final = errors.refused
        self.crashed: Final = errors.crashed
        self.soap: Final = errors.soap
        self.soap_fault: Final = errors.soap_fault
        self.denied: Final = Denied(page).denied
        self.incomplete: Final = Incomplete(page).incomplete
        session = SessionPage(page)
        self.session_json: Final = session.session_json
        self.certificate_json: Final = session.certificate_json
        self.session_page: Final = session.session_page
        ends = ExpiringPages(page)
        self.session_expiring: Final = ends.expiring
        self.session_ended: Final = ends.ended
        self.status_page: Final = StatusReply(page).status_page
        self.language: Final = page.language
        signing_in = SigningInPages(page)
        self.discover: Final = signing_in.discover
        self.suggestions: Final = signing_in.suggestions
        self.form_waits: Final = signing_in.form_waits
        self.form_gone: Final = signing_in.form_gone
        self.form_lost: Final = signing_in.form_lost
        self.answered_before: Final = signing_in.answered_before
        logging_out = LoggingOut(page)
        self.ask_logout: Final = logging_out.ask_logout
        self.signed_out: Final = logging_out.signed_out
        self.departure: Final = logging_out.departure
