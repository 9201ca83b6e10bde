"""The form of a handler, what a form of ours has to show before it is believed, and what all messages over SOAP have in common."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from ostiary.errors import Refusal
from ostiary.saml.bindings import decode_soap
from ostiary.saml.xml import Element
from ostiary.web.forms import Fields, FormLimits, parse_form, parse_query
from sp_shire.addresses import Addresses
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.snapshot import Snapshot

Handler = Callable[[Request, Snapshot, datetime], Reply]
Routes = Mapping[str, Mapping[str, Handler]]
"""Handlers by name (what follows the handler path) and method."""


# A target of the greatest length, each of whose characters may be escaped.
_OWN_FORM: Final = FormLimits(total=32 * 1024, fields=8)


def own_form(request: Request, addresses: Addresses) -> Fields:
    """The fields of a form of this site. A POST from another site carries no Lax cookie; one that says where it is from is checked, too.

    Raises `Refusal` (``sp.form_elsewhere``).
    """
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin" or origin not in (None, addresses.origin):
        raise Refusal("sp.form_elsewhere", expected="a form of this site", found=origin or "another site")
    if not request.body:
        return parse_query(b"")
    return parse_form(request.headers.get("content-type"), request.body, _OWN_FORM)


def over_soap(replies: Replies, answer: Callable[[Element, Snapshot, datetime], bytes]) -> Handler:
    """A handler of SOAP 1.1 messages (SAML bindings 3.2): ``answer`` gets the message out of its envelope and gives the envelope of the
    answer. What is no envelope is answered by a Fault; what is not even sent as one raises `Refusal` (``sp.soap_content_type``)."""

    def handler(request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        if request.media_type != "text/xml":
            found = request.media_type[:100] or "none"
            raise Refusal("sp.soap_content_type", expected="text/xml (SOAP 1.1)", found=found)
        try:
            message = decode_soap(request.body)
        except Refusal as problem:
            return replies.soap_fault(request, problem)
        return replies.soap(answer(message, snapshot, now))

    return handler
