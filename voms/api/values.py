"""What the API's questions and answers are made of: pydantic models for names, times and people, and their way to and from ours."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from ostiary.errors import Refusal
from ostiary.x509.certificate_names import CertificateNames
from voms.administration.permissions import SINGLE, Permission, parse_permissions
from voms.administration.who import Who, WhoKind
from voms.details import MAXIMUM_DETAIL, Details
from voms.identities import FederatedIdentity
from voms.periods import Recurrence, When, recurrence


class Shape(BaseModel):
    """Base of all: frozen, and a member that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(Shape):
    """No members at all."""


def _in_reach(value: datetime) -> datetime:
    """At the very ends of the calendar there is no such instant by UTC."""
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ValueError("an instant that there is by UTC") from None
    return value


Instant = Annotated[AwareDatetime, AfterValidator(_in_reach)]
Path = Annotated[str, Field(min_length=2, max_length=255, examples=["/example/data"])]
RoleName = Annotated[str, Field(min_length=1, max_length=128, examples=["reader"])]
MemberId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Description = Annotated[str, Field(max_length=1_000)]
AttributeName = Annotated[str, Field(min_length=1, max_length=255)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]
Most = Annotated[int, Field(ge=1, le=500)]
After = Annotated[str, Field(max_length=4_000)]
Search = Annotated[str, Field(max_length=200)]
_Text = Annotated[str, Field(max_length=MAXIMUM_DETAIL)]


def visible(name: str, text: str) -> str:
    """The text, of the member ``name``. Raises `Refusal` (``voms.api_body``): other managers see it in lists, and in terminals."""
    if not text.isprintable():
        raise Refusal("voms.api_body", expected="visible characters", found=name, where=name)
    return text


class Certificate(Shape):
    """By which certificate somebody is known: both names as RFC 4514 strings."""

    subject: Annotated[str, Field(min_length=1, max_length=4_096, examples=["CN=Ada,O=Example,C=ZZ"])]
    issuer: Annotated[str, Field(min_length=1, max_length=4_096, examples=["CN=Example CA,O=Example,C=ZZ"])]

    def names(self) -> CertificateNames:
        """As the VO keeps them. Raises `Refusal` (``voms.api_body``) for invisible characters."""
        return CertificateNames(visible("subject", self.subject), visible("issuer", self.issuer))


class Identity(Shape):
    """How a home organisation names somebody: the value of an attribute, and the entityID that asserts it."""

    asserted_by: Annotated[str, Field(min_length=1, max_length=1_024)]
    attribute: Annotated[str, Field(min_length=1, max_length=255)]
    value: Annotated[str, Field(min_length=1, max_length=1_024)]

    def identity(self) -> FederatedIdentity:
        """As the VO keeps it. Raises `Refusal` (``voms.api_body``) for invisible characters."""
        parts = {name: visible(name, getattr(self, name)) for name in ("asserted_by", "attribute", "value")}
        return FederatedIdentity(**parts)


class About(Shape):
    """Who a member is; what is empty is not known."""

    given_name: _Text = ""
    surname: _Text = ""
    institution: _Text = ""
    phone: _Text = ""
    address: _Text = ""
    mail: _Text = ""

    def details(self) -> Details:
        """As the VO keeps them."""
        return Details(**self.model_dump())

    @classmethod
    def of(cls, details: Details) -> Self:
        """Of what the VO keeps."""
        return cls(**{name: getattr(details, name) for name in cls.model_fields})


