"""A passkey authenticator in software, as far as tests need one: makes credentials, signs challenges (WebAuthn Level 2, 6.1 and 6.3), and
does whatever a wrong or hostile one would do when told so."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Credential:
    """One passkey. ``counter`` None: it counts nothing, as passkeys that are copied between devices."""

    rp_id: str
    user_handle: bytes
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    counter: int | None = 0


@dataclass
class SoftwareAuthenticator:
    """``origin`` is what its browser says that the page is from."""

    origin: str
    verifies_user: bool = True
    cross_origin: bool = False
    credentials: list[Credential] = field(default_factory=list)

    def create(
        self,
        options: dict[str, Any],
        *,
        rp_id: str | None = None,
        credential_id: bytes | None = None,
        **changes: Any,
    ) -> str:
        """The answer of ``navigator.credentials.create``, as the page's script sends it. ``changes``: of the client data."""
        made = Credential(rp_id or options["rp"]["id"], to_bytes(options["user"]["id"]))
        if credential_id is not None:
            made.id = credential_id
        self.credentials.append(made)
        numbers = made.key.public_key().public_numbers()
        public_key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(made.id).to_bytes(2, "big") + made.id + cbor2.dumps(public_key)
        data = self._data(made, ATTESTED) + attested
        return json.dumps(
            {
                "id": to_text(made.id),
                "rawId": to_text(made.id),
                "type": "public-key",
                "response": {
                    "clientDataJSON": to_text(self.client_data("webauthn.create", options["challenge"], **changes)),
                    "attestationObject": to_text(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
                    "transports": ["internal", "hybrid"],
                },
                "clientExtensionResults": {"credProps": {"rk": True}},
            }
        )

    def get(
        self, options: dict[str, Any], credential: Credential | None = None, *, rp_id: str | None = None, **changes: Any
    ) -> str:
        """The answer of ``navigator.credentials.get``: the latest credential signs, unless told otherwise."""
        used = credential or self.credentials[-1]
        if used.counter is not None:
            used.counter += 1
        data = self._data(used, 0, rp_id=rp_id)
        client_data = self.client_data("webauthn.get", options["challenge"], **changes)
        signed = data + hashlib.sha256(client_data).digest()
        return json.dumps(
            {
                "id": to_text(used.id),
                "rawId": to_text(used.id),
                "type": "public-key",
                "response": {
                    "clientDataJSON": to_text(client_data),
                    "authenticatorData": to_text(data),
                    "signature": to_text(used.key.sign(signed, ec.ECDSA(hashes.SHA256()))),
                    "userHandle": to_text(used.user_handle),
                },
                "clientExtensionResults": {},
            }
        )

    def client_data(self, kind: str, challenge: str, /, **changes: Any) -> bytes:
        """CollectedClientData (5.8.1)."""
        content = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin}
        return json.dumps({**content, **changes}).encode()

    def _data(self, credential: Credential, flags: int, *, rp_id: str | None = None) -> bytes:
        flags |= USER_PRESENT | (USER_VERIFIED if self.verifies_user else 0)
        party = hashlib.sha256((rp_id or credential.rp_id).encode()).digest()
        return party + bytes([flags]) + (credential.counter or 0).to_bytes(4, "big")


def to_bytes(text: str) -> bytes:
    """base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def to_text(octets: bytes) -> str:
    """The other way."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
