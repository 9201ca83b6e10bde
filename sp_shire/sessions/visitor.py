"""Who makes a request, in each form that is asked for: for the application, for the access policy, for the environment.

Made once for a session (or a certificate), not for each of its requests. Decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ostiary.policy.access import Subject
from ostiary.web.identity import Person
from sp_shire.sessions.records import Session, Withheld


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody known. ``exports``: names and values for the application's environment, not to be changed; ``session`` None: she came
    with a certificate and has none. Then ``certificate_ends`` is when something ends that her certificate rests on, and
    ``not_accepted`` what of it the acceptance policy threw out."""

    person: Person
    subject: Subject
    exports: Mapping[str, str]
    session: Session | None
    certificate_ends: datetime | None = None
    not_accepted: Withheld = ()

    @property
    def ends(self) -> datetime | None:
        """When she is to be looked at anew at the latest, however long a connection lasts."""
        return self.session.ends if self.session is not None else self.certificate_ends

    @property
    def withheld(self) -> Withheld:
        """What was told about her and is not believed."""
        return self.session.knowledge.withheld if self.session is not None else self.not_accepted


def visitor_of(session: Session, exports: Mapping[str, str]) -> Visitor:
    """The person whose session this is."""
    subject = Subject(
        session.knowledge.attributes,
        session.login.issuer,
        session.login.authenticated_at,
        session.login.authn_context,
    )
    return Visitor(session.person(), subject, exports, session)
