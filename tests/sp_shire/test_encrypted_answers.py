"""Encrypted assertions through the assertion consumer: wherever the key stands and whomever else it is for, opened by its recipient; what
can't be opened is refused in one way that tells nothing; CBC is for partners that are named, inside what they signed."""

import base64
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from lxml import etree

from ostiary.attributes import make_attribute
from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.saml import names
from ostiary.saml.artifact import ArtifactResponse, encode_artifact, new_artifact
from ostiary.saml.bindings import encode_post
from ostiary.saml.encryption import Recipient, encrypt_assertion, oaep
from ostiary.saml.encryption_methods import DEFAULT_ENCRYPTION, Encryption
from ostiary.saml.keys import TrustedKey
from ostiary.saml.protocol import new_id
from ostiary.saml.signature import sign
from ostiary.saml.soap import decode_soap, encode_soap
from ostiary.saml.xml import Element, qname
from sp_shire.messages import Reply
from sp_shire.settings import ShireSettings
from tests.flows.forging import NUMBER, Message
from tests.saml.world import private_key
from tests.simulator import START
from tests.sp_shire.answering import (
    DECRYPTING,
    HERE,
    BackChannel,
    answered,
    finish,
    keys_that_decrypt,
    logged_in,
    post,
)
from tests.sp_shire.conftest import Core

LIBRARY = "https://library.example/shar"
MEMBER = make_attribute("eduPersonScopedAffiliation", ["member@northgate.example"])
KEY = TrustedKey.from_public_key(DECRYPTING.public_key())
STRANGER = TrustedKey.from_public_key(private_key("rsa", "a stranger, to decrypt").public_key())
GCM = (names.AES128_GCM, names.AES192_GCM, names.AES256_GCM)
CBC = (names.AES128_CBC, names.AES192_CBC, names.AES256_CBC)
CBC_DEFAULT = Encryption(names.AES256_CBC)


@pytest.fixture(scope="module")
def make(
    library_settings: ShireSettings, tmp_path_factory: pytest.TempPathFactory, federation: Any
) -> Callable[..., Core]:
    """A resource that can decrypt, with some settings changed."""
    keys: Path = keys_that_decrypt(federation, tmp_path_factory.mktemp("encrypted") / "keys")

    def made(**changes: Any) -> Core:
        settings = library_settings.model_dump()
        trust = {**settings["trust"], "keys": keys}
        return Core(federation, ShireSettings.model_validate({**settings, "trust": trust, **changes}))

    return made


@pytest.fixture(scope="module")
def decrypting(make: Callable[..., Core]) -> Core:
    return make()


@dataclass(frozen=True)
class Hidden:
    """A login under way at ``core`` whose Response will carry an encrypted assertion."""

    core: Core
    cookie: str
    message: Message

    def encrypted(self, encryption: Encryption = DEFAULT_ENCRYPTION, *, signed: bool = True, **changes: Any) -> Element:
        recipient = replace(Recipient(LIBRARY, KEY, encryption), **changes)
        return encrypt_assertion(self.message.assertion_element(signed=signed), recipient)

    def sent(self, *encrypted: Element, signed: bool = True) -> Reply:
        reply = post(self.core, encode_post(self.message.around(*encrypted, signed=signed)))
        if not isinstance(reply, Reply):
            raise TypeError("the application was reached")
        return reply

    def logs_in(self, *encrypted: Element, signed: bool = True) -> bool:
        return logged_in(self.core, finish(self.core, self.sent(*encrypted, signed=signed), self.cookie))

    def refusal(self, *encrypted: Element, signed: bool = True) -> str:
        reply = self.sent(*encrypted, signed=signed)
        if reply.status != 400:
            raise AssertionError(f"not refused: {reply.status}")
        return str(self.core.log_lines()[-1]["code"])


@pytest.fixture
def hidden(decrypting: Core) -> Hidden:
    return Hidden(decrypting, *answered(decrypting))


def hidden_at(core: Core) -> Hidden:
    return Hidden(core, *answered(core))


def key_of(encrypted: Element) -> Element:
    found = encrypted.find(f".//{qname(names.XENC, 'EncryptedKey')}")
    if found is None:
        raise ValueError("no EncryptedKey")
    return found


def key_info(encrypted: Element) -> Element:
    found = encrypted.find(f".//{qname(names.DS, 'KeyInfo')}")
    if found is None:
        raise ValueError("no KeyInfo")
    return found


# -- where the key stands ----------------------------------------------------------------------------------------------


