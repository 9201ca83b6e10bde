"""Rules for identity providers: bindings, scopes, the page for errors, hints for discovery. Pure functions."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from ostiary.errors import Refusal
from ostiary.federation.validation.addresses import is_domain, split_address
from ostiary.federation.validation.descriptor import EntityView, RoleView, all_of, first_of, words_of
from ostiary.federation.validation.findings import Complaint, complain
from ostiary.policy.patterns import compile_pattern
from ostiary.saml import names
from ostiary.saml.xml import Element

# Names that no federation registers for one member: a pattern that matches two of them matches whatever somebody likes.
_STRANGERS: Final = ("q7.zz", "attacker.q7x", "x1.y2.z3.w4")
_ANY_CHARACTER: Final = re.compile(r"(?<!\\)\.(?![*+?{])")
_CLASSES: Final = re.compile(r"\[[^\]]*\]")
_GEO: Final = re.compile(r"geo:(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)(?:,-?\d+(?:\.\d+)?)?(?:;.*)?")


def idp_rules(view: EntityView) -> Iterator[Complaint]:
    """SAML2Int 2.0 (IdP), SDP-MD12, SDP-SP18, MDUI 2.2, REFEDS Hide From Discovery."""
    for role in view.of("idp"):
        services = all_of(role.element, names.MD, "SingleSignOnService")
        if not any(one.get("Binding") == names.HTTP_REDIRECT for one in services):
            yield complain("idp.redirect_missing", role.element)
        yield from _error_page(role)
        yield from _hints(role)
        hidden = view.categories.get(names.HIDE_FROM_DISCOVERY)
        if hidden is not None:
            yield complain("idp.hidden", hidden)
    yield from _scopes(view)


def _error_page(role: RoleView) -> Iterator[Complaint]:
    url = role.element.get("errorURL")
    if not url:
        yield complain("idp.error_url_missing", role.element)
        return
    parts = split_address(url)
    if parts is None or parts.scheme != "https":
        yield complain("idp.error_url", role.element, found=url)


def _scopes(view: EntityView) -> Iterator[Complaint]:
    """Scopes of the IdP and of its Attribute Authority, and those of the entity, which count for both."""
    shared = list(all_of(view.extensions, names.SHIBMD, "Scope"))
    for scope in shared:
        yield from _scope(scope)
    for role in view.of("idp", "aa"):
        own = list(all_of(role.extensions, names.SHIBMD, "Scope"))
        for scope in own:
            yield from _scope(scope)
        if role.kind == "idp" and not own and not shared:
            yield complain("idp.scope_missing", role.element)


def _scope(scope: Element) -> Iterator[Complaint]:
    text = words_of(scope)
    if scope.get("regexp") in ("true", "1"):
        yield complain("idp.scope_regexp", scope, found=text)
        yield from _pattern(scope, text)
    elif "." not in text and re.fullmatch(r"[a-z0-9-]+", text):
        yield complain("idp.scope_too_wide", scope, found=text)
    elif not is_domain(text):
        yield complain("idp.scope_domain", scope, found=text or "-")


def _pattern(scope: Element, text: str) -> Iterator[Complaint]:
    try:
        pattern = compile_pattern(text)
    except Refusal:
        # The same bounded language in which scopes are compared: what is outside of it covers nothing.
        yield complain("idp.scope_regexp_unusable", scope, found=text or "-")
        return
    if not (text.startswith("^") and text.endswith("$")):
        yield complain("idp.scope_unanchored", scope, found=text)
    if _ANY_CHARACTER.search(_CLASSES.sub("", text)):
        yield complain("idp.scope_unescaped_dot", scope, found=text)
    if sum(pattern.matches(stranger) for stranger in _STRANGERS) > 1:
        yield complain("idp.scope_too_wide", scope, found=text)


def _hints(role: RoleView) -> Iterator[Complaint]:
    hints = first_of(role.extensions, names.MDUI, "DiscoHints")
    for kind, good in (("IPHint", _is_network), ("DomainHint", is_domain), ("GeolocationHint", _is_place)):
        for hint in all_of(hints, names.MDUI, kind):
            if not good(words_of(hint)):
                yield complain("idp.hint", hint, kind=kind, found=words_of(hint) or "-")


def _is_network(text: str) -> bool:
    try:
        return "/" in text and ipaddress.ip_network(text, strict=False).prefixlen > 0
    except ValueError:
        return False


def _is_place(text: str) -> bool:
    """RFC 5870 3.3, in degrees."""
    found = _GEO.fullmatch(text)
    return found is not None and abs(float(found[1])) <= 90 and abs(float(found[2])) <= 180
