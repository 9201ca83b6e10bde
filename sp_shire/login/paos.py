"""Logins of programs: Enhanced Client or Proxy over the reverse SOAP binding (SAML profiles 4.2, bindings 3.3). Opens no session.

A program shows no cookie when it comes back. What ties its answer to its request is a random token in ecp:RelayState: the program gets it
from here and brings it back, and hands it to no home organisation. The same token and its answer serve once.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from ostiary.errors import Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import endpoint_by_binding
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.ecp import PAOS_TYPE, PaosRequest, decode_paos_response, encode_paos_request, speaks_paos
from ostiary.saml.signature import sign
from ostiary.saml.validate import Timing
from sp_shire.addresses import Addresses
from sp_shire.login.answers import Answers, Received
from sp_shire.login.authn_request import authn_request
from sp_shire.login.consumers import CONSUMERS
from sp_shire.login.finishing import check_anew, unknown_request, unsolicited
from sp_shire.login.homes import home_called
from sp_shire.login.pending import PendingTable
from sp_shire.login.wishes import Wishes, check_context, with_demands
from sp_shire.messages import Request
from sp_shire.sessions.records import Login
from sp_shire.settings import ShireSettings

LISTED_AT_MOST: Final = 20
"""So many home organisations are named to a program; where there are more, it has to know its own."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request that a program took away: ``target`` is the path that it wanted, ``token`` a digest of what it has to bring back;
    ``not_before``: its person has to prove who she is no earlier than this (None: whenever)."""

    target: str
    token: str
    not_before: datetime | None


class Programs:
    """Requests to programs and their answers. ``logins`` keeps the requests, which any stranger can make."""

    def __init__(self, settings: ShireSettings, addresses: Addresses, logins: PendingTable, answers: Answers) -> None:
        self._settings = settings
        self._addresses = addresses
        self._logins = logins
        self._answers = answers
        self._timing = Timing(skew=settings.clock_skew)

    def speaks(self, request: Request) -> bool:
        """Whether a program asks for a page and says that it knows this profile (profiles 4.2.3.1). A browser's script, or a web server
        that only asks whether somebody may pass, could do nothing with the answer."""
        headers = request.headers
        return (
            request.method == "GET"
            and "sec-fetch-mode" not in headers
            and "paos" in self._settings.answers_by
            and speaks_paos(headers.get("accept", ""), headers.get("paos", ""))
        )

    def ask(self, request: Request, target: str, registry: Registry, keys: KeyRing, now: datetime) -> bytes:
        """The envelope with an AuthnRequest for the program to take to its home organisation (profiles 4.2.4.1)."""
        only = self._settings.identity_provider
        consumer = CONSUMERS["paos"]
        demanded = with_demands(Wishes(), self._settings.login)
        destination = _endpoint(only, registry, now) if only is not None else None
        message = authn_request(
            self._settings, self._addresses, consumer, target, demanded, destination=destination, now=now
        )
        token = secrets.token_urlsafe(32)
        waiting = json.dumps([target, _digest(token), now.isoformat() if demanded.force else None]).encode()
        self._logins.put(_key(message.id), waiting, remote=request.remote, now=now)
        element = message.to_xml()
        if self._settings.sign_requests:
            sign(element, keys.signer)
        return encode_paos_request(
            PaosRequest(
                element,
                self._addresses.handler(consumer.handler),
                relay_state=token,
                issuer=self._settings.entity_id,
                provider_name=self._settings.display.name,
                idps=(only,) if only is not None else _choices(registry, now),
            )
        )

    def answer(self, request: Request, registry: Registry, keys: KeyRing, now: datetime) -> tuple[Login, str]:
        """Accepts the Response that a program brings (profiles 4.2.4.3), and ends its request. Returns the login and the target.

        Raises `Refusal` (``sp.paos_content_type``, ``sp.paos_elsewhere``, ``ecp.*``, ``soap.*``, ``sp.unknown_request``,
        ``sp.unsolicited``, ``sp.other_program``) and what `Answers.accept` raises.
        """
        self._check_program(request)
        brought = decode_paos_response(request.body)
        if brought.ref_to_message_id is not None:
            # No messageID is given out, so this answers somebody else's request.
            raise Refusal("sp.other_program", expected="no refToMessageID", found=brought.ref_to_message_id[:200])
        login, (key, waiting) = self._answers.accept(
            Received(brought.message, "acs/paos"),
            registry,
            keys,
            now,
            expected=lambda asked, issuer: self._waiting_for(asked, issuer, brought.relay_state, now),
        )
        check_anew(login, waiting.not_before, self._timing)
        check_context(login.authn_context, with_demands(Wishes(), self._settings.login).requested_context)
        if self._logins.take(key, now) is None:
            raise unknown_request(login.in_response_to or "")
        return login, waiting.target

    def _check_program(self, request: Request) -> None:
        """A page of another site can't make a browser send this type without asking here first, and is never allowed to."""
        if request.media_type != PAOS_TYPE:
            raise Refusal("sp.paos_content_type", expected=PAOS_TYPE, found=request.media_type[:100] or "none")
        origin = request.headers.get("origin")
        if origin not in (None, self._addresses.origin) or "sec-fetch-site" in request.headers:
            raise Refusal("sp.paos_elsewhere", expected="a program", found=f"a browser, from {origin}"[:300])

    def _waiting_for(
        self, request_id: str | None, issuer: str, token: str | None, now: datetime
    ) -> tuple[str, _Waiting]:
        if request_id is None:
            raise unsolicited(issuer)
        only = self._settings.identity_provider
        if only not in (None, issuer):
            raise Refusal("saml.issuer", expected=only, found=issuer)
        key = _key(request_id)
        kept = self._logins.get(key, now)
        if kept is None:
            raise unknown_request(request_id)
        target, digest, not_before = json.loads(kept)
        waiting = _Waiting(target, digest, datetime.fromisoformat(not_before) if not_before is not None else None)
        if token is None or not secrets.compare_digest(_digest(token), waiting.token):
            raise Refusal(
                "sp.other_program", expected="the RelayState that this request was given", found="another one"
            )
        return key, waiting


def _endpoint(identity_provider: str, registry: Registry, now: datetime) -> str:
    """Where that home organisation takes requests from programs."""
    endpoint = endpoint_by_binding(home_called(identity_provider, registry, now).single_sign_on, names.SOAP)
    if endpoint is None:
        expected = "a SingleSignOnService with SOAP"
        raise Refusal("sp.idp_without_programs", expected=expected, found=identity_provider)
    return endpoint.location


def _choices(registry: Registry, now: datetime) -> tuple[str, ...]:
    """The home organisations that take requests from programs; nobody where there are too many to name."""
    found: list[str] = []
    for entity in registry.all(now):
        if entity.idp is not None and endpoint_by_binding(entity.idp.single_sign_on, names.SOAP) is not None:
            found.append(entity.entity_id)
            if len(found) > LISTED_AT_MOST:
                return ()
    return tuple(found)


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _key(request_id: str) -> str:
    return f"paos {request_id}"