def beside(encrypted: Element) -> Element:
    """SAML core 2.2.4, errata E43: the key is a sibling of the data."""
    key, info = key_of(encrypted), key_info(encrypted)
    encrypted.append(key)
    info.getparent().remove(info)  # type: ignore[union-attr]
    return encrypted


def retrieved(encrypted: Element) -> Element:
    """Beside, and the data says which one."""
    key, info = key_of(encrypted), key_info(encrypted)
    encrypted.append(key)
    key.set("Id", "_the_key")
    etree.SubElement(info, qname(names.DS, "RetrievalMethod"), URI="#_the_key", Type=names.ENCRYPTED_KEY)
    return encrypted


def referring(encrypted: Element) -> Element:
    """Beside, and the key says which data."""
    beside(encrypted)[0].set("Id", "_the_data")
    key = key_of(encrypted)
    references = etree.SubElement(key, qname(names.XENC, "ReferenceList"))
    etree.SubElement(references, qname(names.XENC, "DataReference"), URI="#_the_data")
    return encrypted


def both_ways(encrypted: Element) -> Element:
    retrieved(encrypted)[0].set("Id", "_the_data")
    references = etree.SubElement(key_of(encrypted), qname(names.XENC, "ReferenceList"))
    etree.SubElement(references, qname(names.XENC, "DataReference"), URI="#_the_data")
    return encrypted


def for_nobody_in_particular(encrypted: Element) -> Element:
    del key_of(encrypted).attrib["Recipient"]
    return encrypted


PLACES = [lambda one: one, beside, retrieved, referring, both_ways, for_nobody_in_particular]


@pytest.mark.parametrize("place", PLACES, ids=["inside", "beside", "retrieved", "referring", "both", "no_recipient"])
def test_the_key_is_found_wherever_it_may_stand(hidden: Hidden, place: Callable[[Element], Element]) -> None:
    assert hidden.logs_in(place(hidden.encrypted()))


@pytest.mark.parametrize("place", [lambda one: one, beside], ids=["inside", "beside"])
@pytest.mark.parametrize("first", [True, False], ids=["ours_first", "ours_last"])
def test_of_several_keys_the_one_for_this_recipient_opens(
    hidden: Hidden, place: Callable[[Element], Element], first: bool
) -> None:
    encrypted = hidden.encrypted()
    ours = key_of(encrypted)
    for recipient in ("https://instrument.example/shar", "https://third.example/sp"):
        theirs = key_of(hidden.encrypted(key=STRANGER, entity_id=recipient))
        (ours.addnext if first else ours.addprevious)(theirs)
    if place is beside:
        for key in list(key_info(encrypted)):
            encrypted.append(key)
        key_info(encrypted).getparent().remove(key_info(encrypted))  # type: ignore[union-attr]
    assert hidden.logs_in(encrypted)


@pytest.mark.parametrize(
    "encryption",
    [
        *(Encryption(cipher) for cipher in GCM),
        Encryption(transport=names.RSA_OAEP_MGF1P, digest=names.SHA256),
        Encryption(transport=names.RSA_OAEP, digest=names.SHA256, mask=names.MGF1_SHA256),
    ],
    ids=["128", "192", "256", "mgf1p_sha256", "oaep11"],
)
def test_each_published_method_is_opened(hidden: Hidden, encryption: Encryption) -> None:
    assert hidden.logs_in(hidden.encrypted(encryption))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda one: key_of(one).set("Recipient", "https://instrument.example/shar"), "encryption.structure"),
        (lambda one: key_info(one).getparent().remove(key_info(one)), "encryption.structure"),
        (
            lambda one: [key_of(one).addnext(etree.fromstring(etree.tostring(key_of(one)))) for _ in range(4)],
            "encryption.structure",
        ),
        (
            lambda one: retrieved(one).find(f".//{qname(names.DS, 'RetrievalMethod')}").set("URI", "#_x"),
            "encryption.structure",
        ),
        (
            lambda one: (
                retrieved(one).find(f".//{qname(names.DS, 'RetrievalMethod')}").set("URI", "http://127.0.0.1:9/key")
            ),
            "encryption.structure",
        ),
        (
            lambda one: key_of(one).find(qname(names.XENC, "EncryptionMethod")).set("Algorithm", names.RSA_1_5),
            "encryption.algorithm",
        ),
        (
            lambda one: one[0].find(qname(names.XENC, "EncryptionMethod")).set("Algorithm", names.TRIPLEDES_CBC),
            "encryption.algorithm",
        ),
    ],
    ids=["for_another", "no_key", "five_keys", "no_target", "elsewhere", "rsa_1_5", "3des"],
)
def test_what_stands_there_in_the_clear_may_be_complained_about(
    hidden: Hidden, change: Callable[[Any], object], code: str
) -> None:
    encrypted = hidden.encrypted()
    change(encrypted)
    assert hidden.refusal(encrypted) == code
    assert hidden.logs_in(hidden.encrypted())


