"""Whether a mount point may come from a header of the client's: gunicorn, Daphne, ProxyFix and others take it from there.

The application looks at what stands behind it alone, so by another one than our own it would get another path than that which is decided
about. Pure.
"""

from collections.abc import Iterable
from typing import Final

MOUNT_HEADERS: Final = ("script-name", "x-script-name", "x-forwarded-prefix", "daphne-root-path")
"""Those headers, in lower case and with ``-``, however they were spelt."""

UNREADABLE: Final = "\x00"
"""A path that hides where it leads: it is refused."""


def is_claimed(mount: str, said: Iterable[str], own: str) -> bool:
    """Whether ``mount`` begins with what one of such headers says (``said``), and that is not ``own``, the path of the public URL."""
    ends = (text.rpartition(",")[2].strip().rstrip("/") for text in said)
    return any(end and end != own and mount.startswith(end) for end in ends)
