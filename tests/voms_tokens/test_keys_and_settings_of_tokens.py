"""Which keys of others are taken, which configurations are not, and where the documents are."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ostiary.config import load_settings
from ostiary.errors import ConfigurationError, NotAuthenticated, Refusal
from ostiary.saml.keys import TrustedKey
from ostiary.tokens import key_id, key_set, read_key_set, sign_token, verified_claims
from tests.signers import make_signer
from tests.voms_tokens.conftest import NEXT, OTHER, SIGNER
from voms.tokens.discovery import discovery_paths
from voms.tokens.settings import VoTokenSettings
from voms.tokens.subjects import load_trusted_issuer

RSA, EC = key_set([NEXT.public])["keys"][0], key_set([SIGNER.public])["keys"][0]


def document(*keys: object) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def test_a_key_set_that_was_written_is_read_again() -> None:
    found = read_key_set(document(RSA, EC))
    assert found == {key_id(NEXT.public): NEXT.public, key_id(SIGNER.public): SIGNER.public}


def test_a_key_without_a_name_is_known_by_its_thumbprint() -> None:
    nameless = {name: value for name, value in EC.items() if name not in ("kid", "alg")}
    assert read_key_set(document(nameless)) == {key_id(SIGNER.public): SIGNER.public}


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "1"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "1"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "1"},
        {**RSA, "use": "enc"},
    ],
)
def test_keys_that_are_not_for_signatures_are_left_out(key: dict[str, str]) -> None:
    assert read_key_set(document(key, EC)) == {key_id(SIGNER.public): SIGNER.public}


def weak_key() -> dict[str, str]:
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()  # noqa: S505 - what is refused
    modulus = urlsafe_b64encode(numbers.n.to_bytes(128)).rstrip(b"=").decode()
    return {"kty": "RSA", "e": "AQAB", "n": modulus, "kid": "weak"}


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"keys": 5}',
        b'{"keys": [5]}',
        b'{"keys": [{}]}',
        b"[" * 100_000,
        document(EC, EC),
        document({**EC, "kid": 5}),
        document({**EC, "x": "!"}),
        document({**EC, "x": EC["y"], "y": EC["y"]}),
        document({"kty": "RSA", "n": "AQ", "e": "AQAB"}),
        document(*({"kty": "oct"} for _ in range(65))),
        document(weak_key()),
    ],
)
def test_what_is_no_key_set_is_refused(octets: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read_key_set(octets)
    assert caught.value.code == "token.key_set"


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_signature_counts_only_by_the_key_that_made_it(kind: str) -> None:
    signer, other = make_signer("one", kind=kind), make_signer("other", kind=kind)  # type: ignore[arg-type]
    token = sign_token({"sub": "somebody"}, signer)
    assert verified_claims(token, {key_id(signer.public): signer.public}) == {"sub": "somebody"}
    with pytest.raises(NotAuthenticated) as caught:
        verified_claims(token, {key_id(signer.public): other.public})
    assert caught.value.code == "token.signature"


def test_every_octet_of_a_token_counts() -> None:
    token = sign_token({"sub": "somebody"}, OTHER)
    keys: dict[str, TrustedKey] = {key_id(OTHER.public): OTHER.public}
    for at in range(0, len(token) - 1, 7):
        if token[at] == ".":
            continue
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(NotAuthenticated):
            verified_claims(changed, keys)


def write(directory: Path, text: str) -> Path:
    (directory / "keys").mkdir(exist_ok=True)
    (directory / "home.json").write_bytes(document(EC))
    path = directory / "tokens.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("keys: elsewhere", "keys"),
        ("keys: keys\nlongest: 25h", "longest"),
        ("keys: keys\nissuer: http://voms.example.org", "issuer"),
        ("keys: keys\nissuer: not a url", "issuer"),
        ("keys: keys\ndefault_audience: ['a b']", "default_audience[0]"),
        (
            "keys: keys\ntrusted_issuers: [{issuer: a, keys: home.json}, {issuer: a, keys: home.json}]",
            "trusted_issuers",
        ),
        ("keys: keys\ntrusted_issuers: [{issuer: a, keys: nowhere.json}]", "trusted_issuers[0].keys"),
        ("longest: 1h", "keys"),
    ],
)
def test_a_configuration_that_can_not_be_meant_is_refused_by_its_key(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(write(tmp_path, text), VoTokenSettings)
    assert caught.value.key == key


def test_a_broken_key_set_is_named_with_its_file(tmp_path: Path) -> None:
    path = write(tmp_path, "keys: keys\ntrusted_issuers: [{issuer: a, keys: home.json}]")
    [issuer] = load_settings(path, VoTokenSettings).trusted_issuers
    (tmp_path / "home.json").write_text("nothing")
    with pytest.raises(ConfigurationError) as caught:
        load_trusted_issuer(issuer)
    assert (caught.value.code, caught.value.file) == ("token.key_set", str(tmp_path / "home.json"))


def test_an_issuer_with_a_path_has_its_documents_where_each_standard_wants_them() -> None:
    assert discovery_paths("https://tokens.example.org/example") == {
        "/example/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/example",
        "/.well-known/openid-configuration/example",
    }
    assert discovery_paths("https://tokens.example.org") == {
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    }
