"""What a request says: who asks, for what, with which details; as data, and as the JSON that the table keeps. Reads no table."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from ostiary.errors import OstiaryError, Refusal
from ostiary.x509.certificate_names import CertificateNames
from voms.details import Details, problems_of
from voms.identities import FederatedIdentity
from voms.requests.states import OPEN, State

Kind = Literal["join", "group", "role", "certificate", "leave"]
KINDS: Final[tuple[Kind, ...]] = ("join", "group", "role", "certificate", "leave")

MAXIMUM_REMARK: Final = 1_000
MAXIMUM_WISHES: Final = 20
REQUEST_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, order=True)
class Wish:
    """A group, or a role in it."""

    group: str
    role: str | None = None

    def text(self) -> str:
        """As people write it: ``/vo/group`` or ``/vo/group/Role=name``."""
        return self.group if self.role is None else f"{self.group}/Role={self.role}"


@dataclass(frozen=True, slots=True)
class Applicant:
    """By what somebody is known who is no member yet: a certificate that she proved, identities that her home organisation asserted."""

    certificate: CertificateNames | None = None
    identities: tuple[FederatedIdentity, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What tables find her by: one for each thing by which she is known."""
        own = (self.certificate.key,) if self.certificate is not None else ()
        return (*own, *(identity.key for identity in self.identities))

    @property
    def key(self) -> str:
        """The first of `keys`. Raises `Refusal` (``voms.nobody``) where she is known by nothing."""
        for key in self.keys:
            return key
        raise Refusal("voms.nobody", expected="a certificate or an identity", found="neither")

    def shown(self) -> str:
        """What managers are shown: the subject of the certificate, or the first identity and who asserts it."""
        if self.certificate is not None:
            return self.certificate.subject
        return next((f"{each.value} ({each.asserted_by})" for each in self.identities), "")


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the form. ``wishes``: groups and roles beyond membership itself; ``aup``: the version of the acceptable-use policy
    that she agreed to; ``certificate``: the further one; ``remark``: what she wants the managers to know."""

    details: Details = field(default_factory=Details)
    remark: str = ""
    wishes: tuple[Wish, ...] = ()
    aup: str | None = None
    certificate: CertificateNames | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it stands. ``member``: who asks, where she is a member already; ``wish``: the group or role of a request for one;
    ``handed_to``: the member who was asked to decide."""

    id: str
    kind: Kind
    state: State
    member: str | None
    wish: Wish | None
    applicant: Applicant
    asked: Asked
    mail: str
    submitted_at: datetime
    expires_at: datetime | None
    handed_to: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None

    @property
    def is_open(self) -> bool:
        """Whether it waits for something."""
        return self.state in OPEN

    def as_of(self, at: datetime) -> "Request":
        """The same at a moment: what waited too long has ended, whether or not a job has written that down."""
        late = self.is_open and self.expires_at is not None and self.expires_at <= at
        return replace(self, state="expired") if late else self

    @property
    def subject(self) -> str:
        """Whom the audit calls so: the member, or who will be one by this very id."""
        return self.member or self.id


def check_asked(asked: Asked) -> Mapping[str, OstiaryError]:
    """What can't be accepted of an application to join, by field of the form: ``voms.detail*``, ``voms.detail_missing``, ``voms.remark``,
    ``voms.wishes``."""
    found: dict[str, OstiaryError] = {}
    for name in ("given_name", "surname", "institution", "mail"):
        if not getattr(asked.details, name):
            found[name] = Refusal("voms.detail_missing", expected="some text", found=name)
    found.update(problems_of(asked.details))
    if (problem := remark_problem(asked.remark)) is not None:
        found["remark"] = problem
    if len(asked.wishes) > MAXIMUM_WISHES:
        expected = f"at most {MAXIMUM_WISHES} groups and roles"
        found["wishes"] = Refusal("voms.wishes", expected=expected, found=len(asked.wishes), maximum=MAXIMUM_WISHES)
    return found


def remark_problem(remark: str) -> Refusal | None:
    """``voms.remark`` for one that is too long, or holds what can't be seen (lines may be broken)."""
    visible = all(each.isprintable() or each in "\r\n" for each in remark)
    if len(remark) <= MAXIMUM_REMARK and visible:
        return None
    return Refusal("voms.remark", expected=f"at most {MAXIMUM_REMARK} visible characters", found=len(remark))


def token_key(token: str) -> str:
    """What a table keeps in place of the secret of a letter: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def write_applicant(applicant: Applicant) -> str:
    """As it is stored."""
    return json.dumps(
        {
            "certificate": _names(applicant.certificate),
            "identities": [asdict(identity) for identity in applicant.identities],
        }
    )


def read_applicant(text: str) -> Applicant:
    """What `write_applicant` wrote, and nobody for what was erased."""
    found: dict[str, Any] = json.loads(text)
    identities = tuple(FederatedIdentity(**each) for each in found.get("identities", ()))
    return Applicant(_read_names(found.get("certificate")), identities)


def write_asked(asked: Asked) -> str:
    """As it is stored."""
    return json.dumps(
        {
            "details": asdict(asked.details),
            "remark": asked.remark,
            "wishes": write_wishes(asked.wishes),
            "aup": asked.aup,
            "certificate": _names(asked.certificate),
        }
    )


def read_asked(text: str) -> Asked:
    """What `write_asked` wrote, and blanks for what was erased."""
    found: dict[str, Any] = json.loads(text)
    return Asked(
        Details(**found.get("details", {})),
        found.get("remark", ""),
        read_wishes(found.get("wishes", ())),
        found.get("aup"),
        _read_names(found.get("certificate")),
    )


def write_wishes(wishes: Iterable[Wish]) -> list[list[str | None]]:
    """As JSON holds them."""
    return [[wish.group, wish.role] for wish in wishes]


def read_wishes(found: Iterable[Any]) -> tuple[Wish, ...]:
    """What `write_wishes` wrote."""
    return tuple(Wish(group, role) for group, role in found)


def _names(names: CertificateNames | None) -> dict[str, str] | None:
    return asdict(names) if names is not None else None


def _read_names(found: dict[str, str] | None) -> CertificateNames | None:
    return CertificateNames(**found) if found is not None else None
