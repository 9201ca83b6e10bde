"""The ceremonies of WebAuthn Level 2 (7.1, 7.2) with one relying party: the host of the public URL, from exactly its origin.

The user is always verified (by PIN, finger or face), so that a passkey is two factors at once wherever it is used. Which authenticator
made a passkey is not asked for, and what it states about itself is not looked at.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import cbor2
from cryptography.exceptions import UnsupportedAlgorithm
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import options_to_json_dict
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from idp.factors.store import NewPasskey, StoredPasskey
from ostiary.errors import Refusal

MAXIMUM_CREDENTIAL: Final = 16_384
# WebAuthn 7.1, step 25: a longer id is to be refused.
MAXIMUM_CREDENTIAL_ID: Final = 1_023
_TIMEOUT: Final = 120_000
_TRANSPORTS: Final = frozenset(transport.value for transport in AuthenticatorTransport)
# What the libraries raise over octets that are no credential.
_BROKEN: Final = (
    WebAuthnException,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    UnsupportedAlgorithm,
    cbor2.CBORError,
)


@dataclass(frozen=True, slots=True)
class Presented:
    """What a browser brought: the JSON of a PublicKeyCredential, read but not verified. ``user_handle`` is None where the authenticator
    gave none."""

    content: Mapping[str, Any]
    credential_id: bytes
    user_handle: bytes | None


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """``id`` is the host, ``origin`` as browsers write it, ``entity_id`` that of the organisation, ``name`` what people call it."""

    id: str
    origin: str
    entity_id: str
    name: str

    @classmethod
    def of(cls, public_url: str, *, entity_id: str, name: str) -> "RelyingParty":
        """That of a service at this URL (as `PublicUrl` spells it)."""
        parts = urlsplit(public_url)
        return cls(parts.hostname or "", f"{parts.scheme}://{parts.netloc}", entity_id, name)

    def user_handle(self, principal: str) -> bytes:
        """How authenticators know this person (WebAuthn 5.4.3: an opaque id that says nothing about her): 32 bytes."""
        return hashlib.sha256(json.dumps(["passkey user", self.entity_id, principal]).encode()).digest()

    def registration_options(
        self, principal: str, login_name: str, known: Sequence[StoredPasskey], challenge: bytes
    ) -> dict[str, Any]:
        """PublicKeyCredentialCreationOptions as JSON (WebAuthn 5.4). What ``known`` holds is not registered twice."""
        options = generate_registration_options(
            rp_id=self.id,
            rp_name=self.name,
            user_name=login_name,
            user_id=self.user_handle(principal),
            challenge=challenge,
            timeout=_TIMEOUT,
            exclude_credentials=_descriptors(known),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
        )
        return {**options_to_json_dict(options), "extensions": {"credProps": True}}

    def request_options(self, allowed: Sequence[StoredPasskey], challenge: bytes) -> dict[str, Any]:
        """PublicKeyCredentialRequestOptions as JSON (WebAuthn 5.5); with nothing ``allowed`` the person chooses among all that she has."""
        options = generate_authentication_options(
            rp_id=self.id,
            challenge=challenge,
            timeout=_TIMEOUT,
            allow_credentials=_descriptors(allowed),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)

    def registered(self, presented: Presented, challenge: bytes) -> NewPasskey:
        """The passkey that a registration made (WebAuthn 7.1). Raises `Refusal` (``passkey.other_origin``, ``passkey.refused``)."""
        try:
            self._check_origin(presented.content)
            verified = verify_registration_response(
                credential=_without_attestation(presented.content),
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=self.origin,
                require_user_verification=True,
            )
        except _BROKEN as error:
            raise _refused(error) from None
        if len(verified.credential_id) > MAXIMUM_CREDENTIAL_ID:
            raise _refused("a credential id that is too long")
        return NewPasskey(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            transports=_transports(presented.content),
            discoverable=_is_discoverable(presented.content),
        )

    def asserted(self, presented: Presented, challenge: bytes, stored: StoredPasskey) -> int:
        """The counter of an assertion that is good (WebAuthn 7.2); that it rises is `Factors.use_passkey`'s to see.

        Raises `Refusal` (``passkey.other_origin``, ``passkey.refused``).
        """
        if presented.user_handle not in (None, self.user_handle(stored.principal)):
            raise _refused("the user handle of somebody else")
        try:
            self._check_origin(presented.content)
            verified = verify_authentication_response(
                credential=dict(presented.content),
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=self.origin,
                credential_public_key=stored.public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        except _BROKEN as error:
            raise _refused(error) from None
        return verified.new_sign_count

    def _check_origin(self, content: Mapping[str, Any]) -> None:
        """Steps 7.1.9 and 7.2.13, told apart from all else that can be wrong, for this one means that somebody stands in between."""
        client_data = json.loads(_octets(content["response"]["clientDataJSON"]))
        if client_data["origin"] != self.origin or client_data.get("crossOrigin") is True:
            found = f"{client_data['origin']}, crossOrigin {client_data.get('crossOrigin')}"
            raise Refusal("passkey.other_origin", expected=self.origin, found=found[:300])


def read_presented(text: str) -> Presented:
    """The JSON that a form brought. Raises `Refusal` (``passkey.malformed``)."""
    try:
        content = json.loads(text)
        handle = content["response"].get("userHandle")
        presented = Presented(content, _octets(content["rawId"]), _octets(handle) if handle else None)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise Refusal("passkey.malformed", expected="a credential as JSON", found=type(error).__name__) from None
    if len(presented.credential_id) > MAXIMUM_CREDENTIAL_ID:
        raise Refusal("passkey.malformed", expected="a credential id", found=f"{len(presented.credential_id)} bytes")
    return presented


def _without_attestation(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the attestation statement ``none`` (WebAuthn 8.7), as browsers make it for who asks for none: no certificate of an
    authenticator is ever read."""
    response = content["response"]
    attestation = cbor2.loads(_octets(response["attestationObject"]))
    bare = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": attestation["authData"]})
    return {**content, "response": {**response, "attestationObject": _to_text(bare)}}


def _transports(content: Mapping[str, Any]) -> tuple[str, ...]:
    named = content["response"].get("transports")
    return tuple(sorted({name for name in named if name in _TRANSPORTS})) if _are_texts(named) else ()


def _is_discoverable(content: Mapping[str, Any]) -> bool | None:
    """What the extension credProps says (WebAuthn 10.1.3); None where it says nothing. Only a hint, it is not signed."""
    results = content.get("clientExtensionResults")
    properties = results.get("credProps") if isinstance(results, Mapping) else None
    found = properties.get("rk") if isinstance(properties, Mapping) else None
    return found if isinstance(found, bool) else None


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _descriptors(passkeys: Sequence[StoredPasskey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=passkey.credential_id,
            transports=[AuthenticatorTransport(name) for name in passkey.transports] or None,
        )
        for passkey in passkeys
    ]


def _octets(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError("not a text")
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64url") from error


def _to_text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _refused(found: object) -> Refusal:
    return Refusal("passkey.refused", expected="a good answer to our challenge", found=str(found)[:300])
