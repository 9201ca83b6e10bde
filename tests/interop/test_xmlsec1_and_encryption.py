"""The xmlsec1 command, and pysaml2 which works with it, open what is encrypted here, and the other way round."""

import base64
import subprocess
from dataclasses import replace
from pathlib import Path
from shutil import which

import pytest
from saml2 import sigver

from ostiary.saml import names
from ostiary.saml.assertion import Assertion
from ostiary.saml.encrypted_response import verify_response_that_may_be_encrypted
from ostiary.saml.encryption import encrypt_assertion
from ostiary.saml.encryption_methods import Encryption
from ostiary.saml.signature import verify_element
from ostiary.saml.xml import make, parse_xml, qname, to_bytes
from tests.saml.test_encryption import (
    CBC,
    GCM,
    KEYS,
    OPEN,
    TO_SP,
    response_with,
    rsa_key,
    signed_assertion,
)
from tests.saml.world import ASSERTION, RESPONSE, certificate_for, private_pem

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("cipher", [*GCM, *CBC])
def test_the_xmlsec1_command_opens_what_is_encrypted_here(cipher: str, tmp_path: Path) -> None:
    """What mellon, pysaml2 and many others work with."""
    encrypted = encrypt_assertion(signed_assertion(), replace(TO_SP, encryption=Encryption(cipher)))
    (tmp_path / "message.xml").write_bytes(to_bytes(encrypted))
    (tmp_path / "key.pem").write_bytes(private_pem("rsa", "sp"))
    command = ["xmlsec1", "--decrypt", "--privkey-pem", "key.pem", "--output", "out.xml", "message.xml"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    opened = parse_xml((tmp_path / "out.xml").read_bytes())[0]
    assert Assertion.from_proof(verify_element(opened, KEYS)) == ASSERTION


def test_pysaml2_and_this_software_open_each_others_assertions(tmp_path: Path) -> None:
    backend = sigver.CryptoBackendXmlSec1(which("xmlsec1"))
    key_file, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    key_file.write_bytes(private_pem("rsa", "sp"))
    encoded = base64.encodebytes(certificate_for(rsa_key())).decode()
    certificate.write_text(f"-----BEGIN CERTIFICATE-----\n{encoded}-----END CERTIFICATE-----\n")

    ours = to_bytes(response_with(encrypt_assertion(signed_assertion(), TO_SP))).decode()
    opened = parse_xml(backend.decrypt(ours, str(key_file)).encode())
    inside = next(opened.iter(qname(names.SAML, "Assertion")))
    assert Assertion.from_proof(verify_element(inside, KEYS)) == ASSERTION

    holder = make(names.SAML, "EncryptedAssertion")
    holder.append(signed_assertion())
    statement = to_bytes(RESPONSE._replace(assertions=()).to_xml(holder)).decode()
    template = sigver.pre_encryption_part(msg_enc=names.AES256_GCM, key_enc=names.RSA_OAEP_MGF1P)
    theirs = backend.encrypt_assertion(statement, str(certificate), str(template), key_type="aes-256")
    assert verify_response_that_may_be_encrypted(parse_xml(theirs.encode()), KEYS, OPEN).assertion == ASSERTION
