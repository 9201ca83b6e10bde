"""What tests of people's accounts share: letters as they were written, forms as a browser fills them in, people with passwords."""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from urllib.parse import urlsplit

from lxml import html
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from idp.accounts.directory import Directory
from idp.accounts.passwords import Argon2Parameters, Passwords
from ostiary import audit
from ostiary.saml.xml import parse_xml
from ostiary.storage.engine import reading

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CHEAP = Passwords(Argon2Parameters(time_cost=1, memory=8, parallelism=1))
OLD = "old horse on a hill"
NEW = "tulip ladder ocean clock"


@dataclass
class Mailbox:
    """The letters that were sent, in the order in which they were."""

    directory: Path

    def letters(self) -> list[EmailMessage]:
        files = sorted(self.directory.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
        return [message_from_bytes(file.read_bytes(), policy=default) for file in files]  # type: ignore[misc]

    def to(self, address: str) -> list[EmailMessage]:
        return [letter for letter in self.letters() if letter["To"] == address]

    def subjects(self) -> list[str]:
        return [letter["Subject"] for letter in self.letters()]


def text_of_letter(letter: EmailMessage) -> str:
    return letter.get_content()


def link_in(letter: EmailMessage) -> str:
    """Path and query of the one link in a letter."""
    found = re.findall(r"https?://\S+", text_of_letter(letter))
    if len(found) != 1:
        raise LookupError(f"{len(found)} links in the letter")
    parts = urlsplit(found[0])
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def fields_of(page: TestResponse, *, having: str = "csrf_token") -> dict[str, str]:
    """The fields of the first form that has this one, as a browser would send them."""
    for form in html.document_fromstring(page.get_data(as_text=True)).forms:
        if having in form.fields:
            return {name: value or "" for name, value in form.fields.items()}
    raise LookupError(f"no form with {having}")


def words_of(page: TestResponse) -> str:
    return " ".join(html.document_fromstring(page.get_data(as_text=True)).find(".//main").text_content().split())


def errors_of(page: TestResponse) -> dict[str, str]:
    """What the page says is wrong, by field."""
    document = html.document_fromstring(page.get_data(as_text=True))
    return {
        element.get("id").removesuffix("-error"): element.text_content().strip()
        for element in document.xpath("//p[@class='error']")
    }


def add_person(
    directory: Directory, name: str, *, password: str | None = OLD, must_change: bool = False, **attributes: list[str]
) -> str:
    return directory.create(
        name,
        password_hash=CHEAP.hash(password) if password is not None else None,
        attributes=attributes,
        at=NOW,
        by="operator",
        must_change=must_change,
    )


def is_password_of(directory: Directory, name: str, password: str) -> bool:
    credentials = directory.credentials(name)
    return credentials is not None and CHEAP.check(credentials.password_hash, password).right


def actions_of(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [event.action for event in audit.events(connection, limit=10_000)]


def status_in(page: TestResponse) -> str:
    """The innermost StatusCode of the Response in a page."""
    message = parse_xml(base64.b64decode(fields_of(page, having="SAMLResponse")["SAMLResponse"]))
    codes = [element.get("Value") for element in message.iter("{urn:oasis:names:tc:SAML:2.0:protocol}StatusCode")]
    return str(codes[-1])
