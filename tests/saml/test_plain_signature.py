"""The short way to verify a signature beside xmlsec: it says yes only where xmlsec does, and it is taken where it should be."""

import random
import re
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import xmlsec
from lxml import etree

from ostiary.errors import Refusal
from ostiary.saml import names, signature
from ostiary.saml.keys import TrustedKey
from ostiary.saml.plain_signature import plain_signature
from ostiary.saml.signature import sign, verify_element
from ostiary.saml.xml import Element, parse_xml, qname, to_bytes
from tests.attacks.catalogue import ATTACKS
from tests.saml.world import ASSERTION, Kind, private_pem, response_element, signer

RELATIVE = re.compile(rb"""xmlns(:\w+)?=["'](?!urn:[a-z]|http://)""")
SIGNATURE = qname(names.DS, "Signature")
ALL_KEYS = tuple(signer(kind).public for kind in ("rsa", "p256", "p384", "p521"))


def signed(kind: Kind = "rsa") -> bytes:
    element = ASSERTION.to_xml()
    sign(element, signer(kind))
    return to_bytes(element)


def plainly(element: Element, keys: tuple[TrustedKey, ...] = ALL_KEYS) -> bool:
    """What the short way says alone; False, too, for what is refused before it is asked."""
    try:
        signature._check_ids(element.getroottree().getroot())
        signature._only_signature(element)
    except Refusal:
        return False
    found = plain_signature(element)
    return found is not None and any(found.is_by(key) for key in keys if key.allows(found.algorithm))


def by_xmlsec(element: Element, keys: tuple[TrustedKey, ...] = ALL_KEYS) -> bool:
    """What xmlsec says alone, of a copy of the document: it remembers IDs in it."""
    root = element.getroottree().getroot()
    copy = list(deepcopy(root).iter())[list(root.iter()).index(element)]
    return any(signature._verifies(next(copy.iterchildren(SIGNATURE)), copy, key) for key in keys)


def both(element: Element) -> tuple[bool, bool]:
    return plainly(element), by_xmlsec(element)


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384", "p521"])
def test_usual_messages_take_the_short_way_and_no_other(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    response = parse_xml(to_bytes(response_element(by=signer(kind))))
    monkeypatch.setattr(signature, "_verifies", lambda *_: pytest.fail("xmlsec was asked"))
    for element in (response, response.find(qname(names.SAML, "Assertion"))):
        assert element is not None
        # A key of the partner's that is not the one is no reason to ask xmlsec.
        keys = [signer(kind, "another").public, signer(kind).public]
        assert verify_element(element, keys).key == signer(kind).public


def test_metadata_is_left_to_xmlsec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "plain_signature", lambda *_: pytest.fail("the short way was asked"))
    verify_element(parse_xml(signed()), ALL_KEYS, other_ids_may_repeat=True)
    root = parse_xml(signed())
    signature.verify_root(signature.sole_root(root, signed()), ALL_KEYS)


def by_others(c14n: Any, prefix: str | None, *, lists: tuple[str, ...] = (), method: Any = None) -> bytes:
    """The assertion as xmlsec signs it from a template, with another prefix, another canonicalization or a list of prefixes."""
    element = ASSERTION.to_xml()
    template = xmlsec.template.create(element, c14n, xmlsec.constants.TransformRsaSha512, ns=prefix)
    element.insert(1, template)
    reference = xmlsec.template.add_reference(template, xmlsec.constants.TransformSha512, uri=f"#{ASSERTION.id}")
    xmlsec.template.add_transform(reference, xmlsec.constants.TransformEnveloped)
    exclusive = xmlsec.template.add_transform(reference, method or c14n)
    if lists:
        xmlsec.template.transform_add_c14n_inclusive_namespaces(exclusive, list(lists))
    template.tail = "\n  "
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(private_pem(), xmlsec.constants.KeyDataFormatPem, None)
    context.register_id(element, "ID")
    context.sign(template)
    return etree.tostring(element)


EXCLUSIVE, WITH_COMMENTS = xmlsec.constants.TransformExclC14N, xmlsec.constants.TransformExclC14NWithComments


@pytest.mark.parametrize(
    ("data", "short"),
    [
        (by_others(EXCLUSIVE, "dsig"), True),
        (by_others(EXCLUSIVE, None), True),
        (by_others(EXCLUSIVE, "ds", lists=("xs",)), False),
        (by_others(WITH_COMMENTS, "ds"), False),
        (by_others(EXCLUSIVE, "ds", method=WITH_COMMENTS), False),
        (by_others(WITH_COMMENTS, "ds", method=EXCLUSIVE), False),
    ],
    ids=["another prefix", "no prefix", "prefix list", "comments", "comments in one", "comments in the other"],
)
def test_what_others_sign_is_believed_whichever_way_it_takes(data: bytes, short: bool) -> None:
    inside = b'<e:Envelope xmlns:e="urn:e" xmlns:saml="urn:other" xmlns="urn:default"><e:Body>%s</e:Body></e:Envelope>'
    for octets in (data, inside % data):
        element = next(parse_xml(octets).iter(qname(names.SAML, "Assertion")))
        assert both(element) == (short, True)
        assert verify_element(element, ALL_KEYS).element is element


