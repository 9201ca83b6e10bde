"""A login from its first redirect to the AuthnRequest; hears no answer. Each state is kept server-side (DESIGN.md rule 13):

begin --> Intent, under a random number --> discovery --> discovered --> PendingLogin, bound to the browser's cookie --> IdP
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from ostiary.errors import Refusal
from ostiary.federation.model import Endpoint, IdpRole, endpoint_by_binding
from ostiary.federation.signing_choice import signer_for
from ostiary.saml import names
from ostiary.saml.artifact import encode_artifact, parse_artifact
from ostiary.saml.protocol import AuthnRequest
from ostiary.saml.signature import sign
from ostiary.web.forms import optional, parse_query
from sp_shire.addresses import Addresses
from sp_shire.departures import Departure, departure_by
from sp_shire.login.artifacts import ArtifactIssuer
from sp_shire.login.authn_request import authn_request
from sp_shire.login.browser_mark import BrowserMark
from sp_shire.login.consumers import browser_consumer
from sp_shire.login.homes import home_called
from sp_shire.login.pending import PendingTable
from sp_shire.login.records import Intent, PendingLogin, dump_intent, dump_pending, load_intent
from sp_shire.login.settings import RequestBinding
from sp_shire.login.targets import Targets
from sp_shire.login.wishes import MAXIMUM_ENTITY_ID, Wishes, with_demands
from sp_shire.messages import Request
from sp_shire.settings import ShireSettings
from sp_shire.snapshot import Snapshot

LOGIN_TIME: Final = timedelta(minutes=30)
LOGINS_AT_MOST: Final = 16 * 1024 * 1024
"""Octets of the logins that are under way, of those that began at this process."""

_BINDINGS: Final[Mapping[RequestBinding, str]] = {
    "redirect": names.HTTP_REDIRECT,
    "post": names.HTTP_POST,
    "artifact": names.HTTP_ARTIFACT,
}

Redirect = tuple[str, tuple[str, ...]]
"""Where to send the browser, and the cookies to set."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The browser is sent off. ``destination`` is the entityID of the home organisation, empty on the way to discovery."""

    way: Departure
    cookies: tuple[str, ...] = ()
    destination: str = ""


