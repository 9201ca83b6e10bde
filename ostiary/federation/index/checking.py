"""Holds documents that were indexed against the schema once, so that no process has to do it when it looks one up. Until then, and where
this never happens, whoever looks it up does; so nothing is given out that was not checked.
"""

from typing import Final

from ostiary.errors import OstiaryError
from ostiary.federation.index.records import BROKEN, SOUND, UNCHECKED
from ostiary.federation.index.store import MetadataIndex
from ostiary.federation.read import may_be_signed
from ostiary.saml.schema import check_schema
from ostiary.saml.xml import parse_stored

_BATCH: Final = 500
_UNCHECKED: Final = (
    "SELECT entity.id, digest, octets FROM entity JOIN source ON source.id = entity.source JOIN document ON document.id = entity.id"
    " WHERE source.name = ? AND checked = ? AND entity.id > ? ORDER BY entity.id LIMIT ?"
)


def check_documents(index: MetadataIndex, source: str) -> int:
    """Checks those of a source that nobody has checked yet; gives how many. Takes some tens of microseconds for each. Raises `Unavailable`
    as `MetadataIndex.rows` and `writing`."""
    count = last = 0
    while rows := index.rows(_UNCHECKED, source, UNCHECKED, last, _BATCH):
        found = [(SOUND if _follows_schema(octets) else BROKEN, number, digest) for number, digest, octets in rows]
        with index.writing() as connection:
            # The digest, because a number may be another entity's by now.
            connection.executemany("UPDATE entity SET checked = ? WHERE id = ? AND digest = ?", found)
        count, last = count + len(rows), rows[-1][0]
    return count


def _follows_schema(octets: bytes) -> bool:
    try:
        element = parse_stored(octets)
        check_schema(element, "metadata")
    except (OstiaryError, ValueError):
        return False
    # One that has to be taken apart at each look-up is looked at whole there.
    return not may_be_signed(element, octets)
