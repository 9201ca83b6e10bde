"""Composition of a VO's tokens: which keys sign them, whose tokens are taken in exchange, and at which paths that is answered."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from ostiary.command.vo_parts import OneVo
from ostiary.command.watched import LOOK_EVERY, watched
from ostiary.config import Holder, Sources
from ostiary.federation.keys import KeyRing, load_key_ring
from voms.tokens.issuing import TokenAuthority
from voms.tokens.service import TokenService
from voms.tokens.settings import VoTokenSettings
from voms.tokens.subjects import Subjects, TrustedIssuer, load_trusted_issuer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def token_parts(one: OneVo) -> "Mapping[str, WSGIApplication]":
    """Nothing for a VO without ``tokens`` in its configuration. Raises `ConfigurationError` for keys that can't be used."""
    service = make_token_service(one)
    return dict.fromkeys(service.paths, service) if service is not None else {}


def make_token_service(one: OneVo) -> TokenService | None:
    """The token endpoint of a VO; None without ``tokens`` in its configuration. Raises `ConfigurationError` for keys that can't be used."""
    settings = one.settings.tokens
    if settings is None:
        return None
    # At the start, and not with the first token.
    import_module("jose")
    ring = _ring(one, settings)
    subjects = _subjects(one, settings, ring)
    authority = TokenAuthority(one.authority, subjects, one.engine, settings, _issuer(one, settings), ring=ring)
    return TokenService(
        authority, ring=ring, certificate_bound=settings.certificate_bound, log=one.log, clock=one.clock
    )


def token_subjects(one: OneVo) -> Subjects | None:
    """Reads tokens that are shown to a VO; None for one without ``tokens`` in its configuration. Raises `ConfigurationError`."""
    settings = one.settings.tokens
    return _subjects(one, settings, _ring(one, settings)) if settings is not None else None


def _subjects(one: OneVo, settings: VoTokenSettings, ring: Callable[[], KeyRing]) -> Subjects:
    def load_trusted(sources: Sources) -> Mapping[str, TrustedIssuer]:
        found = {}
        for each in settings.trusted_issuers:
            sources.note(each.keys)
            found[each.issuer] = load_trusted_issuer(each)
        return found

    trusted = watched(Holder(load_trusted, every=LOOK_EVERY), one.clock, one.log)
    return Subjects(one.memberships, one.engine, settings, _issuer(one, settings), ring=ring, trusted=trusted)


def _issuer(one: OneVo, settings: VoTokenSettings) -> str:
    return settings.issuer or f"https://{one.settings.host}:{one.settings.port}"


def _ring(one: OneVo, settings: VoTokenSettings) -> Callable[[], KeyRing]:
    return watched(Holder(lambda sources: load_key_ring(settings.keys, sources), every=LOOK_EVERY), one.clock, one.log)