def assertion_with(change: Callable[[Element], None]) -> Element:
    """An assertion that was changed before it was signed."""
    element = ASSERTION.to_xml()
    change(element)
    sign(element, signer())
    return parse_xml(to_bytes(element))


def test_what_stands_around_the_signature_makes_no_difference() -> None:
    assert both(assertion_with(lambda element: element.set(qname("urn:x", "a"), "b"))) == (True, True)
    assert both(assertion_with(lambda element: element.set("a", "<b>'\"&\n"))) == (True, True)
    element = etree.fromstring('<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1"><Status/></Response>')
    sign(element, signer())
    assert both(parse_xml(to_bytes(element))) == (True, True)


def moved_to_the_end(data: bytes) -> bytes:
    element = etree.fromstring(data)
    element.append(element[1])
    return etree.tostring(element)


OTHER_FORMS = {
    "an Id": lambda data: data.replace(b"<ds:Signature ", b'<ds:Signature Id="_s" '),
    "a name for the key": lambda data: data.replace(b"<ds:KeyInfo>", b"<ds:KeyInfo><ds:KeyName>it</ds:KeyName>"),
    "another prefix inside": lambda data: data.replace(
        b"<ds:SignatureValue>", b'<o:SignatureValue xmlns:o="%s">' % names.DS.encode()
    ).replace(b"</ds:SignatureValue>", b"</o:SignatureValue>"),
    "another place": moved_to_the_end,
}


