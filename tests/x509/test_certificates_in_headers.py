"""Certificates that a web server in front passes on in headers: each way of writing them, and nothing that could be read in two ways."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.x509.passed_on import chain_in
from tests.x509.authorities import der, pem, root

CA = root()
ALICE = CA.issue("/C=ZZ/O=HV Test/CN=Alice Member")
OWN, ISSUER = der(ALICE.certificate), der(CA.certificate)
WRITTEN = pem(ALICE.certificate).decode()
RFC_9440 = f":{base64.b64encode(OWN).decode()}:"
ISSUER_RFC_9440 = f":{base64.b64encode(ISSUER).decode()}:"
BOTH = pem(CA.certificate).decode() + WRITTEN


@pytest.mark.parametrize(
    "own",
    [WRITTEN, quote(WRITTEN), WRITTEN.replace("\n", " "), WRITTEN.replace("\n", "\t"), RFC_9440, RFC_9440.strip(":")],
    ids=["PEM", "percent-encoded", "spaces", "tabs", "RFC 9440", "base64"],
)
@pytest.mark.parametrize(
    "rest",
    [
        pem(CA.certificate).decode().replace("\n", " "),
        quote(pem(CA.certificate)),
        ISSUER_RFC_9440,
        f" {ISSUER_RFC_9440} ",
    ],
    ids=["PEM", "percent-encoded", "RFC 9440", "with spaces"],
)
def test_every_way_of_writing_a_chain_is_read(own: str, rest: str) -> None:
    assert chain_in(own) == (OWN,)
    assert chain_in(own, rest) == (OWN, ISSUER)


def test_a_chain_of_several_keeps_its_order_and_says_nothing_twice() -> None:
    rest = f"{ISSUER_RFC_9440}, {RFC_9440},{ISSUER_RFC_9440}"
    assert chain_in(RFC_9440, rest) == (OWN, ISSUER)
    assert chain_in(RFC_9440, quote(BOTH)) == (OWN, ISSUER)


@pytest.mark.parametrize(
    ("own", "rest"),
    [
        ("", ""),
        ("", ISSUER_RFC_9440),
        ("nonsense", ISSUER_RFC_9440),
        (f"{RFC_9440}, {ISSUER_RFC_9440}", ""),
        (quote(BOTH), ""),
        (f"{quote(WRITTEN)}, {quote(WRITTEN)}", ""),
        (RFC_9440, "nonsense"),
        (RFC_9440, f"{ISSUER_RFC_9440},"),
        (RFC_9440, f"{ISSUER_RFC_9440},,{ISSUER_RFC_9440}"),
        (RFC_9440, f"{ISSUER_RFC_9440}, nonsense"),
        (RFC_9440, ISSUER_RFC_9440 + " " * 60_000),
        (RFC_9440 + " " * 60_000, ""),
    ],
)
def test_what_can_not_be_read_as_a_whole_is_nothing(own: str, rest: str) -> None:
    assert chain_in(own, rest) == ()


@settings(max_examples=50)
@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_makes_it_fail(own: str, rest: str) -> None:
    assert chain_in(own, rest) in ((), *[chain_in(own)])
    assert chain_in(RFC_9440, rest)[:1] in ((), (OWN,))
