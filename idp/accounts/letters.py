"""The letters to people of the embedded directory: which text, in whose language, with which link. Sends nothing by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from ostiary.mail import Mailer, Message, is_address
from ostiary.web.texts import Catalogue

RESET_PATH: Final = "/account/reset"
FORGOTTEN_PATH: Final = "/account/forgotten"
REGISTER_PATH: Final = "/account/register"
PROVE_PATH: Final = "/account/register/confirm"
LANGUAGE_ATTRIBUTE: Final = "preferredLanguage"
_LONGEST_SUBJECT_PART: Final = 100

Kind = Literal[
    "reset",
    "invitation",
    "password_set",
    "register",
    "register_known",
    "register_waits",
    "approved",
    "rejected",
    "waits",
    "factor_added",
    "factor_removed",
    "recovery_code_used",
    "recovery_codes_made",
]


@dataclass(frozen=True, slots=True, eq=False)
class Letters:
    """What writes to people. ``organisation`` is its name by language; ``public_url`` that of the identity provider."""

    catalogue: Catalogue
    mailer: Mailer
    organisation: Mapping[str, str]
    public_url: str

    def send(self, kind: Kind, to: str, language: str, **values: object) -> None:
        """One letter: the texts ``idp.mail.<kind>.subject`` and ``.body``, filled with ``values`` and the organisation. Raises as
        `Mailer.send`."""
        organisation = self.organisation.get(language) or self.organisation["en"]
        shared = {"organisation": organisation, **values}
        short = {name: _one_line(str(value)) for name, value in shared.items()}
        subject = self.catalogue.text(language, f"idp.mail.{kind}.subject", **short)
        body = self.catalogue.text(language, f"idp.mail.{kind}.body", **shared)
        self.mailer.send(Message(to, subject, body, language))

    def link(self, path: str, token: str) -> str:
        """The address of a page of this service, with a token (base64url)."""
        return f"{self.public_url}{path}?token={token}"

    def language_of(self, attributes: Mapping[str, tuple[str, ...]], otherwise: str = "en") -> str:
        """The language in which somebody wants her letters: her own (``preferredLanguage``, written as an ``Accept-Language`` header:
        RFC 2798 2.7), else the page's."""
        wanted = (*attributes.get(LANGUAGE_ATTRIBUTE, ()), f"{otherwise};q=0.001")
        return self.catalogue.choose(accept=", ".join(wanted))


def mail_of(attributes: Mapping[str, tuple[str, ...]]) -> str | None:
    """The first address of a person to which a letter can be sent."""
    return next((value for value in attributes.get("mail", ()) if is_address(value)), None)


def minutes(length: timedelta) -> int:
    """A length of time as letters state it."""
    return max(1, round(length.total_seconds() / 60))


def hours(length: timedelta) -> int:
    """The same in hours."""
    return max(1, round(length.total_seconds() / 3600))


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[:_LONGEST_SUBJECT_PART]
