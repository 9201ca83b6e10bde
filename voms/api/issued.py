"""What was issued to members and still holds: attribute certificates and tokens."""

from datetime import datetime

from voms.api.routing import Call
from voms.api.values import Nothing, Shape
from voms.status import desk as status


class IssuedOne(Shape):
    """An attribute certificate (``ac``) or a ``token``. ``revoked_at``: when it was taken back; ``revoked_for``: why."""

    serial: str
    kind: str
    issued_at: datetime
    not_after: datetime
    revoked_at: datetime | None
    revoked_for: str | None


class Issued(Shape):
    """What has not ended, the newest first."""

    issued: tuple[IssuedOne, ...]


def issued_to_member(call: Call[Nothing, Nothing]) -> Issued:
    """What a member was given that has not ended. Wants MEMBERSHIP_READ in the root."""
    found = status.issued_to_member(call.desk, call.path["member"])
    listed = (
        IssuedOne(
            serial=each.serial,
            kind=each.kind,
            issued_at=each.issued_at,
            not_after=each.not_after,
            revoked_at=each.revoked_at,
            revoked_for=each.revoked_for,
        )
        for each in found
    )
    return Issued(issued=tuple(listed))


def take_back(call: Call[Nothing, Nothing]) -> None:
    """Takes back one certificate or token. Wants SUSPEND in the root."""
    status.take_back(call.desk, call.path["serial"])
