"""A login from the first redirect to the AuthnRequest; hears no answer. Each state is kept server-side and used once (DESIGN.md rule 13):

begin --> WAYF --> discovered --> PendingLogin, bound to the browser's cookie --> IdP
"""

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from ostiary.errors import Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.bindings import encode_redirect
from ostiary.saml.protocol import AuthnRequest, new_id
from ostiary.storage.stores import SessionStore
from ostiary.web.forms import optional, parse_query
from sp_shire.addresses import Addresses
from sp_shire.login.browser_mark import BrowserMark
from sp_shire.login.targets import Targets
from sp_shire.messages import Request
from sp_shire.sessions.records import PendingLogin, dump_pending
from sp_shire.settings import ShireSettings

LOGIN_TIME: Final = timedelta(minutes=30)

Redirect = tuple[str, tuple[str, ...]]
"""Where to send the browser, and the cookies to set."""


class Asking:
    """Asks home organisations to log people in. ``logins`` keeps pending logins, which any stranger can make."""

    def __init__(self, settings: ShireSettings, addresses: Addresses, targets: Targets, logins: SessionStore) -> None:
        self._settings = settings
        self._addresses = addresses
        self._targets = targets
        self._logins = logins
        self._mark = BrowserMark(settings, addresses)

    def forces(self, request: Request) -> bool:
        """Whether a handler's query asks that the person proves anew who she is (``forceAuthn``)."""
        return optional(parse_query(request.query), "forceAuthn", max_length=10) in ("true", "1")

    def begin(
        self,
        request: Request,
        target: str,
        chosen: str | None,
        registry: Registry,
        keys: KeyRing,
        now: datetime,
        *,
        force: bool = False,
    ) -> Redirect:
        """To the chosen or the only home organisation, else to discovery (IdP discovery 2.4.1). ``force``: with ForceAuthn."""
        only = self._settings.identity_provider
        if only is not None and chosen not in (None, only):
            raise Refusal("sp.unknown_idp", expected=only, found=chosen)
        identity_provider = chosen or only
        if identity_provider is not None:
            return self._ask(request, target, identity_provider, registry, keys, now, force)
        # The target travels in our own return URL and is checked again when it comes back.
        way_back = {"target": target, "forceAuthn": "true"} if force else {"target": target}
        back = f"{self._addresses.handler('discovered')}?{urlencode(way_back)}"
        question = urlencode({"entityID": self._settings.entity_id, "return": back})
        # The browser is marked before it leaves, so that two windows that begin at once come back with the same mark.
        return f"{self._settings.discovery_url}?{question}", self._mark.of(request)[1]

    def discovered(self, request: Request, registry: Registry, keys: KeyRing, now: datetime) -> Redirect:
        """The discovery service sent the person back with the IdP that she chose (IdP discovery 2.4.3)."""
        chosen = optional(parse_query(request.query), "entityID", max_length=1024)
        if not chosen:
            raise Refusal("sp.nothing_chosen", expected="entityID", found="none")
        return self._ask(request, self._targets.of(request), chosen, registry, keys, now, self.forces(request))

    def _ask(
        self,
        request: Request,
        target: str,
        identity_provider: str,
        registry: Registry,
        keys: KeyRing,
        now: datetime,
        force: bool,
    ) -> Redirect:
        """An AuthnRequest by HTTP-Redirect, remembered for this browser."""
        role = registry.idp(identity_provider, now)
        if role is None:
            raise Refusal(
                "sp.unknown_idp", expected="a home organisation that this resource knows", found=identity_provider
            )
        location = next((e.location for e in role.single_sign_on if e.binding == names.HTTP_REDIRECT), None)
        if location is None:
            raise Refusal(
                "sp.idp_without_redirect", expected="a SingleSignOnService with HTTP-Redirect", found=identity_provider
            )
        message = AuthnRequest(
            id=new_id(),
            issuer=self._settings.entity_id,
            issue_instant=now,
            destination=location,
            acs_url=self._addresses.handler("acs"),
            protocol_binding=names.HTTP_POST,
            nameid_format=names.TRANSIENT,
            force_authn=force,
            target=self._addresses.origin + target,
        )
        browser, cookies = self._mark.of(request)
        pending = PendingLogin(identity_provider, target, self._mark.digest(browser), now if force else None)
        self._logins.put(f"request {message.id}", dump_pending(pending), expires=now + LOGIN_TIME, now=now)
        signer = keys.signer if self._settings.sign_requests or role.want_authn_requests_signed else None
        url = encode_redirect(location, "SAMLRequest", message.to_xml(), signer=signer)
        return url, cookies
