"""Where the messages of single logout arrive, one route for each binding (SAML profiles 4.4). Shows no page of its own.

What another site posts is verified and put under a ticket; cookies are read only after the redirect that follows, which is a same-site GET.
"""

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from flask import Flask, Response, request

from idp.logout.pages import go_on
from idp.logout.requests import AcceptedLogout, accept_logout
from idp.logout.rules import Asker
from idp.logout.settings import LOGOUT_PATHS
from idp.logout.telling import Telling
from idp.sign_on.endpoints import MAXIMUM_MESSAGE, refuse_head
from idp.sign_on.sign_on import SignOn, see_other
from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import ReceivedMessage, decode_post, decode_redirect, decode_soap, soap_fault
from ostiary.storage.stores import ReplayStore, SessionStore
from ostiary.web import incoming
from ostiary.web.csrf import cross_site
from ostiary.web.forms import one, optional
from ostiary.web.log import reference
from ostiary.web.service import shell

_PASSING_THROUGH: Final = timedelta(minutes=2)
# SAML bindings 3.2.3.2: no cache on the way may keep an answer.
_SOAP_HEADERS: Final = {"Cache-Control": "no-cache, no-store, must-revalidate, private", "Pragma": "no-cache"}


@dataclass(frozen=True, slots=True, eq=False)
class LogoutEndpoints:
    """``tickets`` keeps requests that were posted until their browser comes by; ``replay`` those that were obeyed."""

    sign_on: SignOn
    telling: Telling
    tickets: SessionStore
    replay: ReplayStore


def add_logout_endpoints(app: Flask, endpoints: LogoutEndpoints) -> None:
    """The routes: one for each binding, and the one that a posted request goes on to."""
    add = app.add_url_rule
    paths = LOGOUT_PATHS
    add(paths[names.HTTP_REDIRECT], "slo_redirect", partial(_redirect, endpoints), methods=["GET"])
    add(paths[names.HTTP_POST], "slo_post", cross_site(partial(_post, endpoints)), methods=["POST"])
    add(paths[names.SOAP], "slo_soap", cross_site(partial(_soap, endpoints)), methods=["POST"])
    add("/saml/slo/continue", "slo_continue", partial(_continue, endpoints), methods=["GET"])


def _redirect(endpoints: LogoutEndpoints) -> Response:
    """HTTP-Redirect (SAML bindings 3.4): a LogoutRequest, or the answer to ours. A top-level GET, which carries our cookies."""
    refuse_head()
    now = endpoints.sign_on.now()
    if "SAMLResponse" in incoming.query():
        return _answered(endpoints, decode_redirect(request.query_string, "SAMLResponse"), now)
    if "SAMLRequest" not in incoming.query():
        raise Refusal("logout.no_message", expected="SAMLRequest or SAMLResponse", found="a request without either")
    return _end(endpoints, _accept(endpoints, decode_redirect(request.query_string, "SAMLRequest"), now), now)


def _post(endpoints: LogoutEndpoints) -> Response:
    """HTTP-POST (SAML bindings 3.5). Reads no cookie."""
    form, now = incoming.form(), endpoints.sign_on.now()
    relay_state = optional(form, "RelayState", max_length=MAXIMUM_MESSAGE)
    if "SAMLResponse" in form:
        value = one(form, "SAMLResponse", max_length=MAXIMUM_MESSAGE)
        return _answered(endpoints, decode_post(value, relay_state), now)
    if "SAMLRequest" not in form:
        raise Refusal("logout.no_message", expected="SAMLRequest or SAMLResponse", found="a form without either")
    value = one(form, "SAMLRequest", max_length=MAXIMUM_MESSAGE)
    accepted = _accept(endpoints, decode_post(value, relay_state), now)
    ticket = secrets.token_urlsafe(32)
    endpoints.tickets.put(_key(ticket), _dump(accepted), expires=now + _PASSING_THROUGH, now=now)
    return see_other("slo_continue", ticket=ticket)


def _continue(endpoints: LogoutEndpoints) -> Response:
    """Where a posted request goes on."""
    refuse_head()
    now = endpoints.sign_on.now()
    stored = endpoints.tickets.take(_key(one(incoming.query(), "ticket", max_length=64)), now)
    if stored is None:
        raise Refusal("logout.ticket", expected="a ticket that was just issued", found="an unknown or used one")
    return _end(endpoints, _load(stored), now)


def _soap(endpoints: LogoutEndpoints) -> Response:
    """SOAP (SAML bindings 3.2): no browser, so only those SPs are told that can be told without one."""
    if request.mimetype != "text/xml":
        raise Refusal("logout.content_type", expected="text/xml (SOAP 1.1)", found=request.mimetype or "none")
    now, telling = endpoints.sign_on.now(), endpoints.telling
    try:
        message = decode_soap(incoming.body())
    except Refusal as problem:
        number = reference()
        facts = {"code": problem.code, "expected": problem.expected, "found": problem.found}
        shell().log.info("soap_fault", reference=number, **facts)
        return _xml(soap_fault(problem, number), 500)
    accepted = _accept(endpoints, ReceivedMessage(message, None, names.SOAP), now)
    run_id, _ = telling.end_asked(accepted, now, browser=None)
    run = telling.finished(run_id, now)
    return _xml(telling.answer_over_soap(run, accepted.asker, now))


def _accept(endpoints: LogoutEndpoints, received: ReceivedMessage, now: datetime) -> AcceptedLogout:
    telling = endpoints.telling
    decrypting = telling.key_ring().decrypting
    accepted = accept_logout(received, telling.registry(), telling.rules, now, decrypting)
    if not endpoints.replay.first_use(accepted.replay_key, expires=accepted.replay_until, now=now):
        found = accepted.asker.request_id
        raise Refusal("logout.repeated", expected="a LogoutRequest that was not obeyed before", found=found)
    return accepted


def _end(endpoints: LogoutEndpoints, accepted: AcceptedLogout, now: datetime) -> Response:
    """Ends the sessions that the SP named; the browser goes on to tell the others."""
    sign_on = endpoints.sign_on
    token = sign_on.cookies.session_token()
    here_id = sign_on.sessions.id_of(token) if token is not None else None
    browser = sign_on.cookies.keep_browser_token()
    run_id, ended = endpoints.telling.end_asked(accepted, now, browser=browser, here_id=here_id)
    if any(session.id == here_id for session in ended):
        sign_on.cookies.clear_session()
    return go_on(run_id)


def _answered(endpoints: LogoutEndpoints, received: ReceivedMessage, now: datetime) -> Response:
    return go_on(endpoints.telling.answered(received, now))


def _key(ticket: str) -> str:
    return f"idp logout ticket {ticket}"


def _dump(accepted: AcceptedLogout) -> bytes:
    return json.dumps(
        {
            "asker": asdict(accepted.asker),
            "name_id": accepted.name_id._asdict(),
            "session_indexes": accepted.session_indexes,
            "replay": [accepted.replay_key, accepted.replay_until.isoformat()],
        }
    ).encode()


def _load(stored: bytes) -> AcceptedLogout:
    read = json.loads(stored)
    key, until = read["replay"]
    return AcceptedLogout(
        Asker(**read["asker"]),
        NameId(**read["name_id"]),
        tuple(read["session_indexes"]),
        key,
        datetime.fromisoformat(until),
    )


def _xml(body: bytes, status: int = 200) -> Response:
    return Response(body, status, headers=_SOAP_HEADERS, content_type="text/xml; charset=utf-8")
