"""The VO of tests/voms with its requests: a manager of all, a manager of one group, a stranger, and a mailbox for every letter."""

import functools
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Engine

from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.clock import SystemClock
from ostiary.errors import OstiaryError
from ostiary.mail import Message
from ostiary.storage.engine import open_engine
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from ostiary.x509.certificate_names import CertificateNames
from tests.databases import DATABASES, upgraded
from tests.voms.conftest import NOW, Vo, fill_vo
from voms.administration.acl import AclEntry
from voms.administration.callers import OPERATOR, Caller, caller_of_certificate, caller_of_identities
from voms.administration.desk import Desk
from voms.administration.permissions import parse_permissions
from voms.administration.who import Who
from voms.details import Details
from voms.directory import VoDirectory
from voms.identities import FederatedIdentity
from voms.memberships import Memberships
from voms.requests.applicants import Applicants
from voms.requests.asked import Asked, Request
from voms.requests.desk import RequestDesk
from voms.requests.invitations import Invitations
from voms.requests.letters import Letters
from voms.requests.office import Office
from voms.requests.settings import RequestsSettings
from voms.service import TEXTS
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS

PARTS = [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, VOMS_MIGRATIONS]

CA = "CN=Test CA,O=Test,C=ZZ"
STRANGER = CertificateNames("CN=Bea,O=Test,C=ZZ", CA)
OTHER = CertificateNames("CN=Eve,O=Test,C=ZZ", CA)
CHIEF = CertificateNames("CN=Chief,O=Test,C=ZZ", CA)
LEADER = CertificateNames("CN=Leader,O=Test,C=ZZ", CA)
FORM = Asked(Details("Bea", "Beispiel", "Test Institute", "", "", "bea@example.org"), remark="I work with Alice.")


texts = functools.cache(lambda: Catalogue.load(TEXTS))


@dataclass
class Mailbox:
    """Every letter, in order. ``refuses``: what sending raises instead."""

    letters: list[Message] = field(default_factory=list)
    refuses: OstiaryError | None = None

    def send(self, message: Message) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.letters.append(message)

    def to(self, address: str) -> list[Message]:
        return [letter for letter in self.letters if letter.to == address]

    def token(self) -> str:
        """The secret in the latest letter that holds one."""
        found = [line for letter in self.letters for line in letter.body.splitlines() if "token=" in line]
        return found[-1].rpartition("token=")[2]


@dataclass
class Requesting:
    """``chief`` has VO-Admin in the root, ``leader`` manages /testvo/g1 and below; ``alice`` is a plain member. ``make_office``: with other
    settings."""

    vo: Vo
    office: Office
    mailbox: Mailbox
    applicants: Applicants
    desk: RequestDesk
    invitations: Invitations
    make_office: Callable[..., Office]

    def by(self, names: CertificateNames, at: datetime = NOW) -> Caller:
        return caller_of_certificate(self.vo.engine, "testvo", names, at)

    def by_login(self, value: str, at: datetime = NOW) -> Caller:
        identity = FederatedIdentity("https://idp.example.org", "pairwise-id", value)
        return caller_of_identities(self.vo.engine, "testvo", [identity], at)

    def give(self, member: str, group: str, permissions: str, role: str | None = None) -> None:
        """Lets a member do this in the group."""
        entry = AclEntry(group, role, Who.member(member), parse_permissions(permissions))
        Desk(self.vo.engine, "testvo", OPERATOR, NOW).set_acl_entry(entry)

    def groups(self, member: str, at: datetime = NOW) -> list[str]:
        standing = self.vo.memberships.of_member(member, at)
        return [fqan.short() for fqan in standing.fqans()] if standing is not None else []


def fill(engine: Engine) -> str:
    """The VO of tests/voms with its managers; alice's id."""
    made = fill_vo(engine)
    operators = Desk(engine, "testvo", OPERATOR, NOW)
    chief, leader = operators.add_member(CHIEF), operators.add_member(LEADER)
    operators.assign_role(chief, "/testvo", "VO-Admin")
    operators.join(leader, "/testvo/g1")
    operators.add_manager("/testvo/g1", Who.member(leader))
    for member, name in ((chief, "Chief"), (leader, "Leader"), (made.alice, "Alice")):
        operators.set_details(member, Details(name, "", "", "", "", f"{name.lower()}@example.org"))
    return made.alice


@functools.cache
def filled() -> tuple[bytes, str]:
    """The same as an SQLite file, made once."""
    with TemporaryDirectory() as directory:
        with upgraded("sqlite", Path(directory), PARTS) as engine:
            alice = fill(engine)
        return (Path(directory) / "a.db").read_bytes(), alice


@pytest.fixture(params=sorted(DATABASES))
def vo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vo]:
    if request.param == "sqlite":
        content, alice = filled()
        (tmp_path / "a.db").write_bytes(content)
        engine = open_engine(f"sqlite:///{tmp_path}/a.db")
        yield Vo(engine, VoDirectory(engine, "testvo"), Memberships(engine, "testvo"), alice)
        engine.dispose()
    else:
        with upgraded(request.param, tmp_path, PARTS) as engine:
            alice = fill(engine)
            yield Vo(engine, VoDirectory(engine, "testvo"), Memberships(engine, "testvo"), alice)


@pytest.fixture
def requesting(vo: Vo) -> Requesting:
    mailbox = Mailbox()
    log, catalogue = make_log(SystemClock(), service="voms", stream=io.StringIO()), texts()

    def make_office(*, mail: bool = True, **settings: object) -> Office:
        letters = Letters(
            catalogue,
            mailbox if mail else None,
            "testvo",
            pages_url="https://pages.example.org/voms/testvo",
            certificate_url="https://vo.example.org:15000/voms/testvo",
            log=log,
        )
        return Office(vo.engine, "testvo", RequestsSettings.model_validate(settings), letters)

    office = make_office()
    return Requesting(vo, office, mailbox, Applicants(office), RequestDesk(office), Invitations(office), make_office)


def applied(requesting: Requesting, asked: Asked = FORM) -> Request:
    """Bea's application with her address proven."""
    bea = requesting.by(STRANGER)
    made = requesting.applicants.apply(bea, asked, NOW)
    return requesting.applicants.confirm(bea, made.id, requesting.mailbox.token(), NOW)


def refused(action: Callable[..., object], *arguments: object, **named: object) -> str:
    """The code with which this is refused."""
    with pytest.raises(OstiaryError) as caught:
        action(*arguments, **named)
    return caught.value.code
