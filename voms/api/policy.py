"""The acceptable-use policy: its versions, and who signed it."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from voms.api.routing import Call
from voms.api.values import Instant, Nothing, Shape
from voms.members import desk as life
from voms.members.acceptance import in_force
from voms.members.aup import DEFAULT_GRACE, DEFAULT_SIGN_AGAIN, MAXIMUM_URL, AupVersion

VersionName = Annotated[str, Field(min_length=1, max_length=64, examples=["2.0"])]
_Days = Annotated[int, Field(ge=0, le=36_500)]


class Version(Shape):
    """``sign_again_days``: how long a signature counts, null for good; ``grace_days``: how long who has not signed goes on;
    ``in_force``: it is the one that counts now."""

    version: str
    url: str | None
    text: str | None
    sign_again_days: int | None
    grace_days: int
    in_force_from: datetime
    in_force: bool

    @classmethod
    def of(cls, found: AupVersion, *, now: bool) -> Self:
        """Of what is written."""
        return cls(
            version=found.version,
            url=found.url,
            text=found.text,
            sign_again_days=found.sign_again_days,
            grace_days=found.grace_days,
            in_force_from=found.in_force_from,
            in_force=now,
        )


class Versions(Shape):
    """Every version, the newest last."""

    versions: tuple[Version, ...]


class NewVersion(Shape):
    """It stands under ``url``, or is ``text``, or both."""

    version: VersionName
    url: Annotated[str, Field(max_length=MAXIMUM_URL)] | None = None
    text: Annotated[str, Field(max_length=50_000)] | None = None
    sign_again_days: _Days | None = DEFAULT_SIGN_AGAIN
    grace_days: _Days = DEFAULT_GRACE
    in_force_from: Instant | None = None

    @model_validator(mode="after")
    def _has_words(self) -> Self:
        if self.url is None and self.text is None:
            raise ValueError("a policy has a url or a text")
        return self


class VersionQuery(Shape):
    """Which version."""

    version: VersionName


class Days(Shape):
    """How long a signature counts (null: for good), and how long who has not signed goes on."""

    sign_again_days: _Days | None
    grace_days: _Days


class Grace(Shape):
    """For how many days a member goes on after the end of her membership."""

    days: Annotated[int, Field(ge=0, le=life.LONGEST_GRACE)]


class Signing(Shape):
    """Which version; null: the one in force."""

    version: VersionName | None = None


class SignedVersion(Shape):
    """Which version is signed now."""

    version: str


class Signature(Shape):
    """A version that was signed, and when last."""

    version: str
    at: datetime


class Signatures(Shape):
    """What a member signed, in the order of time."""

    signatures: tuple[Signature, ...]


def versions(call: Call[Nothing, Nothing]) -> Versions:
    """Every version of the policy. Everybody may read what she is to sign."""
    known = life.versions(call.desk)
    present = in_force([each.terms for each in known], call.desk.at)
    listed = (Version.of(each, now=present is not None and present.number == each.number) for each in known)
    return Versions(versions=tuple(listed))


def add_version(call: Call[Nothing, NewVersion]) -> SignedVersion:
    """A new version, which every member has to sign. Wants CONTAINER_WRITE and MEMBERSHIP_WRITE in the root."""
    wanted = call.body
    life.add_version(
        call.desk,
        wanted.version,
        url=wanted.url,
        text=wanted.text,
        sign_again_days=wanted.sign_again_days,
        grace_days=wanted.grace_days,
        in_force_from=wanted.in_force_from,
    )
    return SignedVersion(version=wanted.version)


def change_version(call: Call[VersionQuery, Days]) -> None:
    """Gives a version other days. Its words stay, people have signed them. Wants CONTAINER_WRITE and MEMBERSHIP_WRITE in the root."""
    days = call.body
    life.change_version(call.desk, call.query.version, sign_again_days=days.sign_again_days, grace_days=days.grace_days)


def remove_version(call: Call[VersionQuery, Nothing]) -> None:
    """Ends a version and the signatures under it. Wants CONTAINER_WRITE and MEMBERSHIP_WRITE in the root."""
    life.remove_version(call.desk, call.query.version)


def set_grace(call: Call[Nothing, Grace]) -> None:
    """Says for how many days a member goes on after the end of her membership. Wants CONTAINER_WRITE and MEMBERSHIP_WRITE in the root."""
    life.set_grace(call.desk, call.body.days)


def sign(call: Call[Nothing, Signing]) -> SignedVersion:
    """The caller accepts the policy, also when a missing signature is why she is barred. Wants that she is a member."""
    return SignedVersion(version=life.sign(call.desk, call.body.version))


def signatures(call: Call[Nothing, Nothing]) -> Signatures:
    """What a member signed. Wants MEMBERSHIP_READ in the root; herself without."""
    found = life.signatures(call.desk, call.path["member"])
    return Signatures(signatures=tuple(Signature(version=each.version, at=each.at) for each in found))


def record_signature(call: Call[Nothing, Signing]) -> SignedVersion:
    """Records that a member signed, on paper for instance. Wants MEMBERSHIP_WRITE in the root."""
    return SignedVersion(version=life.record_signature(call.desk, call.path["member"], call.body.version))


def ask_to_sign(call: Call[Nothing, Nothing]) -> None:
    """Asks a member to sign anew. Wants MEMBERSHIP_WRITE in the root."""
    life.ask_to_sign(call.desk, call.path["member"])
