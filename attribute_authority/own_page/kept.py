"""What else the Attribute Authority keeps about one person, for her download: remembered requests, and identifiers that were told."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine, select

from attribute_authority.tables import release_request, told_identifier
from ostiary import audit
from ostiary.storage.engine import reading

Kept = Callable[[str], object]


def remembered_requests(engine: Engine) -> Kept:
    """The requests about her that are kept for a while, for trying out changes of policies."""

    def kept(principal: str) -> object:
        wanted = (
            select(release_request)
            .where(release_request.c.whose == audit.person_key(principal))
            .order_by(release_request.c.id)
        )
        with reading(engine) as connection:
            return [
                {
                    "at": instant(row.at),
                    "resource": row.requester,
                    "at_a_sign_on": row.pushed,
                    "target": row.target,
                    "asked_for": row.wanted,
                    "network": row.network,
                    "login": row.authn_context,
                    "kept_until": instant(row.ends),
                }
                for row in connection.execute(wanted)
            ]

    return kept


def told_identifiers(engine: Engine) -> Kept:
    """Which identifiers that are attributes some resource was told; they are kept as hashes, without the values."""

    def kept(principal: str) -> object:
        wanted = select(told_identifier).where(told_identifier.c.whose == audit.person_key(principal))
        with reading(engine) as connection:
            return [
                {"attribute": row.attribute, "resource": row.requester, "at": instant(row.told)}
                for row in connection.execute(wanted.order_by(told_identifier.c.told, told_identifier.c.key))
            ]

    return kept


def instant(at: datetime) -> str:
    """A moment as the download writes it: UTC, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
