"""One-time links by which somebody sets her password: issued, looked at, used up. The database holds a hash of each, never the link.

A person has one link at most: a new one ends the one before, and so does a new password.
"""

import hashlib
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from idp.accounts import changes
from idp.accounts.changes import Change
from idp.accounts.tables import password_link
from idp.tables import person
from ostiary.errors import Refusal

MAXIMUM_TOKEN: Final = 64


def new_token() -> str:
    """256 random bits in base64url."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What a table keeps in place of a token: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue_link(change: Change, principal: str, *, lifetime: timedelta) -> str:
    """The token of a new link for this person, for ``lifetime`` from now."""
    token = new_token()
    change.connection.execute(delete(password_link).where(password_link.c.principal == principal))
    row = {"principal": principal, "token_hash": token_hash(token), "expires": change.at + lifetime}
    change.connection.execute(insert(password_link).values(row))
    change.record("person.link_issued", principal, {"seconds": int(lifetime.total_seconds())})
    return token


def holder_of_link(connection: Connection, token: str, now: datetime, *, locked: bool = False) -> str:
    """Whose link this is; it goes on waiting. ``locked``: until the end of the transaction nobody else can use it.

    Raises `Refusal` (``account.link``) for one that is unknown, expired, used, ended by a later one, or of somebody who may not log in.
    """
    wanted = (
        select(password_link.c.principal)
        .join(person, person.c.principal == password_link.c.principal)
        .where(
            password_link.c.token_hash == token_hash(token),
            password_link.c.expires > now,
            person.c.active.is_(True),
            person.c.valid_to.is_(None),
        )
    )
    found: str | None = connection.execute(wanted.with_for_update() if locked else wanted).scalar_one_or_none()
    if found is None:
        raise Refusal("account.link", expected="a link that waits", found="one that is unknown, expired or used")
    return found


def use_link(change: Change, token: str, password_hash: str) -> str:
    """Uses the link up and sets the password of its holder, who is returned. Raises as `holder_of_link`."""
    principal = holder_of_link(change.connection, token, change.at, locked=True)
    own = replace(change, by=principal)
    own.record("person.link_used", principal)
    changes.set_password(own, principal, password_hash)
    return principal
