"""Mail to people: one plain message to one address, by SMTP or into a directory. Writes no text of its own.

Nothing that a person typed can become a header (RFC 5322 2.2): addresses are plain ASCII, a subject is one line, and what writes the
headers refuses line breaks.
"""

import re
import secrets
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol

from pydantic import AfterValidator, Field, model_validator

from ostiary.config import (
    Duration,
    FileFromHere,
    PathFromHere,
    Settings,
    WrongSetting,
    is_loopback,
    read_private_file,
    write_private_file,
)
from ostiary.errors import ConfigurationError, OstiaryError, Refusal, Unavailable

MAXIMUM_ADDRESS: Final = 254
MAXIMUM_SUBJECT: Final = 200

# RFC 5321 4.1.2, Dot-string and Domain, ASCII only: quoted local parts and address literals are not accepted.
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})*)", re.ASCII)
_POLICY: "Final[EmailPolicy[EmailMessage]]" = EmailPolicy(linesep="\r\n", raise_on_defect=True, max_line_length=78)
_MAXIMUM_PASSWORD: Final = 1_024


@dataclass(frozen=True, slots=True)
class Message:
    """One letter. ``to`` is an address, ``subject`` one line, ``body`` plain text, ``language`` its language tag."""

    to: str
    subject: str
    body: str
    language: str


class Mailer(Protocol):
    """Something that takes letters."""

    def send(self, message: Message) -> None:
        """Hands one letter over. Raises `Unavailable` (``mail.unavailable``) where trying again may help, `Refusal` (``mail.address``,
        ``mail.subject``, ``mail.refused``) where it won't."""
        ...


def is_address(text: str) -> bool:
    """Whether this is a mail address that letters are sent to: RFC 5321 4.1.2 in plain ASCII, at most 254 characters, 64 before the @."""
    found = _ADDRESS.fullmatch(text) if len(text) <= MAXIMUM_ADDRESS else None
    return found is not None and len(found["local"]) <= 64


def domain_of(address: str) -> str:
    """The domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


def written(message: Message, *, sender: str, now: datetime) -> EmailMessage:
    """The letter as RFC 5322 writes it. ``Auto-Submitted`` (RFC 3834) keeps out-of-office replies away.

    Raises `Refusal` (``mail.address``, ``mail.subject``).
    """
    for address in (message.to, sender):
        if not is_address(address):
            raise Refusal("mail.address", expected="name@domain", found=repr(address[:80]))
    if not 0 < len(message.subject) <= MAXIMUM_SUBJECT or not message.subject.isprintable():
        raise Refusal("mail.subject", expected=f"one line of 1 to {MAXIMUM_SUBJECT} characters")
    letter = EmailMessage(policy=_POLICY)
    try:
        letter["From"] = sender
        letter["To"] = message.to
        letter["Subject"] = message.subject
        letter["Date"] = format_datetime(now)
        letter["Message-ID"] = f"<{secrets.token_hex(16)}@{domain_of(sender)}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(message.body.rstrip("\n") + "\n", charset="utf-8", cte="quoted-printable")
        letter["Content-Language"] = message.language
    except (MessageError, ValueError) as error:
        raise Refusal("mail.subject", expected="text that a letter can carry", found=type(error).__name__) from error
    return letter


class FileMailer:
    """Writes each letter as an ``.eml`` file (mode 0600) into a directory: for a demo, and for trying things out."""

    def __init__(self, directory: Path, sender: str, now: Callable[[], datetime]) -> None:
        self._directory = directory
        self._sender = sender
        self._now = now

    def send(self, message: Message) -> None:
        """As `Mailer.send`."""
        now = self._now()
        letter = written(message, sender=self._sender, now=now)
        name = f"{now:%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}.eml"
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private_file(self._directory / name, letter.as_bytes())
        except (OSError, ConfigurationError) as error:
            raise Unavailable("mail.unavailable", expected="a directory that takes the letter", found=error) from error


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where letters are handed over (RFC 6409 submission). ``security``: ``starttls`` (RFC 3207), ``tls`` (RFC 8314 3.3), or ``none``.
    ``timeout`` bounds each step."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    ca_file: Path | None = None
    username: str | None = None
    password: str | None = None
    timeout: timedelta = timedelta(seconds=20)


class SmtpMailer:
    """Hands letters to one SMTP server, each over a connection of its own. The server's certificate is always checked."""

    def __init__(self, server: SmtpServer, sender: str, now: Callable[[], datetime]) -> None:
        self._server = server
        self._sender = sender
        self._now = now

    def send(self, message: Message) -> None:
        """As `Mailer.send`."""
        letter = written(message, sender=self._sender, now=self._now())
        try:
            with self._connect() as connection:
                if self._server.username is not None and self._server.password is not None:
                    connection.login(self._server.username, self._server.password)
                connection.send_message(letter, self._sender, [message.to])
        except smtplib.SMTPRecipientsRefused as error:
            raise _refused(error) from error
        except smtplib.SMTPResponseException as error:
            # What a server says may hold the address; its number says enough.
            raise Unavailable("mail.unavailable", expected="a letter accepted", found=error.smtp_code) from error
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable("mail.unavailable", expected="a letter accepted", found=_cause(error)) from error

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        seconds = server.timeout.total_seconds()
        name = domain_of(self._sender)
        if server.security == "tls":
            return smtplib.SMTP_SSL(
                server.host, server.port, local_hostname=name, timeout=seconds, context=self._context()
            )
        connection = smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=seconds)
        if server.security == "starttls":
            try:
                # Raises where the server does not offer it: nothing is ever sent in the open instead.
                connection.starttls(context=self._context())
            except BaseException:
                connection.close()
                raise
        return connection

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._server.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _refused(error: smtplib.SMTPRecipientsRefused) -> OstiaryError:
    code = next((answer[0] for answer in error.recipients.values()), 0)
    if 400 <= code < 500:
        # RFC 5321 4.2.1: try again later; greylisting answers so.
        return Unavailable("mail.unavailable", expected="the address accepted", found=code)
    return Refusal("mail.refused", expected="the address accepted", found=code)


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {error.strerror}" if isinstance(error, OSError) else type(error).__name__


