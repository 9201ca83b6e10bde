"""A small SMTP server on loopback that takes letters and writes down what it was told. Answers as it is told to."""

import base64
import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class SmtpServer:
    """``implicit`` speaks TLS from the first octet; without ``tls`` it has none at all. ``answers`` replaces the reply to a command."""

    tls: ssl.SSLContext | None = None
    implicit: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    letters: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    login: tuple[str, str] | None = None
    encrypted: list[bool] = field(default_factory=list)

    def __enter__(self) -> "SmtpServer":
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.settimeout(5)
            with contextlib.suppress(OSError, ssl.SSLError), contextlib.ExitStack() as open_:
                open_.enter_context(connection)
                self._talk(connection, open_)

    def _talk(self, connection: socket.socket, open_: contextlib.ExitStack) -> None:
        if self.implicit and self.tls is not None:
            connection = open_.enter_context(self.tls.wrap_socket(connection, server_side=True))
        self._say(connection, self.answers.get("hello", "220 test"))
        reader = open_.enter_context(connection.makefile("rb"))
        while line := reader.readline():
            command = line.decode().strip()
            verb = command.partition(" ")[0].upper()
            self.commands.append(verb)
            if verb == "STARTTLS" and self.tls is not None and verb not in self.answers:
                self._say(connection, "220 go")
                reader.close()
                connection = open_.enter_context(self.tls.wrap_socket(connection, server_side=True))
                reader = open_.enter_context(connection.makefile("rb"))
                continue
            self._say(connection, self.answers.get(verb) or self._reply(verb, command, connection))
            if verb == "DATA" and verb not in self.answers:
                self._take(reader, connection)
            if verb == "QUIT":
                return

    def _reply(self, verb: str, command: str, connection: socket.socket) -> str:
        if verb == "EHLO":
            secured = isinstance(connection, ssl.SSLSocket)
            offers = ["250-test", "250-AUTH PLAIN"]
            if self.tls is not None and not secured:
                offers.append("250-STARTTLS")
            return "\r\n".join([*offers, "250 8BITMIME"])
        if verb == "AUTH":
            _, name, password = base64.b64decode(command.split()[-1]).split(b"\0")
            self.login = (name.decode(), password.decode())
            return "235 welcome"
        return {"DATA": "354 go", "QUIT": "221 bye"}.get(verb, "250 ok")

    def _take(self, reader: object, connection: socket.socket) -> None:
        lines: list[bytes] = []
        while (line := reader.readline()) not in (b".\r\n", b""):  # type: ignore[attr-defined]
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.letters.append(b"".join(lines))
        self.encrypted.append(isinstance(connection, ssl.SSLSocket))
        self._say(connection, self.answers.get("taken", "250 taken"))

    def _say(self, connection: socket.socket, text: str) -> None:
        connection.sendall(text.encode() + b"\r\n")


def tls_for(name: str, directory: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context whose certificate is for this name and signed by itself, and the file that a client is to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = directory / f"{name}.pem"
    private = directory / f"{name}.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context, pem
