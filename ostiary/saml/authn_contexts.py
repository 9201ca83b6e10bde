"""How strong authentication context classes are, and which class answers a request. Says nothing of how anybody logs in."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.saml import names
from ostiary.saml.protocol import RequestedAuthnContext

# What `minimum`, `better` and `maximum` compare (SAML core 3.3.2.2.1). A class that does not stand here compares with none.
STRENGTH: Final[Mapping[str, int]] = MappingProxyType(
    {
        names.UNSPECIFIED_CONTEXT: 0,
        names.PASSWORD: 1,
        names.PASSWORD_PROTECTED_TRANSPORT: 2,
        names.KERBEROS: 2,
        names.REFEDS_SFA: 2,
        names.TLS_CLIENT: 3,
        names.REFEDS_MFA: 4,
    }
)


def answers(context_class: str, requested: RequestedAuthnContext) -> bool:
    """Whether this class is an answer to the request (SAML core 3.3.2.2.1)."""
    if requested.comparison == "exact":
        return context_class in requested.classes
    if context_class not in STRENGTH:
        return False
    ours = STRENGTH[context_class]
    known = [STRENGTH[wanted] for wanted in requested.classes if wanted in STRENGTH]
    match requested.comparison:
        case "minimum":
            return any(ours >= wanted for wanted in known)
        case "maximum":
            return any(ours <= wanted for wanted in known)
        case "better":
            return len(known) == len(requested.classes) > 0 and all(ours > wanted for wanted in known)
    return False
