"""How the browser takes a message of ours to another site: by a redirect, or by a form. Decides nothing."""

from dataclasses import dataclass

from ostiary.saml import names
from ostiary.saml.bindings import Parameter, encode_post, encode_redirect
from ostiary.saml.keys import Signer
from ostiary.saml.signature import sign
from ostiary.saml.xml import Element


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes with a message: by redirect to ``url``, or by a form with these ``fields``."""

    url: str
    fields: tuple[tuple[str, str], ...] = ()


def departure_by(
    binding: str, location: str, parameter: Parameter, message: Element, relay_state: str | None, signer: Signer | None
) -> Departure:
    """By HTTP-Redirect (SAML bindings 3.4), by HTTP-POST (3.5) for any other ``binding``. Without ``signer`` it is not signed."""
    if binding == names.HTTP_REDIRECT:
        return Departure(encode_redirect(location, parameter, message, relay_state=relay_state, signer=signer))
    if signer is not None:
        sign(message, signer)
    fields: list[tuple[str, str]] = [(parameter, encode_post(message))]
    if relay_state is not None:
        fields.append(("RelayState", relay_state))
    return Departure(location, tuple(fields))
