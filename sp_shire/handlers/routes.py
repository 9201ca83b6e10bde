"""The form of a handler, and what a form of ours has to show before it is believed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from ostiary.errors import Refusal
from ostiary.web.forms import Fields, FormLimits, parse_form, parse_query
from sp_shire.addresses import Addresses
from sp_shire.messages import Reply, Request
from sp_shire.snapshot import Snapshot

Handler = Callable[[Request, Snapshot, datetime], Reply]
Routes = Mapping[str, Mapping[str, Handler]]
"""Handlers by name (what follows the handler path) and method."""


def soap_only(request: Request) -> None:
    """The body is a SOAP 1.1 message (SAML bindings 3.2). Raises `Refusal` (``sp.soap_content_type``)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "text/xml":
        raise Refusal("sp.soap_content_type", expected="text/xml (SOAP 1.1)", found=media_type[:100] or "none")


# A target of the greatest length, each of whose characters may be escaped.
_OWN_FORM: Final = FormLimits(total=32 * 1024, fields=8)


def own_form(request: Request, addresses: Addresses) -> Fields:
    """The fields of a form of this site. A POST from another site carries no Lax cookie; one that says where it is from is checked, too.

    Raises `Refusal` (``sp.logout_elsewhere``).
    """
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin" or origin not in (None, addresses.origin):
        raise Refusal("sp.logout_elsewhere", expected="a form of this site", found=origin or "another site")
    if not request.body:
        return parse_query(b"")
    return parse_form(request.headers.get("content-type"), request.body, _OWN_FORM)
