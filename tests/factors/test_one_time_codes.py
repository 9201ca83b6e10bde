"""One-time codes of authenticator apps (RFC 6238)."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.factors.totp import key_uri, matching_steps, new_secret, shown_secret, step_at

# RFC 6238 appendix B, SHA-1; of its eight digits an app of six shows the last six.
RFC_SECRET = b"12345678901234567890"
RFC_CODES = [
    (59, "287082"),
    (1_111_111_109, "081804"),
    (1_111_111_111, "050471"),
    (1_234_567_890, "005924"),
    (2_000_000_000, "279037"),
]


@pytest.mark.parametrize(("seconds", "code"), RFC_CODES)
def test_the_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert step_at(now) == seconds // 30
    assert matching_steps(RFC_SECRET, code, now) == (seconds // 30,)


@pytest.mark.parametrize(("late", "good"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_code_is_good_one_step_early_and_one_step_late(late: int, good: bool) -> None:
    at = datetime.fromtimestamp(1_111_111_111, UTC)
    assert matching_steps(RFC_SECRET, "050471", at + timedelta(seconds=late)) == ((37_037_037,) if good else ())


@pytest.mark.parametrize("typed", ["050 471", "050-471", " 050471 ", "05 04 71\t"])
def test_spaces_and_hyphens_do_not_matter(typed: str) -> None:
    assert matching_steps(RFC_SECRET, typed, datetime.fromtimestamp(1_111_111_111, UTC)) == (37_037_037,)


@pytest.mark.parametrize(
    "typed", ["", "05047", "0504711", "٠٥٠٤٧١", "0x5047", "050471\x00", "+50471", "050471" * 1000, "None"]
)
def test_what_is_no_code_is_wrong(typed: str) -> None:
    assert matching_steps(RFC_SECRET, typed, datetime.fromtimestamp(1_111_111_111, UTC)) == ()


def test_a_secret_has_160_random_bits() -> None:
    assert len(new_secret()) == 20
    assert new_secret() != new_secret()
    assert new_secret(lambda count: b"\x01" * count) == b"\x01" * 20


def test_an_app_learns_secret_issuer_and_account() -> None:
    uri = key_uri(RFC_SECRET, account="ada:lovelace@example.org", issuer="Example: University & Co")
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Example  University & Co:ada lovelace@example.org"
    assert parse_qs(parts.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["Example  University & Co"],
    }


@settings(max_examples=50)
@given(st.binary(min_size=20, max_size=20))
def test_a_shown_secret_is_plain_base32(secret: bytes) -> None:
    shown = shown_secret(secret)
    assert len(shown) == 32
    assert set(shown) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