class Recurring(Shape):
    """Times that recur (RFC 5545): ``first`` by the clocks of ``zone``, each time for ``duration``, by ``rule``, but not on ``except``."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    rule: Annotated[str, Field(max_length=500, examples=["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"])]
    first: Annotated[datetime, Field(examples=["2026-11-23T08:00:00"])]
    duration: Annotated[str, Field(max_length=64, examples=["PT8H"])]
    zone: Annotated[str, Field(max_length=64, examples=["Europe/Amsterdam"])] = "UTC"
    exceptions: Annotated[tuple[date, ...], Field(max_length=1_000, alias="except")] = ()

    @model_validator(mode="after")
    def _is_local(self) -> Self:
        if self.first.tzinfo is not None:
            raise ValueError("first is a local time, without a zone of its own")
        return self

    def recurrence(self) -> Recurrence:
        """As the VO keeps it. Raises `Refusal` (``voms.recurrence``)."""
        days = tuple(datetime(each.year, each.month, each.day) for each in self.exceptions)  # noqa: DTZ001 - of the zone
        return recurrence(self.first, self.zone, self.duration, self.rule, days)

    @classmethod
    def of(cls, found: Recurrence) -> Self:
        """Of what the VO keeps."""
        days = tuple(each.date() for each in found.exceptions)
        return cls(rule=found.rule, first=found.start, duration=found.duration, zone=found.zone, exceptions=days)


class Validity(Shape):
    """When something holds: ``[since, until)``, from now on and for ever where nothing is said, and within it when it ``recurs``."""

    since: Instant | None = None
    until: Instant | None = None
    recurs: Recurring | None = None

    def when(self) -> When:
        """As the VO takes it. Raises `Refusal` (``voms.recurrence``)."""
        return When(self.since, self.until, self.recurs.recurrence() if self.recurs is not None else None)


class Whom(Shape):
    """Whom an entry of an access-control list means. Which members are there, ``kind`` says."""

    kind: WhoKind
    member: MemberId | None = None
    subject: Annotated[str, Field(max_length=4_096)] | None = None
    issuer: Annotated[str, Field(max_length=4_096)] | None = None
    asserted_by: Annotated[str, Field(max_length=1_024)] | None = None
    attribute: Annotated[str, Field(max_length=255)] | None = None
    value: Annotated[str, Field(max_length=1_024)] | None = None
    fqan: Annotated[str, Field(max_length=255)] | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        needed = _PARTS.get(self.kind, ())
        there = [name for name in type(self).model_fields if name != "kind" and getattr(self, name) is not None]
        if sorted(there) != sorted(needed):
            raise ValueError(f"{self.kind.value} needs exactly: {', '.join(needed) or 'nothing more'}")
        return self

    def who(self) -> Who:
        """As lists keep it. Raises `Refusal` (``voms.api_body``) for invisible characters."""
        return Who(self.kind, tuple(visible(name, str(getattr(self, name))) for name in _PARTS.get(self.kind, ())))

    @classmethod
    def of(cls, who: Who) -> Self:
        """Of what lists keep."""
        return cls.model_validate(dict(who.as_json()))


_PARTS: dict[WhoKind, tuple[str, ...]] = {
    WhoKind.MEMBER: ("member",),
    WhoKind.CERTIFICATE: ("subject", "issuer"),
    WhoKind.IDENTITY: ("asserted_by", "attribute", "value"),
    WhoKind.GROUP: ("fqan",),
    WhoKind.ROLE: ("fqan",),
}

PermissionName = Literal[
    "CONTAINER_READ",
    "CONTAINER_WRITE",
    "MEMBERSHIP_READ",
    "MEMBERSHIP_WRITE",
    "ACL_READ",
    "ACL_WRITE",
    "ACL_DEFAULT",
    "REQUESTS_READ",
    "REQUESTS_WRITE",
    "ATTRIBUTES_READ",
    "ATTRIBUTES_WRITE",
    "PERSONAL_INFO_READ",
    "PERSONAL_INFO_WRITE",
    "SUSPEND",
]


def permission_names(permissions: Permission) -> tuple[Any, ...]:
    """One by one, in the order of their bits."""
    return tuple(each.name for each in SINGLE if permissions & each)


def permissions_of(names: tuple[PermissionName, ...]) -> Permission:
    """Takes back `permission_names`."""
    return parse_permissions("|".join(names)) if names else Permission.NONE
