"""Composition of an organisation's several Attribute Authorities: the one of a process, and how it reaches the others."""

from collections.abc import Callable

from attribute_authority.remote import RemoteAuthority, SeveralAuthorities
from attribute_authority.requesters import find_requester_in
from attribute_authority.settings import AttributeAuthoritySettings, OtherAuthoritySettings
from ostiary.clock import Clock
from ostiary.command.watched import watched_handle_keys, watched_keys
from ostiary.federation.keys import load_certificate
from ostiary.federation.registry import Registry
from ostiary.ports import AttributeSource, PersonalChoices
from ostiary.saml.keys import TrustedKey
from ostiary.saml.soap_transport import HttpSoapTransport, SoapTransport
from ostiary.web.log import Log


def other_authorities(
    settings: AttributeAuthoritySettings,
    personal_choices: PersonalChoices,
    *,
    registry: Callable[[], Registry],
    clock: Clock,
    log: Log,
    transport: SoapTransport | None = None,
) -> dict[int, AttributeSource]:
    """The organisation's other authorities by index, as ``settings`` of this one list them. ``transport`` takes the place of HTTP.

    Raises `ConfigurationError` where a key or a certificate can't be used.
    """
    if not settings.others:
        return {}
    key_ring = watched_keys(settings.trust, clock, log)
    handle_keys = watched_handle_keys(settings.handle_keys, clock, log)

    def reach(other: OtherAuthoritySettings) -> RemoteAuthority:
        return RemoteAuthority(
            entity_id=settings.entity_id,
            authority=other.index,
            location=other.location,
            answer_keys=[TrustedKey.from_certificate(load_certificate(path)) for path in other.certificates],
            signer=lambda: key_ring().signer,
            handle_keys=handle_keys,
            transport=transport or HttpSoapTransport(settings.other_timeout, other.tls_authorities),
            find_requester=find_requester_in(registry),
            personal_choices=personal_choices,
        )

    return {other.index: reach(other) for other in settings.others}


def all_authorities(
    settings: AttributeAuthoritySettings, own: AttributeSource, others: dict[int, AttributeSource]
) -> AttributeSource:
    """For the IdP: each request goes to the authority that knows the person; ``own`` is the one of this process."""
    return SeveralAuthorities({**others, settings.authority_index: own}) if others else own
