"""How many people are signed in, for the operator: a number and nothing else."""

from datetime import datetime

from sqlalchemy import Engine, func, select

from idp.sessions.tables import sso_session
from ostiary.storage.engine import reading


def count_sessions(engine: Engine, now: datetime) -> int:
    """Sessions that have not ended. Raises `Unavailable`."""
    alive = select(func.count()).select_from(sso_session).where(sso_session.c.ends > now, sso_session.c.expires > now)
    with reading(engine) as connection:
        return int(connection.execute(alive).scalar_one())