@pytest.mark.parametrize("change", OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_other_forms_are_left_to_xmlsec(change: Callable[[bytes], bytes]) -> None:
    received = parse_xml(change(signed()))
    assert both(received) == (False, True)
    assert verify_element(received, ALL_KEYS).element is received


def test_what_the_prefix_means_counts_not_the_prefix() -> None:
    data = signed()
    assert both(parse_xml(re.sub(rb"\bds(:|=)", rb"x-1.y\1", data))) == (False, False)
    assert not plainly(parse_xml(data.replace(names.DS.encode(), b"http://example.org/")))
    # The same name, though its prefix stands for something else at the Issuer before.
    other = data.replace(b"<saml:Issuer>", b'<saml:Issuer xmlns:ds="urn:x" ds:a="b">')
    assert both(parse_xml(other)) == (False, False)


def test_a_copy_of_the_signature_elsewhere_is_not_taken_for_the_signature() -> None:
    element = parse_xml(signed())
    copy = deepcopy(element[1])
    etree.SubElement(element, qname(names.SAML, "Advice")).append(copy)
    assert both(parse_xml(to_bytes(element))) == (False, False)
    element.remove(element[1])
    assert not plainly(parse_xml(to_bytes(element)))

    def advised(unsigned: Element) -> None:
        etree.SubElement(unsigned, qname(names.SAML, "Advice")).append(deepcopy(copy))

    assert both(assertion_with(advised)) == (True, True)


def test_a_signature_inside_of_the_issuer_is_not_that_of_what_it_stands_in() -> None:
    element = parse_xml(signed())
    element[0].append(element[1])
    received = parse_xml(to_bytes(element))
    assert plain_signature(received) is None
    assert plain_signature(received[0]) is None


@pytest.mark.parametrize("text", ["<?x ?>", "<?x <ds:Signature?>", "<!-- <ds:Signature> -->"])
def test_instructions_and_comments_make_nothing_look_signed(text: str) -> None:
    """The parser of messages refuses the one and drops the other."""
    data = signed().decode()
    for place in ("<saml:Issuer>", "<ds:Signature ", "<ds:SignedInfo>", "<ds:DigestValue>", "</ds:Signature>"):
        element = etree.fromstring(data.replace(place, text + place))
        assert plainly(element) <= by_xmlsec(element)
        assert plainly(element) == ("--" in text)


@pytest.mark.parametrize("name", ["SignatureValue", "DigestValue"])
@pytest.mark.parametrize("text", ["", " ", "A", "AAA=AAA", "ä", "=", "!!!!", "AAAA\u00a0"])
def test_values_that_are_no_base64_are_nothing_to_the_short_way(name: str, text: str) -> None:
    element = parse_xml(signed())
    next(element.iter(qname(names.DS, name))).text = text
    assert not plainly(element)


@pytest.mark.parametrize("more", ["=", "====", "========"])
def test_padding_that_there_may_not_be_is_not_believed(more: str) -> None:
    element = parse_xml(signed("p384"))
    assert both(element) == (True, True)
    value = next(element.iter(qname(names.DS, "SignatureValue")))
    value.text = (value.text or "") + more
    assert both(element) == (False, False)


def test_lines_of_base64_may_end() -> None:
    data = re.sub(rb"(<ds:SignatureValue>)(.{60})", rb"\1\n  \2\r\n\t", signed())
    assert both(parse_xml(data)) == (True, True)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_no_attack_of_the_catalogue_looks_better_from_the_short_way(attack: object) -> None:
    data: bytes = attack.make()  # type: ignore[attr-defined]
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return
    for element in root.iter("*"):
        if element.find(SIGNATURE) is not None and plainly(element):
            assert by_xmlsec(element)


@pytest.mark.parametrize(
    "place",
    [
        b"<saml:Assertion ",
        b"<saml:Issuer>",
        b"</saml:Issuer>",
        b"<ds:SignatureMethod",
        b"<ds:DigestValue>",
        b"<ds:X509",
    ],
)
def test_a_long_message_is_looked_through_in_no_more_than_its_length(place: bytes) -> None:
    data = signed().replace(b"<ds:Signature ", b'<ds:Signature Id="_s" ')
    flood = b" " * 200_000
    before, after = data.split(place, 1)
    padded = before + (place + flood if place.endswith(b" ") else flood + place) + after
    element = parse_xml(padded)
    element.set("flood", "a:" * 100_000)
    started = time.process_time()
    assert plain_signature(element) is None
    assert time.process_time() - started < 0.2


def broken(data: bytes, chance: random.Random) -> bytes:
    """Some octets changed, taken out, doubled, or moved."""
    for _ in range(chance.randint(1, 3)):
        at, length = chance.randrange(len(data)), chance.choice((1, 1, 2, 8, 60))
        there = chance.randrange(len(data))
        data = chance.choice(
            (
                data[:at] + bytes([chance.choice(b" \n\t<>\"'&=:/aA0_")]) + data[at + 1 :],
                data[:at] + data[at + length :],
                data[:at] + data[at : at + length] + data[at:],
                data[:at] + data[there : there + length] + data[at:],
            )
        )
    return data


def rearranged(data: bytes, chance: random.Random) -> bytes:
    """Elements doubled, moved, renamed or taken out, attributes and texts changed, namespaces declared elsewhere."""
    root = etree.fromstring(data)
    for _ in range(chance.randint(1, 3)):
        every = list(root.iter("*"))
        one, other = chance.choice(every), chance.choice(every)
        what = chance.randrange(6)
        if what == 0:
            other.append(deepcopy(one))
        elif what == 1 and one.getparent() is not None and one not in other.iterancestors() and one is not other:
            other.insert(chance.randrange(len(other) + 1), one)
        elif what == 2 and one.getparent() is not None:
            one.getparent().remove(one)  # type: ignore[union-attr]
        elif what == 3:
            one.set(chance.choice(("ID", "a", "{urn:x}a", qname(names.DS, "Id"))), chance.choice(("_1", ASSERTION.id)))
        elif what == 4:
            one.tail = chance.choice((" ", "\n", "text", None))
        else:
            one.append(etree.fromstring('<saml:x xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>'))
    return etree.tostring(root)


@pytest.mark.parametrize("change", [broken, rearranged])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_to_a_message_the_short_way_believes_no_more_than_xmlsec(
    change: Callable[[bytes, random.Random], bytes], seed: int
) -> None:
    chance = random.Random(seed)
    whole = to_bytes(response_element())
    originals = (signed(), by_others(EXCLUSIVE, None), whole, b'<e xmlns="urn:e" xmlns:ds="urn:d">%s</e>' % whole)
    believed = 0
    for _ in range(400):
        try:
            root = etree.fromstring(change(chance.choice(originals), chance))
        except (etree.XMLSyntaxError, ValueError):
            continue
        for element in root.iter("*"):
            if element.find(SIGNATURE) is not None and plainly(element):
                believed += 1
                # Namespace names that are relative URIs keep xmlsec from reading what stands beside them, too.
                alone = etree.fromstring(etree.tostring(element, with_tail=False))
                assert by_xmlsec(element) or (RELATIVE.search(etree.tostring(root)) and by_xmlsec(alone))
    # Elements that are moved around a signed one leave its signature as it was; octets hardly ever do.
    assert believed or change is broken
