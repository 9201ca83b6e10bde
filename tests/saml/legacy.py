"""Signatures as software of long ago writes them."""

import base64
import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from ostiary.saml import names
from ostiary.saml.keys import Signer
from ostiary.saml.signature import sign
from ostiary.saml.xml import Element, parse_xml, qname, to_bytes


def sign_with_sha1(element: Element, signer: Signer, *, digest: str = names.SHA256) -> None:
    """Signs by rsa-sha1, over a SHA-256 or SHA-1 digest."""
    sign(element, signer)
    signature = element.find(qname(names.DS, "Signature"))
    key = signer._key
    if signature is None or not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("an RSA key is needed")
    signature[0][1].set("Algorithm", names.RSA_SHA1)
    if digest == names.SHA1:
        bare = parse_xml(to_bytes(element))
        signed = bare.find(qname(names.DS, "Signature"))
        if signed is not None:
            bare.remove(signed)
        octets = etree.tostring(bare, method="c14n", exclusive=True)
        signature[0][2][1].set("Algorithm", names.SHA1)
        signature[0][2][2].text = base64.b64encode(hashlib.sha1(octets).digest()).decode()  # noqa: S324
    octets = etree.tostring(signature[0], method="c14n", exclusive=True)
    signature[1].text = base64.b64encode(key.sign(octets, padding.PKCS1v15(), hashes.SHA1())).decode()  # noqa: S303
