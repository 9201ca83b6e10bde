"""What comes in SOAP envelopes: an SP fetches a Response by its artifact (SAML bindings 3.6), a program signs on (ECP 2.0, profiles 4.2).

What is not proven is refused; a broken envelope gets a SOAP Fault (DESIGN rule 8).
"""

import base64
import binascii
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from flask import Flask, Response, request

from idp.login.methods import PasswordMethod, Rejected
from idp.login.throttle import Throttle
from idp.sessions.session import LoginProof, SsoSession
from idp.settings import ARTIFACT_PATH, ECP_PATH
from idp.sign_on.outgoing import SOAP_HEADERS
from idp.sign_on.requests import accept_request, known_sp, obstacle, waiting
from idp.sign_on.sign_on import SignOn
from ostiary.errors import NotAuthenticated, Refusal, Unavailable
from ostiary.saml import names
from ostiary.saml.artifact import ArtifactResolve, ArtifactResponse, check_artifact_resolve
from ostiary.saml.bindings import ReceivedMessage
from ostiary.saml.keys import allow_sha1_from_legacy_partner
from ostiary.saml.protocol import claimed_issuer, new_id
from ostiary.saml.signature import sign, verify_element
from ostiary.saml.soap import decode_soap, encode_soap, soap_fault
from ostiary.saml.xml import Element, qname
from ostiary.storage.artifacts import WaitingMessages
from ostiary.web.csrf import cross_site
from ostiary.web.log import reference
from ostiary.web.service import shell

# A program's session at the SP ends after this: no logout reaches it.
PROGRAM_SESSION: Final = timedelta(hours=1)
_MAXIMUM_CREDENTIALS: Final = 8_192


@dataclass(frozen=True, slots=True, eq=False)
class BackChannel:
    """``artifacts`` are the Responses that wait; ``password`` and ``throttle`` are for programs, None where nobody logs in by password."""

    sign_on: SignOn
    artifacts: WaitingMessages
    password: PasswordMethod | None
    throttle: Throttle


def add_back_channel(app: Flask, channel: BackChannel) -> None:
    """The ArtifactResolutionService, and the SingleSignOnService for programs."""
    app.add_url_rule(ARTIFACT_PATH, "artifact", cross_site(partial(_resolve, channel)), methods=["POST"])
    if channel.password is not None:
        ecp = cross_site(partial(_program, channel, channel.password))
        app.add_url_rule(ECP_PATH, "sso_ecp", ecp, methods=["POST"])


def _resolve(channel: BackChannel) -> Response:
    """The message behind an artifact, for the SP that it was issued to, which signs its request. One that is not there gets an answer
    without a message (core 3.5.3)."""
    message = _received()
    if isinstance(message, Response):
        return message
    sign_on, now = channel.sign_on, channel.sign_on.now()
    if message.tag != qname(names.SAMLP, "ArtifactResolve"):
        raise Refusal("saml.other_message", expected="samlp:ArtifactResolve", found=str(message.tag)[:200])
    issuer = claimed_issuer(message) or ""
    sp, role = known_sp(issuer, sign_on.registry(), now)
    settings, rules = sign_on.settings(), sign_on.rules
    keys = role.signing_keys()
    if issuer in rules.allow_sha1_from:
        keys = allow_sha1_from_legacy_partner(keys)
    resolve = ArtifactResolve.from_proof(verify_element(message, keys))
    location = settings.public_url + ARTIFACT_PATH
    artifact = check_artifact_resolve(
        resolve, issuer=issuer, entity_id=rules.entity_id, location=location, now=now, timing=rules.timing
    )
    carried = channel.artifacts.take(artifact, issuer, now)
    shell().log.info("artifact_resolved", requester=issuer, found=carried is not None)
    answer = ArtifactResponse(new_id(), rules.entity_id, now, resolve.id).to_xml(carried)
    sign(answer, sign_on.key_ring().signer.with_digest(settings.partner(sp).signing_algorithm))
    return _envelope(encode_soap(answer))


def _program(channel: BackChannel, method: PasswordMethod) -> Response:
    """A program's sign-on: its person's name and password come by HTTP Basic (RFC 7617). Whatever would have to be asked of her (a second
    factor, consent that she has not given) can't be, and the Response says so."""
    sign_on, now = channel.sign_on, channel.sign_on.now()
    message = _received()
    if isinstance(message, Response):
        return message
    accepted = accept_request(ReceivedMessage(message, None, names.SOAP), sign_on.registry(), sign_on.rules, now)
    # What she proves here is new: a turn of its own makes it count where a new login is asked for.
    asked = waiting(accepted)._replace(turn=secrets.token_hex(8))
    status = obstacle(accepted, sign_on.rules, now)
    if status is not None:
        return sign_on.send_status(asked, accepted.sp, status, now)
    credentials = _basic()
    if credentials is None:
        return _challenge(NotAuthenticated("ecp.credentials", expected="HTTP Basic", found="none that can be read"))
    username, password = credentials
    attempt = channel.throttle.attempt(username, request.remote_addr or "", now)
    try:
        outcome = method.authenticate(username, password, now)
    except Unavailable:
        channel.throttle.unanswered(attempt, now)
        raise
    if isinstance(outcome, Rejected):
        number = reference()
        facts = {"reason": outcome.reason, "by": "password", "for": asked.sp}
        sign_on.record("login.failed", now, outcome.principal, facts, number=number)
        return _challenge(
            NotAuthenticated("ecp.credentials", expected="the password of somebody active", found=outcome.reason),
            number,
        )
    channel.throttle.succeeded(attempt, now)
    sign_on.record("login.succeeded", now, outcome.principal, {"for": asked.sp, "by": "password", "program": True})
    session = SsoSession(
        "",
        outcome.principal,
        (LoginProof("password", now, asked.turn),),
        now + PROGRAM_SESSION,
        sign_on.authority_of(outcome.principal),
    )
    return sign_on.answer_program(asked, accepted.sp, session, now)


def _received() -> Element | Response:
    """The message of the envelope; the Fault for a broken one."""
    if request.mimetype != "text/xml":
        raise Refusal("soap.content_type", expected="text/xml (SOAP 1.1)", found=request.mimetype or "none")
    try:
        return decode_soap(request.get_data())
    except Refusal as problem:
        number = reference()
        shell().log.info("soap_fault", reference=number, code=problem.code, found=problem.found)
        return _envelope(soap_fault(problem, number), 500)


def _basic() -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic" or len(encoded) > _MAXIMUM_CREDENTIALS:
        return None
    try:
        username, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    # RFC 7617 2: neither may contain a control character.
    if not colon or not username or any(unicodedata.category(one) == "Cc" for one in username + password):
        return None
    return username, password


def _challenge(error: NotAuthenticated, number: str | None = None) -> Response:
    """401 with a Fault: the program asks its person, and tries again (profiles 4.2.4)."""
    number = number or reference()
    shell().log.info("login_failed", reference=number, by="password", code=error.code, found=error.found)
    answer = _envelope(soap_fault(error, number), 401)
    answer.headers["WWW-Authenticate"] = 'Basic realm="SAML", charset="UTF-8"'
    return answer


def _envelope(octets: bytes, status: int = 200) -> Response:
    return Response(octets, status, headers=SOAP_HEADERS, content_type="text/xml; charset=utf-8")