# -- who signed it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("inside", "outside"), [(True, True), (True, False), (False, True)])
def test_one_signature_is_enough_inside_or_outside(hidden: Hidden, inside: bool, outside: bool) -> None:
    assert hidden.logs_in(hidden.encrypted(signed=inside), signed=outside)


def test_to_be_encrypted_for_us_proves_nothing(hidden: Hidden) -> None:
    assert hidden.refusal(hidden.encrypted(signed=False), signed=False) == "signature.missing"


def test_no_second_assertion_stands_beside_an_encrypted_one(hidden: Hidden) -> None:
    assert hidden.refusal(hidden.encrypted(), hidden.encrypted()) == "saml.several_assertions"
    plain = hidden.message.anew().assertion_element()
    assert hidden.refusal(hidden.encrypted(), plain) == "saml.several_assertions"


# -- what can't be opened ----------------------------------------------------------------------------------------------


def value_of(parent: Element) -> Element:
    found = parent.find(f"{qname(names.XENC, 'CipherData')}/{qname(names.XENC, 'CipherValue')}")
    if found is None:
        raise ValueError("no CipherValue")
    return found


def with_octets(parent: Element, change: Callable[[bytes], bytes]) -> None:
    value = value_of(parent)
    value.text = base64.b64encode(change(base64.b64decode(value.text or ""))).decode()


def flip(at: int) -> Callable[[bytes], bytes]:
    return lambda octets: octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


def holding(text: bytes, cipher: str = names.AES256_GCM) -> Callable[[Hidden], Element]:
    """An EncryptedAssertion whose key is right and whose text is this."""

    def made(hidden: Hidden) -> Element:
        encrypted = hidden.encrypted(Encryption(cipher))
        content = secrets.token_bytes(32)
        value_of(key_of(encrypted)).text = base64.b64encode(
            KEY.encrypt(content, oaep(names.SHA1, names.MGF1_SHA1))
        ).decode()
        if cipher == names.AES256_GCM:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            octets = bytes(12) + AESGCM(content).encrypt(bytes(12), text, None)
        else:
            encryptor = Cipher(algorithms.AES(content), modes.CBC(bytes(16))).encryptor()
            octets = bytes(16) + encryptor.update(text) + encryptor.finalize()
        value_of(encrypted[0]).text = base64.b64encode(octets).decode()
        return encrypted

    return made


def changed(change: Callable[[Element], object], **how: Any) -> Callable[[Hidden], Element]:
    def made(hidden: Hidden) -> Element:
        encrypted = hidden.encrypted(**how)
        change(encrypted)
        return encrypted

    return made


UNOPENED = {
    "another key": changed(lambda one: None, key=STRANGER),
    "a changed key": changed(lambda one: with_octets(key_of(one), flip(20))),
    "a cut key": changed(lambda one: with_octets(key_of(one), lambda octets: octets[:-1])),
    "no key at all": changed(lambda one: with_octets(key_of(one), lambda octets: b"")),
    "a changed text": changed(lambda one: with_octets(one[0], flip(50))),
    "a changed nonce": changed(lambda one: with_octets(one[0], flip(0))),
    "a changed tag": changed(lambda one: with_octets(one[0], flip(-2))),
    "a cut text": changed(lambda one: with_octets(one[0], lambda octets: octets[:-40])),
    "a few octets": changed(lambda one: with_octets(one[0], lambda octets: octets[:10])),
    "the length of another cipher": changed(
        lambda one: one[0].find(qname(names.XENC, "EncryptionMethod")).set("Algorithm", names.AES128_GCM)  # type: ignore[union-attr]
    ),
    "no XML": holding(b"hello"),
    "two elements": holding(b"<a/><b/>"),
    "another element": holding(b'<saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">x</saml:NameID>'),
    "an assertion of nothing": holding(b'<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>'),
    "deep nesting": holding(b"<a>" * 3000),
    "a document type": holding(b"<!DOCTYPE a><a/>"),
}


def page_of(reply: Reply) -> tuple[int, str]:
    """A page without what differs from one to the next: number, time, nonce."""
    text = NUMBER.sub("", reply.body.decode())
    return reply.status, re.sub(r'nonce="[^"]*"|\d\d:\d\d(:\d\d)?', "", text)


