"""Names under which the resource itself speaks to the application, names that mean something else already, and how servers fold them.
Decides what no attribute may be called."""

import re
from typing import Final

# What the application is told besides attributes.
ISSUER_NAME: Final = "OSTIARY_IDP"
AUTHENTICATED_NAME: Final = "OSTIARY_AUTHENTICATED_AT"
CONTEXT_NAME: Final = "OSTIARY_AUTHN_CONTEXT"
# When her session ends at the latest, and when if nobody uses it any more; a certificate has neither.
ENDS_NAME: Final = "OSTIARY_SESSION_ENDS"
IDLE_NAME: Final = "OSTIARY_SESSION_IDLE_UNTIL"
OWN_NAMES: Final = (ISSUER_NAME, AUTHENTICATED_NAME, CONTEXT_NAME, ENDS_NAME, IDLE_NAME, "REMOTE_USER", "AUTH_TYPE")

_NEITHER_LETTER_NOR_DIGIT: Final = re.compile("[^A-Z0-9]")
# Headers that the SHIRE itself reads: forged attributes are removed before, and these would go with them.
_OWN_HEADERS: Final = frozenset(
    {
        "ACCEPT",
        "ACCEPT_LANGUAGE",
        "COOKIE",
        "HOST",
        "IF_NONE_MATCH",
        "ORIGIN",
        "SEC_FETCH_DEST",
        "SEC_FETCH_MODE",
        "SEC_FETCH_SITE",
        "USER_AGENT",
        "X_REQUESTED_WITH",
    }
)
# Headers about the message and its way, not about who sent it (RFC 9110 7).
_MESSAGE_HEADERS: Final = frozenset(
    {
        "AUTHORIZATION",
        "CONNECTION",
        "EXPECT",
        "FORWARDED",
        "KEEP_ALIVE",
        "TE",
        "TRAILER",
        "TRANSFER_ENCODING",
        "UPGRADE",
        "VIA",
    }
)
_MESSAGE_PREFIXES: Final = ("CONTENT_", "PROXY_", "X_FORWARDED_")
_CGI_NAMES: Final = frozenset(
    {
        "AUTH_TYPE",
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "PATH_INFO",
        "PATH_TRANSLATED",
        "QUERY_STRING",
        "REMOTE_ADDR",
        "REMOTE_HOST",
        "REMOTE_USER",
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
        "SERVER_SOFTWARE",
    }
)


def folded_name(name: str) -> str:
    """The spelling into which some server may fold a header's name: upper case, ``_`` for whatever is neither letter nor digit."""
    return _NEITHER_LETTER_NOR_DIGIT.sub("_", name.upper())


def is_taken(name: str) -> bool:
    """Whether the server, the message or the SHIRE itself uses this name, in some spelling."""
    folded = folded_name(name)
    return folded in _CGI_NAMES | _OWN_HEADERS | _MESSAGE_HEADERS or folded.startswith(_MESSAGE_PREFIXES)
