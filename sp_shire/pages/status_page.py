"""How the resource is, for its operators, as a page."""

from typing import Final

from sp_shire.messages import Reply, Request
from sp_shire.pages.page import Page


class StatusReply:
    """The reply with the status."""

    def __init__(self, page: Page) -> None:
        self._page: Final = page

    def status_page(self, request: Request, found: object, status: int) -> Reply:
        """``found``: a `sp_shire.handlers.status.ResourceStatus`."""
        return self._page.show(request, status, "sp_status.html", found=found, wide=True)