class Asking:
    """Asks home organisations to log people in. ``logins`` keeps what is under way, which any stranger can make."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        targets: Targets,
        logins: PendingTable,
        mark: BrowserMark,
        artifacts: ArtifactIssuer,
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._targets = targets
        self._logins = logins
        self._mark = mark
        self._artifacts = artifacts

    def begin(
        self,
        request: Request,
        target: str,
        wishes: Wishes,
        snapshot: Snapshot,
        now: datetime,
        *,
        form: str = "",
        silent: bool = False,
    ) -> Leaving:
        """To the chosen or the only home organisation, else to discovery (IdP discovery 2.4.1). What the settings demand is added.
        ``target``, ``form``, ``silent``: see `Intent`. Raises `Refusal` (``sp.unknown_idp``, ``sp.idp_without_redirect``)."""
        demanded = self._settings.login
        asked = with_demands(wishes, demanded)
        if demanded.passive and not asked.force:
            asked = replace(asked, passive=True)
        return self._onward(request, Intent(target, asked, form, silent), snapshot, now)

    def insist(self, request: Request, intent: Intent, snapshot: Snapshot, now: datetime) -> Leaving:
        """The same login once more, when it could not be had without showing anything."""
        return self._onward(request, replace(intent, wishes=replace(intent.wishes, passive=False)), snapshot, now)

    def intent_of(self, request: Request, now: datetime) -> Intent:
        """What the login is for whose number stands in the query (``login``), as discovery gives it back; without a number a plain one.

        Raises `Refusal` (``sp.login_lost``).
        """
        number = optional(parse_query(request.query), "login", max_length=64)
        if not number:
            return Intent(self._targets.first, with_demands(Wishes(), self._settings.login))
        # It stays, so that she may go back and choose again.
        kept = self._logins.get(_begun(number), now)
        if kept is None:
            raise Refusal("sp.login_lost", expected="a login that has just begun", found="an unknown number")
        return load_intent(kept)

    def discovered(self, request: Request, intent: Intent, snapshot: Snapshot, now: datetime) -> Leaving | None:
        """Discovery sent the person back with the IdP that she chose (IdP discovery 2.4.3). None: a passive one found nobody."""
        chosen = optional(parse_query(request.query), "entityID", max_length=MAXIMUM_ENTITY_ID)
        if chosen:
            return self._ask(request, intent, chosen, snapshot, now)
        if intent.wishes.passive:
            return None
        raise Refusal("sp.nothing_chosen", expected="entityID", found="none")

    def _onward(self, request: Request, intent: Intent, snapshot: Snapshot, now: datetime) -> Leaving:
        identity_provider = intent.wishes.identity_provider or self._settings.identity_provider
        if identity_provider is not None:
            return self._ask(request, intent, identity_provider, snapshot, now)
        number = secrets.token_urlsafe(16)
        self._logins.put(_begun(number), dump_intent(intent), remote=request.remote, now=now)
        # The browser is marked before it leaves: this is where most logins begin.
        return Leaving(Departure(self._discovery(number, passive=intent.wishes.passive)), self._mark.of(request)[1])

    def _discovery(self, number: str, *, passive: bool) -> str:
        if self._settings.discovery_url is None:
            return f"{self._addresses.handler('discover')}?{urlencode({'login': number})}"
        way_back = f"{self._addresses.handler('discovered')}?{urlencode({'login': number})}"
        question = {"entityID": self._settings.entity_id, "return": way_back}
        if passive:
            question["isPassive"] = "true"
        return f"{self._settings.discovery_url}?{urlencode(question)}"

    def _ask(
        self, request: Request, intent: Intent, identity_provider: str, snapshot: Snapshot, now: datetime
    ) -> Leaving:
        """An AuthnRequest, remembered for this browser."""
        only = self._settings.identity_provider
        if only not in (None, identity_provider):
            # Whichever way she came, back from a discovery that is not used any more too.
            raise Refusal("sp.unknown_idp", expected=only, found=identity_provider)
        role = home_called(identity_provider, snapshot.registry, now)
        endpoint = endpoint_for(role, identity_provider, self._settings.login.request_binding)
        message = authn_request(
            self._settings,
            self._addresses,
            browser_consumer(self._settings),
            intent.target,
            intent.wishes,
            destination=endpoint.location,
            now=now,
        )
        browser, cookies = self._mark.of(request)
        digest = self._mark.digest(browser)
        pending = PendingLogin(identity_provider, intent, digest, now if intent.wishes.force else None)
        self._logins.put(pending_key(message.id), dump_pending(pending), remote=request.remote, now=now)
        way = self._departure(request, message, endpoint, role, identity_provider, snapshot, now)
        return Leaving(way, cookies, identity_provider)

    def _departure(
        self,
        request: Request,
        message: AuthnRequest,
        endpoint: Endpoint,
        role: IdpRole,
        identity_provider: str,
        snapshot: Snapshot,
        now: datetime,
    ) -> Departure:
        signed = self._settings.sign_requests or role.want_authn_requests_signed
        signer = signer_for(snapshot.keys.signer, role) if signed else None
        element = message.to_xml()
        if endpoint.binding != names.HTTP_ARTIFACT:
            return departure_by(endpoint.binding, endpoint.location, "SAMLRequest", element, None, signer)
        if signer is not None:
            sign(element, signer)
        artifact = self._artifacts.issue(element, identity_provider, now, remote=request.remote)
        return Departure(encode_artifact(endpoint.location, parse_artifact(artifact)))


def endpoint_for(role: IdpRole, identity_provider: str, wanted: RequestBinding) -> Endpoint:
    """Where the AuthnRequest goes: by the binding that is wanted, else by one that needs nothing more. Raises `Refusal`
    (``sp.idp_without_redirect``)."""
    endpoint = endpoint_by_binding(role.single_sign_on, _BINDINGS[wanted], names.HTTP_REDIRECT, names.HTTP_POST)
    if endpoint is None:
        expected = "a SingleSignOnService with HTTP-Redirect or HTTP-POST"
        raise Refusal("sp.idp_without_redirect", expected=expected, found=identity_provider)
    return endpoint


def pending_key(request_id: str) -> str:
    """What a pending login goes by in the store."""
    return f"request {request_id}"


def _begun(number: str) -> str:
    return f"begun {number}"
