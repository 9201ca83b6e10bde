"""What the applicants' side and the managers' side of requests work with, and what both do: who is told of a request. Decides nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from ostiary.storage.engine import reading
from voms.administration.callers import Caller
from voms.people import new_member_id
from voms.requests.asked import Applicant, Request
from voms.requests.deciders import addresses_of, deciders
from voms.requests.letters import OWN_PATH, REQUESTS_PATH, Kind, Letters
from voms.requests.settings import RequestsSettings
from voms.rows import vo_number


@dataclass(frozen=True, slots=True, eq=False)
class Office:
    """One VO's database and rules for requests. ``make_id``: 32 hexadecimal digits that nobody can guess."""

    engine: Engine
    vo: str
    settings: RequestsSettings
    letters: Letters
    make_id: Callable[[], str] = field(default=new_member_id)

    def tell_deciders(self, request: Request, now: datetime, *, kind: Kind = "waits") -> int:
        """Tells everybody who may decide; how many letters went out. They say who asks for what to nobody: the pages look at rights."""
        with reading(self.engine) as connection:
            number = vo_number(connection, self.vo)
            members = deciders(connection, number, self.vo, request, now)
            addresses = addresses_of(connection, members)
        to = (*self.settings.tell, *addresses.values())
        return self.letters.tell(kind, to, request=request.id, link=self.letters.link(REQUESTS_PATH))

    def tell_applicant(self, kind: Kind, request: Request, **values: object) -> int:
        """Tells whoever asked, if she has an address."""
        link = self.letters.link(OWN_PATH, certificate=request.applicant.certificate is not None)
        about = {
            "name": request.asked.details.name or request.mail,
            "day": f"{request.submitted_at:%Y-%m-%d}",
            "link": link,
        }
        return self.letters.tell(kind, (request.mail,), **about, **values)


def applicant_of(caller: Caller) -> Applicant:
    """By what the caller proved to be somebody."""
    return Applicant(caller.certificate, caller.identities)
