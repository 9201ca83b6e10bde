"""Files of attribute certificates by themselves (``-separate``, ``-includeac``): PEM blocks ``ATTRIBUTE CERTIFICATE`` (RFC 7468 6), or one
in DER. Reads and writes; proves nothing."""

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ostiary.config import write_private_file
from ostiary.errors import ConfigurationError, Refusal
from ostiary.x509.attribute_certificate import read_attribute_certificate

MAX_BYTES: Final = 256 * 1024
_LABEL: Final = "ATTRIBUTE CERTIFICATE"
_BLOCK: Final = re.compile(rb"-----BEGIN ATTRIBUTE CERTIFICATE-----(.*?)-----END ATTRIBUTE CERTIFICATE-----", re.DOTALL)


def write_attribute_certificates(path: Path, certificates: Sequence[bytes]) -> None:
    """Writes them (DER) as PEM, whole or not at all, for the user alone. Raises `ConfigurationError`
    (``config.private_file_unwritable``)."""
    blocks = []
    for der in certificates:
        text = base64.b64encode(der).decode()
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        blocks.append("\n".join([f"-----BEGIN {_LABEL}-----", *lines, f"-----END {_LABEL}-----", ""]))
    write_private_file(path, "".join(blocks).encode())


def read_attribute_certificates(path: Path) -> tuple[bytes, ...]:
    """Those of a file, DER, in order; each can at least be read. Raises `ConfigurationError` (``voms.ac_file``)."""
    data = read_bounded(path, MAX_BYTES, "voms.ac_file")
    try:
        found = tuple(base64.b64decode(b"".join(body.split()), validate=True) for body in _BLOCK.findall(data)) or (
            data,
        )
        for der in found:
            read_attribute_certificate(der)
    except (binascii.Error, Refusal) as error:
        raise _unusable("voms.ac_file", path, error) from None
    return found


def read_bounded(path: Path, most: int, code: str) -> bytes:
    """The content of a file of at most ``most`` bytes. Raises `ConfigurationError` with this ``code``."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise _unusable(code, path, error.strerror) from None
    if len(data) > most:
        raise _unusable(code, path, f"more than {most} bytes")
    return data


def _unusable(code: str, path: Path, found: object) -> ConfigurationError:
    return ConfigurationError(code, file=path, expected="a file that can be used", found=found)
