"""A request to the token endpoint, read strictly and within bounds. Decides nothing. RFC 6749 3.2, RFC 8693 2.1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ostiary.errors import Refusal
from ostiary.tokens import MAXIMUM_TOKEN
from ostiary.web.forms import Fields, FormLimits, optional, parse_form
from voms.tokens.scopes import MAXIMUM_SCOPE, Scopes, read_scopes

CLIENT_CREDENTIALS: Final = "client_credentials"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name of the standard
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name of the standard
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name of the standard

MAXIMUM_AUDIENCES: Final = 10
MAXIMUM_AUDIENCE: Final = 512
_LIMITS: Final = FormLimits(total=48 * 1024, fields=40)
# Who proves herself by a secret, or acts for somebody else, expects something that there is not here.
_REFUSED: Final = ("client_secret", "client_assertion", "actor_token")


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """``scopes`` None: what is usual. ``audience``: for whom the token shall be, empty for nobody in particular. ``subject_token``: the one
    that is exchanged, None for who shows a certificate."""

    grant_type: Literal["client_credentials", "token_exchange"]
    scopes: Scopes | None = None
    audience: tuple[str, ...] = ()
    subject_token: str | None = None
    client_id: str | None = None

    @property
    def is_exchange(self) -> bool:
        """Whether a token is shown."""
        return self.grant_type == "token_exchange"


def read_token_request(content_type: str | None, body: bytes) -> TokenRequest:
    """Raises `Refusal` (``voms.token_*``, ``http.*``), `TooLarge` (``http.too_large``)."""
    fields = parse_form(content_type, body, _LIMITS)
    named = optional(fields, "grant_type")
    if named not in (CLIENT_CREDENTIALS, TOKEN_EXCHANGE):
        raise Refusal(
            "voms.token_grant_type", expected=f"{CLIENT_CREDENTIALS} or token-exchange", found=named or "none"
        )
    for name in _REFUSED:
        if name in fields:
            raise _wrong(f"no {name}", "one", name)
    scope = optional(fields, "scope", max_length=MAXIMUM_SCOPE)
    exchange = named == TOKEN_EXCHANGE
    return TokenRequest(
        grant_type="token_exchange" if exchange else "client_credentials",
        scopes=read_scopes(scope) if scope and scope.strip() else None,
        audience=_audience([field.value for field in fields if field.name in ("audience", "resource")]),
        subject_token=_subject(fields) if exchange else None,
        client_id=optional(fields, "client_id", max_length=1024) or None,
    )


def _subject(fields: Fields) -> str:
    token = optional(fields, "subject_token", max_length=MAXIMUM_TOKEN)
    if not token:
        raise _wrong("a subject_token", "none", "subject_token")
    if optional(fields, "subject_token_type") not in (ACCESS_TOKEN, JWT, ID_TOKEN):
        raise _wrong("a type of token that is taken here", "another", "subject_token_type")
    if optional(fields, "requested_token_type") not in (None, "", ACCESS_TOKEN, JWT):
        raise _wrong(ACCESS_TOKEN, "another", "requested_token_type")
    return token


def _audience(values: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(values))
    if len(found) > MAXIMUM_AUDIENCES:
        raise Refusal("voms.token_audience", expected=f"at most {MAXIMUM_AUDIENCES}", found=len(found))
    for each in found:
        if not 0 < len(each) <= MAXIMUM_AUDIENCE or not all("!" <= char <= "~" and char not in '"\\' for char in each):
            raise Refusal("voms.token_audience", expected="a URL or a name", found=repr(each[:80]))
    return found


def _wrong(expected: str, found: str, name: str) -> Refusal:
    return Refusal("voms.token_request", expected=expected, found=found, name=name)
