"""What every AuthnRequest of a resource says (SAML core 3.4.1), for browsers and for programs. Sends and keeps none."""

from datetime import datetime

from ostiary.saml import names
from ostiary.saml.protocol import AuthnRequest, new_id
from sp_shire.addresses import Addresses
from sp_shire.login.consumers import Consumer
from sp_shire.login.targets import told
from sp_shire.login.wishes import Wishes
from sp_shire.settings import ShireSettings


def authn_request(
    settings: ShireSettings,
    addresses: Addresses,
    consumer: Consumer,
    target: str,
    wishes: Wishes,
    *,
    destination: str | None,
    now: datetime,
) -> AuthnRequest:
    """A request for a login as ``wishes`` has it, whose answer comes to ``consumer`` and which leads to the path ``target``.
    ``destination``: where it goes, None where whoever carries it chooses."""
    page = told(target)
    return AuthnRequest(
        id=new_id(),
        issuer=settings.entity_id,
        issue_instant=now,
        destination=destination,
        acs_url=addresses.handler(consumer.handler),
        protocol_binding=consumer.binding,
        nameid_format=names.TRANSIENT,
        force_authn=wishes.force,
        is_passive=wishes.passive,
        requested_context=wishes.requested_context,
        target=addresses.origin + page if page is not None else None,
        attribute_index=settings.attribute_index,
    )
