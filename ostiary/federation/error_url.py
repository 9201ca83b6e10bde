"""The address of a home organisation's own page about errors, told what happened (REFEDS, "SAML V2.0 Metadata Deployment Profile for
errorURL" 1.0). Tells nothing about the person."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote

ErrorCode = Literal["IDENTIFICATION_FAILURE", "AUTHENTICATION_FAILURE", "AUTHORIZATION_FAILURE", "OTHER_ERROR"]

MAX_CONTEXT = 500
_PLACEHOLDER = re.compile("ERRORURL_(CODE|TS|RP|TID|CTX)")


@dataclass(frozen=True, slots=True)
class Happening:
    """What a home organisation may be told. ``at``: when; ``relying_party``: the resource's entityID; ``transaction``: the number under
    which its log has it; ``context``: names of attributes, classes of logins or the like, None for nothing."""

    code: ErrorCode
    at: datetime
    relying_party: str
    transaction: str
    context: str | None = None


def filled(error_url: str, happening: Happening) -> str:
    """The address with its placeholders replaced, each value percent-encoded; an address without placeholders as it is.

    What there is nothing for keeps its placeholder (2.2). Whether it is an http(s) address is looked at when metadata is read.
    """
    values = {
        "ERRORURL_CODE": happening.code,
        "ERRORURL_TS": str(int(happening.at.timestamp())),
        "ERRORURL_RP": happening.relying_party,
        "ERRORURL_TID": happening.transaction,
        "ERRORURL_CTX": happening.context[:MAX_CONTEXT] if happening.context else None,
    }
    return _PLACEHOLDER.sub(lambda found: _encoded(values[found[0]], found[0]), error_url)


def _encoded(value: str | None, placeholder: str) -> str:
    return placeholder if value is None else quote(value, safe="")
