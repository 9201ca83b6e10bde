"""The SPs that took part in a session: each Response that went out, by the NameID and SessionIndex that it carried."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import Connection, Row, Select, bindparam, insert, select

from idp.sessions.tables import sso_participant, sso_session
from ostiary.saml.assertion import NameId
from ostiary.storage.prepared import PreparedInsert

# Made once, as an insert that waits for whoever ends the session, and then finds none. Whether it did is told by the number of rows, which
# psycopg would forget.
_NAMES: Final = (
    "session_id",
    "sp",
    "subject_hash",
    "name_id",
    "name_id_format",
    "name_qualifier",
    "sp_name_qualifier",
    "session_index",
    "since",
)
_INSERT: Final = PreparedInsert(
    insert(sso_participant)
    .execution_options(preserve_rowcount=True)
    .from_select(
        _NAMES,
        select(
            sso_session.c.id,
            *(bindparam(f"new_{name}", type_=sso_participant.c[name].type) for name in _NAMES[1:]),
        )
        .where(sso_session.c.id == bindparam("known"))
        .with_for_update(read=True),
    )
)


@dataclass(frozen=True, slots=True)
class Participant:
    """An SP (entityID), and what it knows her by."""

    sp: str
    name_id: NameId
    session_index: str


def insert_participant(
    connection: Connection, session_id: str, sp: str, name_id: NameId, session_index: str, now: datetime
) -> bool:
    """Whether the session was still there to take part in."""
    values = {
        "known": session_id,
        "new_sp": sp,
        "new_subject_hash": subject_hash(sp, name_id.value),
        "new_name_id": name_id.value,
        "new_name_id_format": name_id.format,
        "new_name_qualifier": name_id.name_qualifier,
        "new_sp_name_qualifier": name_id.sp_name_qualifier,
        "new_session_index": session_index,
        "new_since": now,
    }
    return _INSERT.run(connection, values) == 1


def participants_of(connection: Connection, session_id: str) -> tuple[Participant, ...]:
    """All of a session, in the order in which they came."""
    wanted = select(sso_participant).where(sso_participant.c.session_id == session_id).order_by(sso_participant.c.id)
    return tuple(_participant(row) for row in connection.execute(wanted))


def sessions_of_subject(sp: str, name_id: NameId, indexes: Collection[str]) -> "Select[tuple[str, str]]":
    """Selects id and principal of the sessions in which this SP knows somebody by this NameID: those of these session indexes, or with none
    all of them (SAML core 3.7.3.2)."""
    named = [
        sso_participant.c.subject_hash == subject_hash(sp, name_id.value),
        sso_participant.c.sp == sp,
        sso_participant.c.name_id == name_id.value,
    ]
    if indexes:
        named.append(sso_participant.c.session_index.in_(list(indexes)))
    ids = select(sso_participant.c.session_id).where(*named)
    return select(sso_session.c.id, sso_session.c.principal).where(sso_session.c.id.in_(ids))


def subject_hash(sp: str, name_id: str) -> str:
    """What a NameID at an SP is looked up by."""
    return sha256(f"{len(sp)} {sp} {name_id}".encode()).hexdigest()


def _participant(row: "Row[tuple[object, ...]]") -> Participant:
    name_id = NameId(row.name_id, row.name_id_format, row.name_qualifier, row.sp_name_qualifier)
    return Participant(row.sp, name_id, row.session_index)
