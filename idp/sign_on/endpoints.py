"""Where requests for a sign-on come in, one route for each binding. Who may ask for what is decided in `requests`.

An AuthnRequest that another site posts is verified and put under a ticket; cookies are read only after the redirect that follows, which
is a same-site GET.
"""

from datetime import datetime
from functools import partial
from typing import Final

from flask import Flask, Response

from idp.settings import POST_PATH, REDIRECT_PATH, SIMPLE_SIGN_PATH, UNSOLICITED_PATH
from idp.sign_on.requests import AcceptedRequest, accept_request, obstacle, start_at_home, waiting
from idp.sign_on.sign_on import SignOn, see_other
from ostiary.errors import Refusal, WrongMethod
from ostiary.saml.bindings import (
    MAXIMUM_RELAY_STATE,
    ReceivedMessage,
    decode_post,
    decode_redirect,
    decode_simple_sign,
)
from ostiary.web import incoming
from ostiary.web.at_hand import current_request
from ostiary.web.csrf import cross_site
from ostiary.web.forms import Fields, one, optional
from ostiary.web.service import go_straight

MAXIMUM_MESSAGE: Final = 400_000
MAXIMUM_ENTITY_ID: Final = 1_024
MAXIMUM_URL: Final = 2_048


def add_sso(app: Flask, sign_on: SignOn) -> None:
    """The routes: one for each binding, the one that a posted request goes on to, and the start at home."""
    add = app.add_url_rule
    add(REDIRECT_PATH, "sso_redirect", partial(_redirect, sign_on), methods=["GET"])
    # The request of every sign-on.
    go_straight(app, "sso_redirect")
    add(POST_PATH, "sso_post", cross_site(partial(_post, sign_on)), methods=["POST"])
    add(SIMPLE_SIGN_PATH, "sso_simple_sign", cross_site(partial(_simple_sign, sign_on)), methods=["POST"])
    add("/saml/sso/continue", "sso_continue", partial(_continue, sign_on), methods=["GET"])
    add(UNSOLICITED_PATH, "sso_unsolicited", partial(_unsolicited, sign_on), methods=["GET"])


def _redirect(sign_on: SignOn) -> Response:
    """HTTP-Redirect (SAML bindings 3.4). The request comes as a top-level GET, which carries our cookies."""
    refuse_head()
    if "SAMLRequest" not in incoming.query():
        raise Refusal("sso.no_request", expected="SAMLRequest", found="a request without it")
    received, now = decode_redirect(current_request().query_string, "SAMLRequest"), sign_on.now()
    accepted, refused = _accept(sign_on, received, now)
    return refused or sign_on.begin(waiting(accepted), accepted.sp, now)


def _post(sign_on: SignOn) -> Response:
    """HTTP-POST (SAML bindings 3.5). Reads no cookie: browsers send none that we could trust with a cross-site POST."""
    form = incoming.form()
    if "SAMLRequest" not in form:
        raise Refusal("sso.no_request", expected="SAMLRequest", found="a form without it")
    relay_state = optional(form, "RelayState", max_length=MAXIMUM_MESSAGE)
    message = one(form, "SAMLRequest", max_length=MAXIMUM_MESSAGE)
    return _posted(sign_on, decode_post(message, relay_state))


def _simple_sign(sign_on: SignOn) -> Response:
    """HTTP-POST-SimpleSign: as `_post`, the signature stands beside the message."""
    form = incoming.form()
    if "SAMLRequest" not in form:
        raise Refusal("sso.no_request", expected="SAMLRequest", found="a form without it")
    received = decode_simple_sign(
        "SAMLRequest",
        one(form, "SAMLRequest", max_length=MAXIMUM_MESSAGE),
        relay_state=optional(form, "RelayState", max_length=MAXIMUM_MESSAGE),
        signature=optional(form, "Signature", max_length=MAXIMUM_MESSAGE),
        algorithm=optional(form, "SigAlg", max_length=MAXIMUM_MESSAGE),
    )
    return _posted(sign_on, received)


def _posted(sign_on: SignOn, received: ReceivedMessage) -> Response:
    now = sign_on.now()
    accepted, refused = _accept(sign_on, received, now)
    if refused is not None:
        return refused
    return see_other("sso_continue", ticket=sign_on.tickets.issue(waiting(accepted), now))


def _unsolicited(sign_on: SignOn) -> Response:
    """A start at home. The parameters have the names of the original Shibboleth (``providerId``, ``shire``, ``target``, ``time``), or those
    of SAML 2.0 (``entityID``, ``AssertionConsumerServiceURL``, ``RelayState``)."""
    refuse_head()
    query = incoming.query()
    sp = _either(query, "providerId", "entityID", MAXIMUM_ENTITY_ID)
    if not sp:
        raise Refusal("http.parameter_missing", expected="providerId or entityID", found="neither", name="providerId")
    shire = _either(query, "shire", "AssertionConsumerServiceURL", MAXIMUM_URL)
    target = _either(query, "target", "RelayState", MAXIMUM_RELAY_STATE)
    # Asked for by old software, which wants no answer to a link that lay around; ours is as new as the click.
    optional(query, "time", max_length=20)
    now = sign_on.now()
    asked, entity = start_at_home(sp, sign_on.registry(), now, acs_url=shire or None, relay_state=target)
    return sign_on.begin(asked, entity, now)


def _either(query: Fields, original: str, saml2: str, longest: int) -> str | None:
    """A parameter by one of its two names. Raises `Refusal` (``http.parameter_repeated``) for both."""
    first, second = optional(query, original, max_length=longest), optional(query, saml2, max_length=longest)
    if first is not None and second is not None:
        raise Refusal("http.parameter_repeated", expected=f"{original} or {saml2}", found="both", name=original)
    return first if first is not None else second


def _continue(sign_on: SignOn) -> Response:
    """Where a posted request goes on."""
    refuse_head()
    return sign_on.onward(sign_on.visit(incoming.query()))


def _accept(sign_on: SignOn, received: ReceivedMessage, now: datetime) -> tuple[AcceptedRequest, Response | None]:
    """The request, and the answer to one that can't be satisfied whoever logs in."""
    rules = sign_on.rules
    accepted = accept_request(received, sign_on.registry(), rules, now)
    status = obstacle(accepted, rules, now)
    if status is None:
        return accepted, None
    return accepted, sign_on.send_status(waiting(accepted), accepted.sp, status, now)


def refuse_head() -> None:
    """A HEAD (a link checker, a preview) must not use anything up."""
    if current_request().method == "HEAD":
        raise WrongMethod("http.method", expected="GET", found="HEAD")
