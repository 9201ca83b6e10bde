"""Which of an organisation's logos (mdui:Logo) is shown, and under which name it is kept. Pure."""

import hashlib
from typing import Final

from ostiary.federation.model import Logo
from ostiary.federation.summary import Summary

SIDE: Final = 80
"""Pixels of the square in which a logo is shown, twice over for screens with many pixels."""

MAXIMUM_ADDRESS: Final = 400_000
_UNKNOWN: Final = (0, 0)


def chosen(summary: Summary) -> Logo | None:
    """The logo that fits a square of `SIDE` best: not smaller than that, then as square as possible, then as small as possible. None where
    there is none that could be fetched over https (http on loopback, which the fetcher knows) or is there already (data:)."""
    usable = [logo for logo in summary.logos if 0 < len(logo.url) <= MAXIMUM_ADDRESS]
    return min(usable, key=_unfitness, default=None)


def _unfitness(logo: Logo) -> tuple[int, float, int, str]:
    width, height = logo.width, logo.height
    if 0 in (width, height):
        return 1, 0.0, 0, logo.url
    shorter, longer = sorted((width, height))
    return 0 if longer >= SIDE else 2, longer / shorter, longer, logo.url


def kept_as(logo: Logo) -> str:
    """32 hexadecimal digits of its address or octets: another logo has another name."""
    return hashlib.sha256(logo.url.encode()).hexdigest()[:32]
