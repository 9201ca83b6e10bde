"""The usual form of an XML signature, verified in half the time that xmlsec takes. Says yes or nothing: of all else xmlsec has the say.

For `ostiary.saml.signature` alone, which looks at the IDs of the document before. libxml2 writes the canonical form of the element, here
as for xmlsec; everything is read from these octets, which are what was signed. A yes says what XMLDSig 3.2 and SAML core 5.4 want: a
signature of the one form below is the element's own; its reference names the element's ID; the digest is that of the element without it;
the key signed its SignedInfo. No reference is followed: what is digested is the element that the proof owns.
"""

import binascii
import hashlib
import re
from typing import Final, NamedTuple

from lxml import etree

from ostiary.saml import names
from ostiary.saml.keys import ECDSA_ALGORITHMS, RSA_ALGORITHMS, TrustedKey
from ostiary.saml.strict_base64 import strict_base64
from ostiary.saml.xml import Element

_DIGESTS: Final = {names.SHA256: hashlib.sha256, names.SHA384: hashlib.sha384, names.SHA512: hashlib.sha512}
_DS: Final = names.DS.encode()
_ALGORITHMS: Final = frozenset(RSA_ALGORITHMS) | frozenset(ECDSA_ALGORITHMS)


def _either(uris: frozenset[str]) -> str:
    return "|".join(map(re.escape, sorted(uris)))


# In canonical form each < begins a tag (or an instruction, which nothing here takes), there are no comments, and nothing is written in two
# ways. So this finds the first element, perhaps an Issuer that holds text alone, and then a signature: the child of the first. The names in
# it are those of XML Signature, and none of them declares anything but their prefix; alone, SignedInfo declares that one itself.
_USUAL: Final = re.compile(
    r"""
    (?P<before> <[^<]+ (?: <(?:[\w.-]+:)?Issuer[ >][^<]* </(?:[\w.-]+:)?Issuer>[^<]* )? )
    <(?P<ds>(?:[A-Za-z][\w.-]*:)?)Signature\ (?P<declared>xmlns(?::[\w.-]+)?=")DSIG">\s*
        <(?P=ds)SignedInfo(?P<signed_info>>\s*
            <(?P=ds)CanonicalizationMethod\ Algorithm="EXCLUSIVE"></(?P=ds)CanonicalizationMethod>\s*
            <(?P=ds)SignatureMethod\ Algorithm="(?P<algorithm>ALGORITHMS)"></(?P=ds)SignatureMethod>\s*
            <(?P=ds)Reference\ URI="\#(?P<identifier>[A-Za-z_][A-Za-z0-9_.\-]{0,255})">\s*
                <(?P=ds)Transforms>\s*
                    <(?P=ds)Transform\ Algorithm="ENVELOPED"></(?P=ds)Transform>\s*
                    <(?P=ds)Transform\ Algorithm="EXCLUSIVE"></(?P=ds)Transform>\s*
                </(?P=ds)Transforms>\s*
                <(?P=ds)DigestMethod\ Algorithm="(?P<method>DIGESTS)"></(?P=ds)DigestMethod>\s*
                <(?P=ds)DigestValue>(?P<digest>[^<]*)</(?P=ds)DigestValue>\s*
            </(?P=ds)Reference>\s*
        </(?P=ds)SignedInfo>)\s*
        <(?P=ds)SignatureValue>(?P<value>[^<]*)</(?P=ds)SignatureValue>\s*
        (?: <(?P=ds)KeyInfo>\s*
            <(?P=ds)X509Data>\s*
                <(?P=ds)X509Certificate>[^<]*</(?P=ds)X509Certificate>\s*
            </(?P=ds)X509Data>\s*
        </(?P=ds)KeyInfo>\s* )?
    </(?P=ds)Signature>
    """.replace("DSIG", re.escape(names.DS))
    .replace("EXCLUSIVE", re.escape(names.EXCLUSIVE_C14N))
    .replace("ENVELOPED", re.escape(names.ENVELOPED_SIGNATURE))
    .replace("ALGORITHMS", _either(_ALGORITHMS))
    .replace("DIGESTS", _either(frozenset(_DIGESTS)))
    .encode(),
    re.VERBOSE,
)


class PlainSignature(NamedTuple):
    """What is left to ask of a key: whether ``value`` is its signature over ``octets``."""

    octets: bytes
    value: bytes
    algorithm: str

    def is_by(self, key: TrustedKey) -> bool:
        """Whether the key made it."""
        return key.verify(self.algorithm, self.value, self.octets)


def plain_signature(element: Element) -> PlainSignature | None:
    """The signature of ``element``, of which it is certain that it covers this element and nothing else, though not yet by whom it is; None
    where it has another form, or none, or is wrong. Whether there is a second one is for the caller to look."""
    try:
        whole = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
        found = _USUAL.match(whole)
        if found is None:
            return None
        # In the order in which they begin: one question for all.
        before, prefix, declared, signed_info, algorithm, identifier, method, digested, value = found.groups()
        if identifier.decode() != element.get("ID"):
            return None
        if declared != (b'xmlns:%s="' % prefix[:-1] if prefix else b'xmlns="'):
            return None
        digest = _DIGESTS[method.decode()](before)
        digest.update(memoryview(whole)[found.end() :])
        computed = digest.digest()
        # Almost all write base64 in one way, and then there is nothing to decode.
        if digested != binascii.b2a_base64(computed, newline=False) and strict_base64(digested) != computed:
            return None
        octets = b'<%sSignedInfo %s%s"%s' % (prefix, declared, _DS, signed_info)
        return PlainSignature(octets, strict_base64(value), algorithm.decode())
    except (etree.C14NError, binascii.Error):
        return None
