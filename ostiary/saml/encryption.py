"""Encrypts an assertion or a NameID for one recipient (SAML core 2.2.4, 2.3.4; XML Encryption 1.1). Sign before, never after.

Data by AES-GCM, its key by RSA-OAEP; which of them is chosen in `encryption_methods`. CBC is written where that choice says so. RSA 1.5
is not written at all.
"""

import base64
import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ostiary.saml import names
from ostiary.saml.encryption_methods import CBC_BITS, DEFAULT_ENCRYPTION, GCM_BITS, Encryption
from ostiary.saml.keys import TrustedKey
from ostiary.saml.xml import Element, add, make, qname, to_bytes

NONCE_BYTES: Final = 12
BLOCK_BYTES: Final = 16
DIGESTS: Final[dict[str, hashes.HashAlgorithm]] = {
    names.SHA1: hashes.SHA1(),  # noqa: S303
    names.SHA256: hashes.SHA256(),
    names.SHA384: hashes.SHA384(),
    names.SHA512: hashes.SHA512(),
}
MASKS: Final[dict[str, hashes.HashAlgorithm]] = {
    names.MGF1_SHA1: hashes.SHA1(),  # noqa: S303
    names.MGF1_SHA256: hashes.SHA256(),
    names.MGF1_SHA384: hashes.SHA384(),
    names.MGF1_SHA512: hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """For whom: the entityID, an RSA key of hers, and the algorithms that she reads."""

    entity_id: str
    key: TrustedKey
    encryption: Encryption = DEFAULT_ENCRYPTION


def encrypt_assertion(assertion: Element, recipient: Recipient) -> Element:
    """A saml:EncryptedAssertion that holds ``assertion`` with all namespace declarations that are in scope where it stands, so that
    whatever it is decrypted into, it says the same. The tree it stands in is not changed.

    Raises `Refusal` (``key.unusable``) for a key that is not RSA.
    """
    return _encrypt(assertion, "Assertion", "EncryptedAssertion", recipient)


def encrypt_name_id(name_id: Element, recipient: Recipient) -> Element:
    """A saml:EncryptedID that holds a saml:NameID; as `encrypt_assertion`."""
    return _encrypt(name_id, "NameID", "EncryptedID", recipient)


def oaep(digest: str, mask: str, label: bytes | None = None) -> padding.OAEP:
    """RSA-OAEP with these algorithms (XML Encryption 1.1, 5.5.2)."""
    return padding.OAEP(mgf=padding.MGF1(MASKS[mask]), algorithm=DIGESTS[digest], label=label)


def _encrypt(element: Element, kind: str, holder: str, recipient: Recipient) -> Element:
    if element.tag != qname(names.SAML, kind):
        raise ValueError(f"only a saml:{kind} goes into a saml:{holder}")
    chosen = recipient.encryption
    key = secrets.token_bytes((GCM_BITS.get(chosen.cipher) or CBC_BITS[chosen.cipher]) // 8)
    data = _encrypt_data(chosen.cipher, key, to_bytes(element))

    written = make(names.SAML, holder)
    encrypted_data = make(names.XENC, "EncryptedData", "ds", Type=names.ENCRYPTED_ELEMENT)
    written.append(encrypted_data)
    add(encrypted_data, names.XENC, "EncryptionMethod", Algorithm=chosen.cipher)
    key_info = add(encrypted_data, names.DS, "KeyInfo")
    encrypted_key = add(key_info, names.XENC, "EncryptedKey", Recipient=recipient.entity_id)
    _write_transport(encrypted_key, chosen)
    _write_value(encrypted_key, recipient.key.encrypt(key, oaep(chosen.digest, chosen.mask)))
    _write_value(encrypted_data, data)
    return written


def _write_transport(encrypted_key: Element, chosen: Encryption) -> None:
    method = add(encrypted_key, names.XENC, "EncryptionMethod", Algorithm=chosen.transport)
    add(method, names.DS, "DigestMethod", Algorithm=chosen.digest)
    if chosen.transport == names.RSA_OAEP:
        method.append(make(names.XENC11, "MGF", Algorithm=chosen.mask))


def _write_value(parent: Element, octets: bytes) -> None:
    add(add(parent, names.XENC, "CipherData"), names.XENC, "CipherValue", base64.b64encode(octets).decode("ascii"))


def _encrypt_data(cipher: str, key: bytes, octets: bytes) -> bytes:
    """XML Encryption 1.1, 5.2.2 (CBC: the vector, then the padded text) and 5.2.4 (GCM: nonce, text, tag)."""
    if cipher in GCM_BITS:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(key).encrypt(nonce, octets, None)
    vector = secrets.token_bytes(BLOCK_BYTES)
    missing = BLOCK_BYTES - len(octets) % BLOCK_BYTES
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    return vector + encryptor.update(octets + bytes(missing - 1) + bytes([missing])) + encryptor.finalize()
