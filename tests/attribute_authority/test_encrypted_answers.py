"""Answers that are encrypted for whoever asked: when, for whom, and what our own SHAR makes of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ostiary.errors import Denied, Refusal, Unavailable
from ostiary.federation.model import AaRole, Endpoint, Entity, EntityKey, SpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.encryption_methods import OUR_METHODS, EncryptionMethod
from ostiary.saml.keys import TrustedKey
from ostiary.saml.signature import sign
from ostiary.saml.validate import DEFAULT_TIMING
from ostiary.saml.xml import qname
from sp_shire.shar.query import Shar
from tests.attribute_authority.query_home import (
    AFFILIATION,
    HANDLE,
    HOME,
    HOME_SIGNER,
    LAB,
    LAB_SIGNER,
    LIBRARY,
    LIBRARY_SIGNER,
    LOCATION,
    NOW,
    REGISTRY,
    Home,
    envelope,
    prepared,
    query,
    texts,
)

CBC = (EncryptionMethod("http://www.w3.org/2001/04/xmlenc#aes128-cbc"),)
MakeHome = Callable[..., Home]


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def make_home(tmp_path: Path, key: rsa.RSAPrivateKey) -> Iterator[MakeHome]:
    engine = prepared(tmp_path)

    def make(methods: tuple[EncryptionMethod, ...] = OUR_METHODS, **settings: object) -> Home:
        keys = (
            EntityKey(LIBRARY_SIGNER.public, "signing"),
            EntityKey(TrustedKey.from_public_key(key.public_key()), "encryption", None, methods),
        )
        acs = Endpoint(names.HTTP_POST, "https://library.example/acs", index=0)
        others = [entity for entity in REGISTRY.all(NOW) if entity.entity_id != LIBRARY]
        library = Entity(LIBRARY, sp=SpRole(keys=keys, assertion_consumers=(acs,)))
        return Home(tmp_path, engine, Registry([library, *others]), **settings)

    yield make
    engine.dispose()


class Straight:
    """From the SHAR to an authority, without a socket; ``tamper`` changes the answer on the way."""

    def __init__(self, home: Home, tamper: Callable[[bytes], bytes] = lambda answer: answer) -> None:
        self.home, self.tamper, self.answer = home, tamper, b""

    def post(self, url: str, envelope: bytes, *, within: float | None = None) -> bytes:
        self.answer = self.home.post(envelope).data
        return self.tamper(self.answer)


ROLE = AaRole(keys=(EntityKey(HOME_SIGNER.public, "signing"),), attribute_services=(Endpoint(names.SOAP, LOCATION),))


def ask(transport: Straight, *keys: rsa.RSAPrivateKey) -> dict[str, tuple[str, ...]]:
    shar = Shar(LIBRARY, LIBRARY_SIGNER, transport, DEFAULT_TIMING, keys)
    return {found.name: found.texts() for found in shar.ask(HOME, ROLE, HANDLE, NOW).attributes}


def test_our_shar_opens_an_encrypted_answer_and_nobody_else_does(make_home: MakeHome, key: rsa.RSAPrivateKey) -> None:
    transport = Straight(make_home(encrypt_answers="when_possible"))
    assert ask(transport, key) == AFFILIATION
    assert b"EncryptedAssertion" in transport.answer
    assert b"member@uni.example" not in transport.answer
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert ask(transport, other, key) == AFFILIATION
    for keys, code in (((other,), "encryption.failed"), ((), "saml.encrypted")):
        with pytest.raises(Refusal) as caught:
            ask(transport, *keys)
        assert caught.value.code == code


def test_never_is_the_default_and_each_requester_may_have_another_rule(
    make_home: MakeHome, key: rsa.RSAPrivateKey
) -> None:
    for settings, expected in (
        ({}, False),
        ({"encrypt_answers_for": {LIBRARY: "always"}}, True),
        ({"encrypt_answers": "always"}, True),
        ({"encrypt_answers": "always", "encrypt_answers_for": {LIBRARY: "never"}}, False),
    ):
        transport = Straight(make_home(**settings))
        assert ask(transport, key) == AFFILIATION
        assert (b"EncryptedAssertion" in transport.answer) is expected, settings


def test_without_a_key_to_encrypt_to_an_answer_that_has_to_be_encrypted_is_denied(make_home: MakeHome) -> None:
    asked = query(issuer=LAB, name_id=HANDLE)
    home = make_home(encrypt_answers="always", may_ask_for={LAB: [LIBRARY]})
    answer = home.post(envelope(asked, LAB_SIGNER))
    assert f'<samlp:StatusCode Value="{names.RESPONDER}"><samlp:StatusCode Value="{names.REQUEST_DENIED}"/>' in (
        answer.text
    )
    assert home.recorded() == []
    assert [facts["code"] for _, facts in home.recorded("attributes.refused")] == ["aa.cannot_encrypt"]
    assert "attributes_released" not in home.stream.getvalue()
    clear = make_home(encrypt_answers="when_possible", may_ask_for={LAB: [LIBRARY]})
    asked = query(id="_q2", issuer=LAB, name_id=HANDLE)
    assert texts(clear.post(envelope(asked, LAB_SIGNER)), asked)


def test_a_key_that_takes_only_what_anybody_can_change_is_used_for_named_partners(
    make_home: MakeHome, key: rsa.RSAPrivateKey
) -> None:
    with pytest.raises(Denied):
        ask(Straight(make_home(CBC, encrypt_answers="when_possible")), key)
    home = make_home(CBC, encrypt_answers="when_possible", allow_cbc_for_legacy_partners=[LIBRARY])
    answer = home.post(envelope(query()))
    assert b"aes128-cbc" in answer.data


def test_an_error_says_nothing_that_would_have_to_be_encrypted(make_home: MakeHome, key: rsa.RSAPrivateKey) -> None:
    home = make_home(encrypt_answers="always")
    home.active.clear()
    with pytest.raises(Denied):
        ask(Straight(home), key)
    home.database_answers, home.active = False, {"p1"}
    with pytest.raises(Unavailable):
        ask(Straight(home), key)


def changed_cipher(answer: bytes) -> bytes:
    start, mark, rest = answer.rpartition(b"CipherValue>")
    before, value_mark, value = start.rpartition(b"CipherValue>")
    return before + value_mark + value[:40] + (b"A" if value[40:41] != b"A" else b"B") + value[41:] + mark + rest


def without_outer_signature(answer: bytes) -> bytes:
    element = decode_soap(answer)
    signature = element.find(qname(names.DS, "Signature"))
    if signature is None:
        raise RuntimeError("an answer without a signature")
    element.remove(signature)
    return encode_soap(element)


def signed_by_another(answer: bytes) -> bytes:
    element = decode_soap(without_outer_signature(answer))
    sign(element, LAB_SIGNER)
    return encode_soap(element)


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (changed_cipher, "signature.wrong"),
        (signed_by_another, "signature.wrong"),
        (without_outer_signature, "signature.missing"),
    ],
)
def test_the_signature_is_looked_at_before_anything_is_believed(
    make_home: MakeHome, key: rsa.RSAPrivateKey, tamper: Callable[[bytes], bytes], code: str
) -> None:
    home = make_home(encrypt_answers="always")
    with pytest.raises(Refusal) as caught:
        ask(Straight(home, tamper), key)
    assert caught.value.code == code
