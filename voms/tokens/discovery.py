"""The documents by which others find the token endpoint and the keys: RFC 8414 and OpenID Connect Discovery 1.0. Pure."""

from typing import Any, Final
from urllib.parse import urlsplit

from voms.tokens.asked import CLIENT_CREDENTIALS, TOKEN_EXCHANGE
from voms.tokens.scopes import ATTRIBUTES, GROUPS, MANAGE, READ, VERSION, WITH_PATH, WITHOUT_PATH

TOKEN_PATH: Final = "/token"  # noqa: S105 - an address
KEYS_PATH: Final = "/jwks"
OPENID: Final = "/.well-known/openid-configuration"
OAUTH: Final = "/.well-known/oauth-authorization-server"


def base_path(issuer: str) -> str:
    """The path of an issuer's URL; empty for a bare host."""
    return urlsplit(issuer).path.rstrip("/")


def discovery_paths(issuer: str) -> frozenset[str]:
    """Where its documents are: OpenID Connect puts the well-known name after the issuer's path, RFC 8414 3.1 before it."""
    base = base_path(issuer)
    return frozenset((f"{base}{OPENID}", f"{OAUTH}{base}", f"{OPENID}{base}"))


def discovery_document(issuer: str, algorithms: tuple[str, ...], *, certificate_bound: bool) -> dict[str, Any]:
    """What the issuer can do. There is no login page here, so no authorization endpoint and no ID tokens."""
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}{TOKEN_PATH}",
        "jwks_uri": f"{issuer}{KEYS_PATH}",
        "grant_types_supported": [CLIENT_CREDENTIALS, TOKEN_EXCHANGE],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["tls_client_auth", "none"],
        "scopes_supported": [GROUPS, *WITH_PATH, *WITHOUT_PATH, ATTRIBUTES, READ, MANAGE, f"wlcg:{VERSION}"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(algorithms),
        "claims_supported": ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "wlcg.ver", GROUPS],
        "tls_client_certificate_bound_access_tokens": certificate_bound,
    }
