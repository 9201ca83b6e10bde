"""Who a member is, for the managers' eyes: names, where she works, how to reach her. No certificate ever states any of it."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import Connection, select

from ostiary.errors import Refusal
from ostiary.mail import is_address
from voms.changes import Change
from voms.rows import lock_member
from voms.tables import vo_member_details

MAXIMUM_DETAIL: Final = 200


@dataclass(frozen=True, slots=True)
class Details:
    """What is empty is not known. ``mail`` is one address."""

    given_name: str = ""
    surname: str = ""
    institution: str = ""
    phone: str = ""
    address: str = ""
    mail: str = ""

    @property
    def name(self) -> str:
        """What people call her; the mail address where she has no name."""
        return f"{self.given_name} {self.surname}".strip() or self.mail

    def folded(self) -> str:
        """All of it for a search, and for lists by surname: without case and accents, in words with one space between them."""
        return folded(f"{self.surname} {self.given_name} {self.institution} {self.phone} {self.address} {self.mail}")


def folded(text: str) -> str:
    """Text as a search compares it: without case, accents, and more than one space between words."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return " ".join(plain.casefold().split())


def problems_of(details: Details) -> Mapping[str, Refusal]:
    """What can't be accepted, by field: ``voms.detail`` (too long, or not visible), ``voms.detail_mail`` (no address)."""
    found: dict[str, Refusal] = {}
    for field in fields(details):
        value: str = getattr(details, field.name)
        if len(value) > MAXIMUM_DETAIL or not value.isprintable():
            found[field.name] = Refusal(
                "voms.detail", expected=f"at most {MAXIMUM_DETAIL} visible characters", found=field.name
            )
    if details.mail and not is_address(details.mail):
        found["mail"] = Refusal("voms.detail_mail", expected="name@domain", found="something else")
    return found


def set_details(change: Change, member: str, details: Details) -> None:
    """Replaces what was known of a member. Raises `Missing` (``voms.no_member``), `Refusal` (``voms.detail*``)."""
    for problem in problems_of(details).values():
        raise problem
    lock_member(change.connection, change.vo, member)
    change.end(vo_member_details, member_id=member)
    values = {field.name: getattr(details, field.name) for field in fields(details)}
    change.add(vo_member_details, member_id=member, folded=details.folded(), **values)


def details_of(connection: Connection, member: str) -> Details:
    """What is known of a member, nothing but blanks where nothing is."""
    held = vo_member_details
    columns = [held.c[field.name] for field in fields(Details)]
    row = connection.execute(select(*columns).where(held.c.member_id == member)).one_or_none()
    return Details(*row) if row is not None else Details()
