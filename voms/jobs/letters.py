"""Writes to members about what time brings, each letter once whichever process gets there first. Decides nothing."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from ostiary.errors import OstiaryError, Unavailable
from ostiary.mail import Mailer, Message
from ostiary.storage.engine import reading, writing
from ostiary.web.log import Log
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue
from voms.jobs.reminders import Due
from voms.members.aup import AupVersion
from voms.portions import portions
from voms.tables import vo_notice


@dataclass(frozen=True, slots=True)
class Recipient:
    """A member, her address, and her name where it is known."""

    member: str
    mail: str
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Reminders:
    """What writes for one VO. ``page``: where members see their membership and sign; ``contact``: whom they may write to."""

    engine: Engine
    vo: str
    catalogue: Catalogue
    mailer: Mailer
    log: Log
    page: str | None = None
    contact: str | None = None

    def send(self, vo_id: int, to: Recipient, due: Due, policy: AupVersion | None, now: datetime) -> bool:
        """Sends one letter, if nobody has; whether it went out now.

        An address that does not exist is a line in the log and is not tried again. Raises `Unavailable` where no mail can be sent: then
        the letter is still due.
        """
        of = {"vo_id": vo_id, "about": to.member, "kind": due.kind, "step": due.step}
        try:
            with writing(self.engine) as connection:
                connection.execute(insert(vo_notice).values(**of, sent_at=now))
        except IntegrityError:
            return False
        try:
            self.mailer.send(self._message(to, due, policy))
        except OstiaryError as problem:
            if isinstance(problem, Unavailable):
                self._take_back(of)
                raise
            self.log.warning("vo_letter_failed", vo=self.vo, letter=due.kind, member=to.member, code=problem.code)
            return False
        return True

    def already_sent(self, vo_id: int, members: Collection[str]) -> frozenset[tuple[str, str, str]]:
        """Member, kind and step of each letter that went to these members."""
        found: set[tuple[str, str, str]] = set()
        with reading(self.engine) as connection:
            for some in portions(sorted(members)):
                columns = (vo_notice.c.about, vo_notice.c.kind, vo_notice.c.step)
                wanted = select(*columns).where(vo_notice.c.vo_id == vo_id, vo_notice.c.about.in_(some))
                found |= {(row.about, row.kind, row.step) for row in connection.execute(wanted)}
        return frozenset(found)

    def _take_back(self, of: dict[str, object]) -> None:
        # What brought us here is told; if the note stays, this letter is lost, not sent twice.
        with suppress(OstiaryError), writing(self.engine) as connection:
            connection.execute(delete(vo_notice).where(*(vo_notice.c[name] == value for name, value in of.items())))

    def _message(self, to: Recipient, due: Due, policy: AupVersion | None) -> Message:
        values = {
            "vo": self.vo,
            "day": f"{due.instant:%Y-%m-%d}",
            "instant": _shown(due.instant),
            "ended": _shown(due.ended or due.instant),
            "policy": self._policy(policy),
        }
        key = f"voms.letter.{due.kind}"
        subject = self.catalogue.text(SOURCE_LANGUAGE, f"{key}.subject", **values)
        parts = [self._greeting(to), self.catalogue.text(SOURCE_LANGUAGE, f"{key}.body", **values), *self._closing()]
        return Message(to.mail, subject, "\n\n".join(parts), SOURCE_LANGUAGE)

    def _greeting(self, to: Recipient) -> str:
        if not to.name:
            return self.catalogue.text(SOURCE_LANGUAGE, "voms.letter.greeting")
        return self.catalogue.text(SOURCE_LANGUAGE, "voms.letter.greeting_name", name=to.name)

    def _policy(self, policy: AupVersion | None) -> str:
        if policy is None:
            return ""
        key = "voms.letter.policy" if policy.url is None else "voms.letter.policy_url"
        return self.catalogue.text(SOURCE_LANGUAGE, key, version=policy.version, url=policy.url)

    def _closing(self) -> Iterator[str]:
        if self.page is not None:
            yield self.catalogue.text(SOURCE_LANGUAGE, "voms.letter.page", page=self.page)
        if self.contact is not None:
            yield self.catalogue.text(SOURCE_LANGUAGE, "voms.letter.contact", contact=self.contact)


def _shown(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
