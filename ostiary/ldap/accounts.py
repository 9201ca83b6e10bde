"""What the attributes of an entry in Active Directory say about its account, for logins where no password is sent. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from ostiary.ldap.port import Entry

AccountState = Literal["active", "disabled", "expired", "locked", "password_expired", "must_change"]

ATTRIBUTES: Final = (
    "userAccountControl",
    "msDS-User-Account-Control-Computed",
    "accountExpires",
    "pwdLastSet",
    "lockoutTime",
)

_DISABLED: Final = 0x2
_LOCKED: Final = 0x10
_PASSWORD_NEVER_EXPIRES: Final = 0x10000
_PASSWORD_EXPIRED: Final = 0x800000
_NEVER: Final = (0, 0x7FFF_FFFF_FFFF_FFFF)
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)


def account_state(entry: Entry, now: datetime) -> AccountState:
    """The state of an account by `ATTRIBUTES` of its entry. What may not be read counts as nothing against it.

    ``lockoutTime`` alone only says that the account was locked once; where the server computes whether it still is
    (``msDS-User-Account-Control-Computed``), that decides.
    """
    control, computed = _number(entry, "userAccountControl"), _number(entry, "msDS-User-Account-Control-Computed")
    if (control or 0) & _DISABLED:
        return "disabled"
    expires = _number(entry, "accountExpires")
    if expires is not None and expires not in _NEVER and file_time(now) >= expires:
        return "expired"
    locked = bool(computed & _LOCKED) if computed is not None else bool(_number(entry, "lockoutTime"))
    if locked:
        return "locked"
    if (control or 0) & _PASSWORD_NEVER_EXPIRES:
        return "active"
    if _number(entry, "pwdLastSet") == 0:
        return "must_change"
    return "password_expired" if (computed or 0) & _PASSWORD_EXPIRED else "active"


def file_time(at: datetime) -> int:
    """An instant as Active Directory writes it: steps of 100 nanoseconds since 1601."""
    return (at - _EPOCH) // timedelta(microseconds=1) * 10


def _number(entry: Entry, attribute: str) -> int | None:
    texts = entry.texts(attribute)
    try:
        # userAccountControl is a signed 32-bit number, the times are 64 bits.
        return int(texts[0]) if len(texts) == 1 and len(texts[0]) <= 20 else None
    except ValueError:
        return None
