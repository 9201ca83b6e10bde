"""What a single sign-on session costs: its look-up among 10,000 others against one alone, and the room that they take."""

import os
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine

from bench.measure import Row, cpu_milliseconds
from idp.sessions.session import Lifetimes, LoginProof, Sessions, SsoSession
from idp.sessions.whereabouts import Whereabouts
from idp.tables import MIGRATIONS
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.storage.engine import open_engine, writing
from ostiary.storage.migrate import upgrade

NOW: Final = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MANY: Final = 10_000
_IDP: Final = "https://idp.example"
# Every hundredth is looked up: they lie all over the table.
_STEP: Final = 100


class _Everybody:
    def is_active(self, principal: str) -> bool:
        return True


def rows(*, quick: bool) -> list[Row]:
    """Two rows. Each session has two SPs. The room is what the process and the database file grow by."""
    with tempfile.TemporaryDirectory() as directory:
        one, many = _database(Path(directory) / "one.db"), _database(Path(directory) / "many.db")
        alone, among = (Sessions(engine, _Everybody(), Lifetimes) for engine in (one, many))
        [token] = _fill(alone, one, 1)
        before = _resident() + _size(Path(directory))
        tokens = cycle(_fill(among, many, MANY)[::_STEP])
        grown = _resident() + _size(Path(directory)) - before
        at = NOW + timedelta(minutes=1)
        best = cpu_milliseconds(
            {"one": lambda: alone.find(token, at), "many": lambda: among.find(next(tokens), at)},
            rounds=5 if quick else 20,
            loops=100 if quick else 500,
        )
    return [
        Row("SSO session: found among 10,000", best["many"], "ms CPU", best["one"], 1.2),
        Row("SSO sessions: 10,000 of them", grown / 1e6, "MB", 50.0, 1.0),
    ]


def _database(path: Path) -> Engine:
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine, [MIGRATIONS])
    return engine


def _fill(sessions: Sessions, engine: Engine, number: int) -> list[str]:
    where = Whereabouts("Firefox, Linux", "192.0.2.0/24")
    begun = [
        sessions.start(f"{count:032x}", LoginProof("password", NOW), now=NOW, where=where) for count in range(number)
    ]
    for first in range(0, number, 100):
        with writing(engine) as connection:
            _take_part(sessions, connection, [session for _, session in begun[first : first + 100]])
    return [token for token, _ in begun]


def _take_part(sessions: Sessions, connection: Connection, begun: list[SsoSession]) -> None:
    for session in begun:
        for sp in ("https://library.example/shar", "https://instrument.example/shar"):
            handle, index = NameId("h" * 200, names.TRANSIENT, _IDP, sp), f"_{session.id}{session.id}"
            sessions.note_participant(session.id, sp, handle, index, NOW, connection=connection)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())
