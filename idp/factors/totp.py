"""One-time codes of an authenticator app (RFC 6238: SHA-1, 30 seconds, 6 digits). Pure; that a code is good once is the store's part."""

import base64
import hmac
import re
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final

import pyotp

PERIOD: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20
# One step before and after the present one: for clocks that differ, and for slow typists (RFC 6238 5.2).
_DRIFT: Final = 1
_CODE: Final = re.compile(r"[0-9]{6}")
_SPACES: Final = re.compile(r"[\s-]+")


def new_secret(random: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """A secret of 160 random bits (RFC 4226 section 4, R6)."""
    return random(SECRET_BYTES)


def step_at(at: datetime) -> int:
    """The number of the 30-second step that the instant lies in (RFC 6238 4.2)."""
    return int(at.timestamp()) // PERIOD


def matching_steps(secret: bytes, typed: str, now: datetime) -> tuple[int, ...]:
    """The steps about ``now`` whose code was typed, in order; none for a wrong code. Spaces and hyphens in it don't matter."""
    code = plain(typed)
    if _CODE.fullmatch(code) is None:
        return ()
    generator = pyotp.HOTP(shown_secret(secret), digits=DIGITS)
    present = step_at(now)
    steps = range(max(0, present - _DRIFT), present + _DRIFT + 1)
    # Each is compared, whether or not an earlier one fits.
    return tuple(step for step, fits in [(step, _same(generator.at(step), code)) for step in steps] if fits)


def plain(typed: str) -> str:
    """What was typed, without spaces and hyphens."""
    return _SPACES.sub("", typed)


def shown_secret(secret: bytes) -> str:
    """The secret in base32 without padding, for typing it into an app."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def key_uri(secret: bytes, *, account: str, issuer: str) -> str:
    """What the QR code says: an ``otpauth://totp`` URI, the form that authenticator apps agree on."""
    return pyotp.TOTP(shown_secret(secret), digits=DIGITS, interval=PERIOD).provisioning_uri(
        name=account.replace(":", " "), issuer_name=issuer.replace(":", " ")
    )


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())
