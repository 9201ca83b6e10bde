"""A login from the first redirect to the bound answer; opens no session and asks for no attributes.

Each state is kept server-side and used once (DESIGN.md rule 13):

    begin --> WAYF --> discovered --> PendingLogin, bound to the browser's cookie --> IdP
    IdP --POST--> consume: verified, replay checked, stored under a ticket --303--> finish: cookie read, answer bound to its request
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from ostiary.errors import Refusal
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.bindings import decode_post, encode_redirect
from ostiary.saml.decryption import Decryption
from ostiary.saml.encrypted_response import verify_response_that_may_be_encrypted
from ostiary.saml.protocol import AuthnRequest, new_id
from ostiary.saml.validate import AcceptedResponse, Timing, accept_response, response_issuer
from ostiary.storage.stores import ReplayStore, SessionStore
from ostiary.web.cookies import cookie_name, read_cookie, set_cookie
from ostiary.web.forms import FormLimits, one, optional, parse_form, parse_query
from sp_shire.messages import Request
from sp_shire.metadata import handler_url, origin_of
from sp_shire.records import Login, PendingLogin, dump_login, dump_pending, load_login, load_pending
from sp_shire.settings import ShireSettings

LOGIN_TIME: Final = timedelta(minutes=30)
TICKET_TIME: Final = timedelta(minutes=2)
# With our origin before it, it travels in an AuthnRequest; IdPs (ours too) take some 2000 characters.
MAXIMUM_TARGET: Final = 1536
# Inside the return URL of discovery it is encoded again; discovery services (ours too) take some 4000 characters.
_MAXIMUM_ENCODED_TARGET: Final = 3000
_FORM: Final = FormLimits(total=512 * 1024, fields=16)

Redirect = tuple[str, tuple[str, ...]]
"""Where to send the browser, and the cookies to set."""


class LoginFlow:
    """Logins of one resource. ``logins`` keeps pending ones, which any stranger can make; ``tickets`` accepted answers, which only a home
    organisation can; ``replay`` the assertions that were used."""

    def __init__(
        self, settings: ShireSettings, logins: SessionStore, tickets: SessionStore, replay: ReplayStore
    ) -> None:
        self._settings = settings
        self._logins = logins
        self._tickets = tickets
        self._replay = replay
        self._https = settings.public_url.startswith("https:")
        self._cookie = cookie_name("browser", settings.entity_id, https=self._https)
        self._handlers = handler_url(settings)
        self._first_target = urlsplit(settings.public_url).path + settings.protected[0]
        self._origin = origin_of(settings.public_url)
        self._timing = Timing(skew=settings.clock_skew)

    def target_of(self, request: Request) -> str:
        """The ``target`` of a handler's query: a path of this very site, query included; the first protected path when absent.

        Anything else (another host, ``//``, a scheme, a fragment) is refused (``sp.target``).
        """
        target = optional(parse_query(request.query), "target", max_length=MAXIMUM_TARGET)
        return self.checked_target(target or self._first_target)

    def checked_target(self, target: str) -> str:
        """The same for a path at hand."""
        inside = target.startswith("/") and not target.startswith("//") and "#" not in target
        if not inside or not target.isascii() or any(c <= " " or c in "\\\x7f" for c in target):
            raise Refusal("sp.target", expected="a path on this site", found=target[:200])
        return target

    def target_back_to(self, path: str, query: bytes) -> str:
        """The target that leads back to the page at hand: without its query where that would be too long, and the first protected
        path where even the path is. Raises `Refusal` (``sp.target``)."""
        plain = quote(path, safe="/:@!$&'()*+,;=~")
        full = plain + "?" + quote(query, safe="/:@!$&'()*+,;=~?%") if query else plain
        fitting = (target for target in (full, plain) if _fits(target))
        return self.checked_target(next(fitting, self._first_target))

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
        back = f"{self._handlers}/discovered?{urlencode(way_back)}"
        question = urlencode({"entityID": self._settings.entity_id, "return": back})
        # The browser is marked before it leaves, so that two windows that begin at once come back with the same mark.
        return f"{self._settings.discovery_url}?{question}", self._mark(request)[1]

    def discovered(self, request: Request, registry: Registry, keys: KeyRing, now: datetime) -> Redirect:
        """The discovery service sent the person back with the IdP that she chose (IdP discovery 2.4.3)."""
        chosen = optional(parse_query(request.query), "entityID", max_length=1024)
        if not chosen:
            raise Refusal("sp.nothing_chosen", expected="entityID", found="none")
        return self._ask(request, self.target_of(request), chosen, registry, keys, now, self.forces(request))

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
            acs_url=f"{self._handlers}/acs",
            protocol_binding=names.HTTP_POST,
            nameid_format=names.TRANSIENT,
            force_authn=force,
            target=self._origin + target,
        )
        browser, cookies = self._mark(request)
        pending = PendingLogin(identity_provider, target, _hash(browser), now if force else None)
        self._logins.put(f"request {message.id}", dump_pending(pending), expires=now + LOGIN_TIME, now=now)
        signer = keys.signer if self._settings.sign_requests or role.want_authn_requests_signed else None
        url = encode_redirect(location, "SAMLRequest", message.to_xml(), signer=signer)
        return url, cookies

    def _mark(self, request: Request) -> tuple[str, tuple[str, ...]]:
        """The token that tells this browser from others, and the cookie to set where it has none yet."""
        known = read_cookie(request.headers.get("cookie"), self._cookie)
        if known:
            return known, ()
        browser = secrets.token_urlsafe(32)
        return browser, (set_cookie(self._cookie, browser, https=self._https),)

    def consume(self, request: Request, registry: Registry, keys: KeyRing, now: datetime) -> Redirect:
        """The assertion consumer service. A cross-site POST: no cookie is read and none is set. What was encrypted for us is opened."""
        fields = parse_form(request.headers.get("content-type"), request.body, _FORM)
        message = decode_post(one(fields, "SAMLResponse", max_length=_FORM.total), optional(fields, "RelayState"))
        issuer = response_issuer(message.element)
        role = registry.idp(issuer, now)
        if role is None:
            raise Refusal("sp.unknown_idp", expected="a home organisation that this resource knows", found=issuer)
        decryption = Decryption(self._settings.entity_id, keys.decrypting)
        accepted = accept_response(
            verify_response_that_may_be_encrypted(message.element, role.signing_keys(), decryption),
            issuer=issuer,
            audience=self._settings.entity_id,
            recipient=f"{self._handlers}/acs",
            now=now,
            timing=self._timing,
        )
        if accepted.in_response_to is None:
            if issuer not in self._settings.allow_unsolicited_from:
                raise Refusal(
                    "sp.unsolicited", expected="an answer to a request of ours", found=f"unsolicited from {issuer}"
                )
        elif self._logins.get(f"request {accepted.in_response_to}", now) is None:
            raise _unknown_request(accepted.in_response_to)
        if not self._replay.first_use(accepted.replay_key, expires=accepted.replay_until, now=now):
            raise Refusal("saml.replayed", expected="an assertion that was not used before", found=accepted.replay_key)
        ticket = secrets.token_urlsafe(32)
        self._tickets.put(ticket, dump_login(_login(accepted)), expires=now + TICKET_TIME, now=now)
        return f"{self._handlers}/finish?{urlencode({'ticket': ticket})}", ()

    def finish(self, request: Request, now: datetime) -> tuple[Login, str]:
        """Same-site: the browser's cookie is here, so the answer can be bound to the request that this browser made.

        Returns the login and the target of its request.
        """
        ticket = one(parse_query(request.query), "ticket", max_length=100)
        stored = self._tickets.get(ticket, now)
        if stored is None:
            raise _used_ticket()
        login = load_login(stored)
        target = self._bound_target(request, login, now) if login.in_response_to is not None else self._first_target
        # Only now, so that another browser that got hold of a ticket can't use it up either.
        if self._tickets.take(ticket, now) is None:
            raise _used_ticket()
        return login, target

    def _bound_target(self, request: Request, login: Login, now: datetime) -> str:
        """Where the request that this login answers wanted to go; it must be this browser's, and is answered once."""
        request_id = login.in_response_to or ""
        key = f"request {request_id}"
        waiting = self._logins.get(key, now)
        if waiting is None:
            raise _unknown_request(request_id)
        pending = load_pending(waiting)
        browser = read_cookie(request.headers.get("cookie"), self._cookie)
        if browser is None or not secrets.compare_digest(_hash(browser), pending.browser):
            raise Refusal(
                "sp.other_browser", expected="the browser that the request was made with", found="another one"
            )
        if pending.identity_provider != login.issuer:
            raise Refusal("saml.issuer", expected=pending.identity_provider, found=login.issuer)
        if pending.not_before is not None and login.authenticated_at < pending.not_before - self._timing.skew:
            # Core 3.4.1: with ForceAuthn nobody may be let in by what she proved before.
            raise Refusal(
                "sp.not_anew", expected=f"a login since {pending.not_before}", found=str(login.authenticated_at)
            )
        if self._logins.take(key, now) is None:
            raise _unknown_request(request_id)
        return pending.target


def _login(accepted: AcceptedResponse) -> Login:
    return Login(
        issuer=accepted.issuer,
        name_id=accepted.name_id,
        authenticated_at=accepted.authn.authn_instant,
        in_response_to=accepted.in_response_to,
        session_index=accepted.authn.session_index,
        authn_context=accepted.authn.context_class,
        session_ends=accepted.authn.session_not_on_or_after,
        attributes=accepted.assertion.attributes,
    )


def _used_ticket() -> Refusal:
    return Refusal("sp.ticket", expected="a ticket that was just issued", found="an unknown or used one")


def _unknown_request(request_id: str) -> Refusal:
    return Refusal("sp.unknown_request", expected="an answer to a request of ours", found=request_id)


def _fits(target: str) -> bool:
    return len(target) <= MAXIMUM_TARGET and len(quote(target, safe="")) <= _MAXIMUM_ENCODED_TARGET


def _hash(browser: str) -> str:
    return sha256(browser.encode()).hexdigest()
