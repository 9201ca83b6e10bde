"""The letters about requests and invitations: which text, with which link. Decides nothing of what they tell."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ostiary.errors import OstiaryError, Unavailable
from ostiary.mail import Mailer, Message, is_address
from ostiary.web.log import Log
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue

CONFIRM_PATH: Final = "/confirm"
INVITATION_PATH: Final = "/invitation"
OWN_PATH: Final = "/me"
REQUESTS_PATH: Final = "/requests"
_LONGEST_SUBJECT_PART: Final = 100

Kind = Literal[
    "confirm",
    "approved",
    "left",
    "rejected",
    "expired",
    "waits",
    "still_waits",
    "handed_over",
    "invitation",
    "invitation_accepted",
]


@dataclass(frozen=True, slots=True, eq=False)
class Letters:
    """What writes to people about the VO ``vo``. Its pages are below ``pages_url`` for people who log in through the federation, and
    below ``certificate_url`` for those with a certificate (None: they can't). ``mailer`` None: nothing is sent."""

    catalogue: Catalogue
    mailer: Mailer | None
    vo: str
    pages_url: str | None
    certificate_url: str | None
    log: Log

    def send(self, kind: Kind, to: str, **values: object) -> None:
        """One letter: the texts ``vo.letter.<kind>.subject`` and ``.body``. Raises as `Mailer.send` and `open_mailer`."""
        mailer = self.open_mailer()
        shared = {"vo": self.vo, **values}
        short = {name: _one_line(str(value)) for name, value in shared.items()}
        subject = self.catalogue.text(SOURCE_LANGUAGE, f"vo.letter.{kind}.subject", **short)
        body = self.catalogue.text(SOURCE_LANGUAGE, f"vo.letter.{kind}.body", **shared)
        mailer.send(Message(to, subject, body, SOURCE_LANGUAGE))

    def open_mailer(self) -> Mailer:
        """What sends. Raises `Unavailable` (``voms.no_mail``) where nothing does."""
        if self.mailer is None:
            raise Unavailable("voms.no_mail", expected="a mail server in the configuration", found="none")
        return self.mailer

    def tell(self, kind: Kind, to: Iterable[str], **values: object) -> int:
        """The same letter to everybody who has an address; how many went out. One that does not is a line in the log: what it tells has
        happened, and stands in the pages, too."""
        sent = 0
        for address in dict.fromkeys(each for each in to if is_address(each)):
            if self.mailer is None:
                break
            try:
                self.send(kind, address, **values)
            except OstiaryError as problem:
                self.log.warning("vo_letter_failed", vo=self.vo, letter=kind, code=problem.code, found=problem.found)
            else:
                sent += 1
        return sent

    def ways(self, path: str, **query: str) -> Iterator[str]:
        """For somebody of whom nobody knows yet how she comes: each way, with its address."""
        found = {"login": self.pages_url, "certificate": self.certificate_url}
        for way, base in found.items():
            if base is not None:
                link = self.link(path, certificate=way == "certificate", **query)
                yield self.catalogue.text(SOURCE_LANGUAGE, f"vo.letter.way.{way}", link=link)

    def link(self, path: str, *, certificate: bool = False, **query: str) -> str:
        """The address of a page for somebody who comes with a ``certificate``, or through the federation where that is possible. What
        stands in the query is hexadecimal or base64url."""
        ways = (self.certificate_url, self.pages_url) if certificate else (self.pages_url, self.certificate_url)
        base = next((way for way in ways if way is not None), "")
        found = "&".join(f"{name}={value}" for name, value in query.items())
        return f"{base}{path}" + (f"?{found}" if found else "")


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[:_LONGEST_SUBJECT_PART]
