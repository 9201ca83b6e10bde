"""Who signed what, with which key, and where that key stands in metadata. Verifies by `ostiary.saml` and reports."""

import hashlib
from collections.abc import Mapping

from cryptography import x509

from ostiary.federation.model import AaRole, EntityKey, IdpRole, Role, SpRole
from ostiary.saml import names
from ostiary.saml.keys import TrustedKey
from ostiary.saml.signature import Proof, SignedElement, SignedQuery
from ostiary.saml.xml import Element, qname


def short(algorithm: str) -> str:
    """The last part of an algorithm's URI."""
    return algorithm.rpartition("#")[2] or algorithm


def fingerprint(key: TrustedKey) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, hexadecimal: the same for every certificate that carries the key."""
    return hashlib.sha256(key.spki).hexdigest()


def signature_facts(proof: Proof, entity_id: str, role: Role) -> Mapping[str, str]:
    """Algorithm, digest, fingerprint, and the key's place in the metadata of ``role``."""
    if not isinstance(proof, SignedElement | SignedQuery):
        return {}
    digest = _digest(proof.element) if isinstance(proof, SignedElement) else ""
    signing = [entry for entry in role.keys if entry.use in (None, "signing")]
    position = next(number for number, entry in enumerate(signing, start=1) if entry.key == proof.key)
    return {
        "algorithm": short(proof.algorithm),
        "digest": digest,
        "fingerprint": fingerprint(proof.key),
        "position": str(position),
        "keys": str(len(signing)),
        "entity": entity_id,
        "role": role_name(role),
        "certificate": _subject(signing[position - 1]),
    }


def role_name(role: Role) -> str:
    """The role's element in metadata (SAML metadata 2.4)."""
    if isinstance(role, IdpRole):
        return "IDPSSODescriptor"
    if isinstance(role, AaRole):
        return "AttributeAuthorityDescriptor"
    return "SPSSODescriptor" if isinstance(role, SpRole) else type(role).__name__


def _digest(element: Element) -> str:
    method = element.find(
        f"{qname(names.DS, 'Signature')}/{qname(names.DS, 'SignedInfo')}//{qname(names.DS, 'DigestMethod')}"
    )
    return short(method.get("Algorithm", "")) if method is not None else ""


def _subject(entry: EntityKey) -> str:
    """Whose certificate carries the key there, as a help for the eye; nothing of it is trusted."""
    if entry.certificate is None:
        return "KeyValue"
    try:
        return x509.load_der_x509_certificate(entry.certificate).subject.rfc4514_string()[:200]
    except ValueError:
        return "?"
