"""Base64 as messages and signatures have it: whole groups, no other characters but white space, no more padding than there may be."""

import binascii


def strict_base64(text: bytes) -> bytes:
    """What ``text`` (RFC 4648, 4; lines may end anywhere) stands for. Raises `binascii.Error`."""
    compact = b"".join(text.split())
    # The library's strict mode takes padding at the end only, though more of it than there may be.
    if len(compact) % 4 or compact.endswith(b"==="):
        raise binascii.Error("wrong length or padding")
    return binascii.a2b_base64(compact, strict_mode=True)
