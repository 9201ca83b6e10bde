"""Opens an EncryptedAssertion or EncryptedID (SAML core 2.2.4, 2.3.4). Decides nothing about who wrote it: verify signatures as well.

Whatever goes wrong once a private key is in use is one refusal, ``encryption.failed``, without a reason: a sender who could tell a
wrong key from a wrong text could have us decrypt for him. Other refusals speak only of what stands there in the clear.
"""

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from ostiary.errors import OstiaryError, Refusal
from ostiary.saml import names
from ostiary.saml.encryption import BLOCK_BYTES, DIGESTS, MASKS, NONCE_BYTES, oaep
from ostiary.saml.encryption_methods import CBC_BITS, GCM_BITS
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import SignedMessage
from ostiary.saml.xml import Element, child, children, parse_xml, qname, required_child, text_of

MAXIMUM_ENCRYPTED_KEYS: Final = 4
MAXIMUM_PRIVATE_KEYS: Final = 8
_TAG_BYTES: Final = 16


class Decryption(NamedTuple):
    """What the recipient has: ``recipient``, her entityID, and her private RSA keys (current, next, retired), at most
    `MAXIMUM_PRIVATE_KEYS`.

    ``allow_cbc_for_this_partner``: also CBC, which anybody can change unnoticed, so only inside a message whose signature was
    verified over the ciphertext.
    """

    recipient: str
    keys: tuple[rsa.RSAPrivateKey, ...]
    allow_cbc_for_this_partner: bool = False


def decrypt_assertion(encrypted: Element, decryption: Decryption, outer: SignedMessage | None = None) -> Element:
    """The saml:Assertion in a saml:EncryptedAssertion, schema-checked, in a document of its own below a root that carries all namespace
    declarations that were in scope. ``outer``: the proof of the message that ``encrypted`` stands in, where it was signed.

    Raises `Refusal`: ``encryption.structure``, ``encryption.algorithm``, ``encryption.failed``.
    """
    return _decrypt(encrypted, "EncryptedAssertion", "Assertion", decryption, outer)


def decrypt_name_id(encrypted: Element, decryption: Decryption, outer: SignedMessage | None = None) -> Element:
    """The saml:NameID in a saml:EncryptedID; as `decrypt_assertion`."""
    return _decrypt(encrypted, "EncryptedID", "NameID", decryption, outer)


@dataclass(frozen=True, slots=True)
class _WrappedKey:
    """The key of the data as it was encrypted for us."""

    octets: bytes
    padding: padding.OAEP


def _decrypt(
    encrypted: Element, holder: str, kind: str, decryption: Decryption, outer: SignedMessage | None
) -> Element:
    if encrypted.tag != qname(names.SAML, holder):
        raise Refusal("encryption.structure", expected=f"saml:{holder}", found=encrypted.tag)
    data = required_child(encrypted, names.XENC, "EncryptedData")
    if data.get("Type", names.ENCRYPTED_ELEMENT) != names.ENCRYPTED_ELEMENT:
        raise Refusal("encryption.structure", expected="an encrypted element", found=data.get("Type"))
    cipher = _algorithm(data)
    key_bytes = _allowed_cipher(cipher, encrypted, decryption, outer) // 8
    octets = _value(data)
    wrapped = [_wrapped_key(found) for found in _encrypted_keys(encrypted, data, decryption.recipient)]
    text = _open(cipher, _unwrap(wrapped, decryption.keys, key_bytes), octets)
    element = _parsed(text, encrypted) if text is not None else None
    if element is None or element.tag != qname(names.SAML, kind) or not _follows_schema(element):
        raise Refusal("encryption.failed", expected=f"a saml:{kind} that one of our keys opens", found="none")
    return element


def _algorithm(parent: Element) -> str:
    return required_child(parent, names.XENC, "EncryptionMethod").get("Algorithm", "")


def _allowed_cipher(cipher: str, encrypted: Element, decryption: Decryption, outer: SignedMessage | None) -> int:
    """The length of its key in bits. That a GCM text could be passed off as a CBC one (Jager, Paterson, Somorovsky 2013) is why CBC needs
    the signature, whatever the sender says."""
    if cipher in GCM_BITS:
        return GCM_BITS[cipher]
    if cipher not in CBC_BITS or not decryption.allow_cbc_for_this_partner:
        raise Refusal("encryption.algorithm", expected="AES-GCM", found=cipher[:200])
    if outer is None or not any(outer.element is around for around in (encrypted, *encrypted.iterancestors())):
        raise Refusal("encryption.algorithm", expected="AES-GCM, or CBC inside a signed message", found=cipher[:200])
    return CBC_BITS[cipher]


def _encrypted_keys(encrypted: Element, data: Element, recipient: str) -> list[Element]:
    """Those for us or for nobody in particular: inside EncryptedData, or beside it (SAML core 2.2.4, errata E43), where a RetrievalMethod
    or the key's own ReferenceList may say which one belongs to the data."""
    key_info = child(data, names.DS, "KeyInfo")
    inside = list(children(key_info, names.XENC, "EncryptedKey")) if key_info is not None else []
    beside = list(children(encrypted, names.XENC, "EncryptedKey"))
    retrieved = (
        [_target(found) for found in children(key_info, names.DS, "RetrievalMethod")] if key_info is not None else []
    )
    if retrieved:
        beside = [found for found in beside if found.get("Id") in retrieved]
        if len(beside) != len(set(retrieved)):
            raise Refusal("encryption.structure", expected="each RetrievalMethod to point at one key", found=retrieved)
    found = [
        key
        for key in (*inside, *beside)
        if key.get("Recipient") in (None, recipient) and _belongs_to(key, data.get("Id"))
    ]
    if not 0 < len(found) <= MAXIMUM_ENCRYPTED_KEYS:
        raise Refusal(
            "encryption.structure",
            expected=f"1 to {MAXIMUM_ENCRYPTED_KEYS} EncryptedKey for {recipient}",
            found=f"{len(found)} of {len(inside) + len(beside)}",
        )
    return found


