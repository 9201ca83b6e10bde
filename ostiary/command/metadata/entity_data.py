"""One entity for people and for programs: the same facts, as data. Decides nothing, trusts nothing."""

from typing import Any

from ostiary.command.metadata.changes import endpoints_of, key_fingerprint, roles_of
from ostiary.command.metadata.pinning import described
from ostiary.federation.model import AaRole, Display, Entity, EntityKey, IdpRole, LocalizedText, Role, SpRole, SsoRole

_MOST_LOGO = 200


def entity_data(entity: Entity) -> dict[str, Any]:
    """Everything that is shown of an entity, ready for JSON."""
    return {
        "entity_id": entity.entity_id,
        "name": entity.name(),
        "valid_until": entity.valid_until.isoformat() if entity.valid_until else None,
        "registration": {
            "authority": entity.registration_authority,
            "instant": entity.registration_instant.isoformat() if entity.registration_instant else None,
            "policies": _texts(entity.registration_policies),
        },
        "entity_attributes": {name: list(values) for name, values in entity.entity_attributes},
        "organization": {
            "names": _texts(entity.organization_formal_names),
            "display_names": _texts(entity.organization_names),
            "urls": _texts(entity.organization_urls),
        },
        "contacts": [
            {
                "type": one.kind,
                "security": one.for_security,
                "name": one.name,
                "company": one.company,
                "emails": list(one.emails),
                "telephones": list(one.telephones),
            }
            for one in entity.contacts
        ],
        "roles": {name: _role(role) for name, role in roles_of(entity)},
    }


def _role(role: Role) -> dict[str, Any]:
    data: dict[str, Any] = {
        "valid_until": role.valid_until.isoformat() if role.valid_until else None,
        "protocols": list(role.protocols),
        "error_url": role.error_url,
        "display": _display(role.display),
        "keys": [_key(one) for one in role.keys],
        "endpoints": [
            {
                "kind": kind,
                "binding": one.binding,
                "location": one.location,
                "response_location": one.response_location,
                "index": one.index,
                "default": one.is_default,
            }
            for kind, one in endpoints_of(role)
        ],
        "nameid_formats": list(role.nameid_formats),
        "digest_methods": list(role.digest_methods),
        "signing_methods": [one.algorithm for one in role.signing_methods],
    }
    if isinstance(role, IdpRole | AaRole):
        data["scopes"] = [{"scope": one.value, "regexp": one.is_pattern} for one in role.scopes]
    if isinstance(role, IdpRole):
        data["want_authn_requests_signed"] = role.want_authn_requests_signed
    if isinstance(role, SpRole):
        data["authn_requests_signed"] = role.authn_requests_signed
        data["want_assertions_signed"] = role.want_assertions_signed
        data["requests"] = [
            {
                "index": service.index,
                "names": _texts(service.names),
                "attributes": [
                    {
                        "name": one.name,
                        "friendly_name": one.friendly_name,
                        "required": one.required,
                        "values": list(one.values),
                    }
                    for one in service.requested
                ],
            }
            for service in role.attribute_consuming
        ]
    if not isinstance(role, SsoRole):
        data.pop("error_url")
    return data


def _display(display: Display) -> dict[str, Any]:
    return {
        "names": _texts(display.names),
        "descriptions": _texts(display.descriptions),
        "keywords": _texts(display.keywords),
        "logos": [{"url": one.url[:_MOST_LOGO], "width": one.width, "height": one.height} for one in display.logos],
        "information_urls": _texts(display.information_urls),
        "privacy_statement_urls": _texts(display.privacy_statement_urls),
        "ip_hints": list(display.ip_hints),
        "domain_hints": list(display.domain_hints),
        "geolocation_hints": list(display.geolocation_hints),
    }


def _key(key: EntityKey) -> dict[str, Any]:
    """Dates and subject are for people alone: a certificate only carries its key, and what ends trust is validUntil."""
    data: dict[str, Any] = {
        "use": key.use,
        "key_sha256": key_fingerprint(key.key.spki),
        "encryption_methods": [one.algorithm for one in key.encryption_methods],
    }
    if key.certificate is not None:
        found = described(key.certificate)
        data["certificate"] = {
            "sha256": found.fingerprint,
            "subject": found.subject,
            "key": found.key,
            "not_before": found.not_before.isoformat(),
            "not_after": found.not_after.isoformat(),
        }
    return data


def _texts(texts: tuple[LocalizedText, ...]) -> dict[str, str]:
    return {one.lang: one.text for one in texts}