def _address(value: str) -> str:
    if not is_address(value):
        raise WrongSetting("config.mail_address", expected="an address such as help@example.org", found=value[:80])
    return value


MailAddress = Annotated[str, AfterValidator(_address)]
"""A mail address that letters can be sent to (`is_address`)."""


class FilesMailSettings(Settings):
    """Letters become files in a directory, which is made when the first one comes."""

    type: Literal["files"]
    directory: PathFromHere
    sender: MailAddress = "ostiary@localhost"

    def open(self, now: Callable[[], datetime]) -> Mailer:
        """What sends so."""
        return FileMailer(self.directory, self.sender, now)


class SmtpMailSettings(Settings):
    """Letters go to an SMTP server. ``ca_file`` is the CA of its certificate, if not one that the system trusts; ``password_file`` a
    private file whose first line is the password; ``security: none`` only on this machine."""

    type: Literal["smtp"]
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: FileFromHere | None = None
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    password_file: FileFromHere | None = None
    sender: MailAddress
    timeout: Duration = timedelta(seconds=20)

    @model_validator(mode="after")
    def _fits_together(self) -> "SmtpMailSettings":
        if self.security == "none" and not is_loopback(self.host):
            raise WrongSetting("config.mail_in_the_open", expected="starttls or tls", found="none")
        if (self.username is None) != (self.password_file is None):
            raise WrongSetting("config.mail_login", expected="username and password_file, or neither", found="one")
        return self

    def open(self, now: Callable[[], datetime]) -> Mailer:
        """What sends so; connects for each letter. Raises `ConfigurationError` where the password can't be read."""
        server = SmtpServer(
            self.host,
            self.port,
            self.security,
            ca_file=self.ca_file,
            username=self.username,
            password=_password(self.password_file) if self.password_file is not None else None,
            timeout=self.timeout,
        )
        return SmtpMailer(server, self.sender, now)


def _password(file: Path) -> str:
    content = read_private_file(file, max_bytes=_MAXIMUM_PASSWORD)
    try:
        return content.decode().partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise ConfigurationError("mail.password_file", file=file, expected="UTF-8 text") from error


MailSettings = Annotated[SmtpMailSettings | FilesMailSettings, Field(discriminator="type")]
"""How mail is sent: ``type: smtp`` or ``type: files``."""