def _target(retrieval: Element) -> str:
    uri = retrieval.get("URI", "")
    if (
        not uri.startswith("#")
        or len(uri) < 2
        or len(retrieval)
        or retrieval.get("Type") not in (None, names.ENCRYPTED_KEY)
    ):
        raise Refusal("encryption.structure", expected="a RetrievalMethod for a key in this message", found=uri[:200])
    return uri[1:]


def _belongs_to(key: Element, identifier: str | None) -> bool:
    references = child(key, names.XENC, "ReferenceList")
    if references is None:
        return True
    uris = [found.get("URI") for found in children(references, names.XENC, "DataReference")]
    return not uris or (identifier is not None and f"#{identifier}" in uris)


def _wrapped_key(key: Element) -> _WrappedKey:
    """RSA-OAEP only: RSA 1.5 tells whoever asks often enough what the key is (Bleichenbacher 1998)."""
    method = required_child(key, names.XENC, "EncryptionMethod")
    transport = method.get("Algorithm", "")
    if transport not in (names.RSA_OAEP, names.RSA_OAEP_MGF1P):
        raise Refusal("encryption.algorithm", expected="RSA-OAEP", found=transport[:200])
    digest = _parameter(method, names.DS, "DigestMethod", names.SHA1)
    mask = _parameter(method, names.XENC11, "MGF", names.MGF1_SHA1)
    if digest not in DIGESTS or mask not in MASKS or (transport == names.RSA_OAEP_MGF1P and mask != names.MGF1_SHA1):
        raise Refusal("encryption.algorithm", expected="RSA-OAEP with SHA-1 or SHA-2", found=f"{digest} {mask}"[:400])
    parameters = child(method, names.XENC, "OAEPparams")
    label = _decoded(parameters) if parameters is not None else None
    return _WrappedKey(_value(key), oaep(digest, mask, label or None))


def _parameter(method: Element, namespace: str, name: str, default: str) -> str:
    element = child(method, namespace, name)
    return element.get("Algorithm", "") if element is not None else default


def _value(parent: Element) -> bytes:
    """What CipherData holds; a CipherReference, which would make us fetch something, is refused."""
    data = required_child(parent, names.XENC, "CipherData")
    value = child(data, names.XENC, "CipherValue")
    if value is None:
        raise Refusal("encryption.structure", expected="CipherValue", found="no CipherValue")
    return _decoded(value)


def _decoded(element: Element) -> bytes:
    try:
        return base64.b64decode("".join(text_of(element).split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("encryption.structure", expected="base64", found="something else") from None


def _unwrap(wrapped: list[_WrappedKey], keys: tuple[rsa.RSAPrivateKey, ...], length: int) -> bytes:
    """The key of the data; where none of our keys opens one, a random one, so that what follows takes the same way."""
    for one in wrapped:
        for key in keys[:MAXIMUM_PRIVATE_KEYS]:
            try:
                opened = key.decrypt(one.octets, one.padding)
            except ValueError:
                continue
            if len(opened) == length:
                return opened
    return secrets.token_bytes(length)


def _open(cipher: str, key: bytes, octets: bytes) -> bytes | None:
    """XML Encryption 1.1, 5.2.2 and 5.2.4."""
    if cipher in GCM_BITS:
        if len(octets) < NONCE_BYTES + _TAG_BYTES:
            return None
        try:
            return AESGCM(key).decrypt(octets[:NONCE_BYTES], octets[NONCE_BYTES:], None)
        except InvalidTag:
            return None
    if len(octets) < 2 * BLOCK_BYTES or len(octets) % BLOCK_BYTES:
        return None
    decryptor = Cipher(algorithms.AES(key), modes.CBC(octets[:BLOCK_BYTES])).decryptor()
    padded = decryptor.update(octets[BLOCK_BYTES:]) + decryptor.finalize()
    return padded[: -padded[-1]] if 1 <= padded[-1] <= BLOCK_BYTES else None


def _parsed(text: bytes, encrypted: Element) -> Element | None:
    """The one element that ``text`` is where it stood (XML Encryption 4.4): with the namespaces in scope there, for prefixes in values
    and in a PrefixList too."""
    scope = dict(encrypted.nsmap)
    root = etree.Element(qname(scope[None], "decrypted") if None in scope else "decrypted", nsmap=scope)
    start = etree.tostring(root, encoding="utf-8").removesuffix(b"/>")
    name = start[1:].split(None, 1)[0]
    declaration = text.partition(b"?>")[0] if text.startswith(b"<?xml") else b""
    body = text[len(declaration) + 2 :] if declaration else text
    try:
        found = parse_xml(b"".join((start, b">", body, b"</", name, b">")))
    except OstiaryError:
        return None
    alone = len(found) == 1 and not (found.text or "").strip() and not (found[0].tail or "").strip()
    return found[0] if alone else None


def _follows_schema(element: Element) -> bool:
    try:
        check_schema(element, "protocol")
    except Refusal:
        return False
    return True
