"""The demo's roles and databases at a PostgreSQL server: a password for each part, and the SQL that makes it all. Connects to nothing.

Whoever runs the SQL needs to know no password: it holds verifiers, by which nobody can log in.
"""

import base64
import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import HOMES
from ostiary.config import read_private_file, write_private_file

PARTS: Final = (*(home.key for home in HOMES), "voms")
_ITERATIONS: Final = 4096
_PASSWORD_BYTES: Final = 24


def write_database_roles(layout: Layout, file: Path) -> None:
    """Writes the password of each part below the state directory, where there is none yet, and into ``file`` the SQL, one statement a
    line. Raises `OSError`."""
    lines = []
    for part in PARTS:
        path = layout.database_password(part)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private_file(path, secrets.token_urlsafe(_PASSWORD_BYTES).encode())
        verifier = scram_verifier(read_private_file(path), secrets.token_bytes(16))
        lines += [
            f"CREATE ROLE {part} LOGIN PASSWORD '{verifier}';",
            f"CREATE DATABASE {part} OWNER {part};",
            f"REVOKE ALL ON DATABASE {part} FROM PUBLIC;",
        ]
    unfinished = file.with_name(f".{file.name}.new")
    unfinished.write_text("\n".join(lines) + "\n")
    unfinished.replace(file)


def scram_verifier(password: bytes, salt: bytes) -> str:
    """What PostgreSQL keeps instead of a password, which is ASCII (RFC 5803, RFC 5802 3)."""
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${_ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