def test_whatever_can_not_be_opened_is_refused_in_one_way_that_tells_nothing(hidden: Hidden) -> None:
    pages = set()
    for name, make in UNOPENED.items():
        reply = hidden.sent(make(hidden))
        line = hidden.core.log_lines()[-1]
        assert (name, line["code"], line["found"]) == (name, "encryption.failed", "none")
        pages.add(page_of(reply))
    assert len(pages) == 1
    assert hidden.logs_in(hidden.encrypted())


# -- CBC ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def legacy(make: Callable[..., Core]) -> Core:
    """A resource that has named Northgate as a partner that knows no better."""
    return make(allow_aes_cbc_from_legacy_partners=(NORTHGATE.entity_id,))


@pytest.mark.parametrize("cipher", CBC)
def test_cbc_is_opened_for_a_named_partner_that_signed_the_ciphertext(legacy: Core, cipher: str) -> None:
    login = hidden_at(legacy)
    assert login.logs_in(login.encrypted(Encryption(cipher)))


def test_cbc_is_refused_where_nobody_signed_the_ciphertext(legacy: Core) -> None:
    """Whoever could change it unnoticed could read it, bit by bit, from what we say."""
    login = hidden_at(legacy)
    assert login.refusal(login.encrypted(CBC_DEFAULT), signed=False) == "encryption.algorithm"
    assert login.logs_in(login.encrypted(CBC_DEFAULT))


def test_cbc_is_refused_of_every_partner_that_is_not_named(hidden: Hidden, make: Callable[..., Core]) -> None:
    assert hidden.refusal(hidden.encrypted(CBC_DEFAULT)) == "encryption.algorithm"
    other = hidden_at(make(allow_aes_cbc_from_legacy_partners=(SOUTHBANK.entity_id,)))
    assert other.refusal(other.encrypted(CBC_DEFAULT)) == "encryption.algorithm"


def test_a_wrong_padding_is_told_like_everything_else(legacy: Core) -> None:
    login = hidden_at(legacy)
    pages = set()
    for text in (bytes(32), b"x" * 15 + b"\x11", b"no XML, padded." + b"\x01", b"<a/>" + b"\x0c" * 12):
        reply = login.sent(holding(text, names.AES256_CBC)(login))
        assert legacy.log_lines()[-1]["code"] == "encryption.failed"
        pages.add(page_of(reply))
    assert len(pages) == 1


@pytest.mark.parametrize("signed", [True, False], ids=["signed_answer", "unsigned_answer"])
def test_the_signature_of_what_carries_a_fetched_response_covers_the_ciphertext(legacy: Core, signed: bool) -> None:
    cookie, message = answered(legacy)
    consumer = f"{HERE}ostiary/acs/artifact"
    login = Hidden(legacy, cookie, message.with_response(destination=None).with_confirmation(recipient=consumer))
    bare = login.message.around(login.encrypted(CBC_DEFAULT), signed=False)

    def answer(url: str, envelope: bytes) -> bytes:
        element = ArtifactResponse(new_id(), NORTHGATE.entity_id, START, decode_soap(envelope).get("ID")).to_xml(bare)
        if signed:
            sign(element, login.message.signer)
        return encode_soap(element)

    legacy.soap.transport = BackChannel(answer)  # type: ignore[assignment]
    query = encode_artifact("", new_artifact(NORTHGATE.entity_id, 0)).partition("?")[2].encode()
    reply = legacy.ask("/ostiary/acs/artifact", query=query)
    legacy.soap.transport = legacy.federation.transport
    assert isinstance(reply, Reply)
    if signed:
        assert logged_in(legacy, finish(legacy, reply, cookie))
    else:
        assert (reply.status, legacy.log_lines()[-1]["code"]) == (400, "encryption.algorithm")


@pytest.mark.parametrize("named", [True, False], ids=["named", "not_named"])
def test_the_same_holds_for_what_an_attribute_authority_answers(make: Callable[..., Core], named: bool) -> None:
    core = make(allow_aes_cbc_from_legacy_partners=(NORTHGATE.entity_id,) if named else ())
    login = hidden_at(core)

    def answer(url: str, envelope: bytes) -> bytes:
        said = login.message.anew().with_assertion(confirmations=(), authn_statements=(), attributes=(MEMBER,))
        said = said.with_response(in_response_to=decode_soap(envelope).get("ID"), destination=None)
        return encode_soap(said.around(Hidden(core, "", said).encrypted(CBC_DEFAULT)))

    core.soap.transport = BackChannel(answer)  # type: ignore[assignment]
    done = finish(core, post(core, login.message.encoded()), login.cookie)
    assert (named or core.log_lines()[-1]["code"]) in (True, "encryption.algorithm")
    assert logged_in(core, done) is named
