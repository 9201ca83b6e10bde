"""This IdP's role as its metadata publishes it. The roof makes the entity of it, and adds the Attribute Authority's role."""

from idp.logout.settings import logout_rules
from idp.settings import ARTIFACT_PATH, UNSOLICITED_PATH, IdpSettings
from idp.sign_on.artifacts import ENDPOINT_INDEX
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Display, Endpoint, IdpRole, LocalizedText, Scope
from ostiary.federation.publish.about import by_language, logos_of
from ostiary.saml import names


def idp_role(settings: IdpSettings, key_ring: KeyRing) -> IdpRole:
    """IDPSSODescriptor (SAML metadata 2.4.3): its endpoints, all published keys, the scopes, what people are shown."""
    organisation, rules, published = settings.organisation, settings.rules(), settings.published
    return IdpRole(
        keys=key_ring.published,
        display=Display(
            names=by_language(organisation.name),
            descriptions=by_language(organisation.description),
            keywords=tuple(
                # An xs:anySimpleType list: what stands in one word there is joined by plus signs (mdui 2.1.2).
                LocalizedText(" ".join("+".join(text.split()) for text in texts), language)
                for language, texts in published.keywords.items()
            ),
            logos=logos_of(published.logos),
            information_urls=by_language(published.information_url or {}),
            privacy_statement_urls=by_language(published.privacy_statement_url or {}),
            domain_hints=organisation.domains,
        ),
        error_url=published.error_url,
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
