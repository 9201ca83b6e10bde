"""This IdP's role as its metadata publishes it. The roof makes the entity of it, and adds the Attribute Authority's role."""

from collections.abc import Mapping

from idp.logout.settings import logout_rules
from idp.settings import ARTIFACT_PATH, UNSOLICITED_PATH, IdpSettings
from idp.sign_on.artifacts import ENDPOINT_INDEX
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Display, Endpoint, IdpRole, LocalizedText, Scope
from ostiary.saml import names


def idp_role(settings: IdpSettings, key_ring: KeyRing) -> IdpRole:
    """IDPSSODescriptor (SAML metadata 2.4.3): its endpoints, all published keys, the scopes, what people are shown."""
    organisation, rules = settings.organisation, settings.rules()
    return IdpRole(
        keys=key_ring.published,
        display=Display(
            names=_localized(organisation.name),
            descriptions=_localized(organisation.description),
            domain_hints=organisation.domains,
        ),
        nameid_formats=settings.identifiers.formats(),
        single_sign_on=(
            Endpoint(names.HTTP_REDIRECT, rules.redirect_url),
            Endpoint(names.HTTP_POST, rules.post_url),
            Endpoint(names.HTTP_POST_SIMPLE_SIGN, rules.simple_sign_url),
            # Programs bring a password.
            *((Endpoint(names.SOAP, rules.ecp_url),) if "password" in rules.methods else ()),
            # Where a WAYF sends the browser itself; the answer is a Response of SAML 2.0.
            Endpoint(names.SHIBBOLETH_REQUEST, settings.public_url + UNSOLICITED_PATH),
        ),
        artifact_resolution=(
            Endpoint(names.SOAP, settings.public_url + ARTIFACT_PATH, index=ENDPOINT_INDEX, is_default=True),
        ),
        single_logout=tuple(
            Endpoint(binding, location)
            for binding, location in logout_rules(settings.entity_id, settings.public_url).locations.items()
        ),
        scopes=tuple(Scope(scope) for scope in settings.scopes),
        want_authn_requests_signed=settings.want_authn_requests_signed,
    )


def _localized(texts: Mapping[str, str]) -> tuple[LocalizedText, ...]:
    return tuple(LocalizedText(text, lang) for lang, text in texts.items())
