"""The tables of single sign-on sessions, and of the SPs that took part in each. A session's row is gone when it has ended.

The row goes by a hash of the token that the browser holds. Names of subjects stand as the SP knows them: a LogoutRequest repeats them.
"""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, Table, Text

from idp.tables import metadata
from ostiary.storage.types import UtcDateTime, exact_text, serial_number

sso_session = Table(
    "sso_session",
    metadata,
    Column("id", exact_text(32), primary_key=True),
    Column("token_hash", exact_text(64), nullable=False, unique=True),
    Column("principal", exact_text(64), nullable=False, index=True),
    Column("authority", Integer, nullable=False),
    Column("proofs", Text, nullable=False),
    Column("started", UtcDateTime, nullable=False),
    Column("used", UtcDateTime, nullable=False),
    # When it ends unless it is used; when it ends however much it is used.
    Column("expires", UtcDateTime, nullable=False),
    Column("ends", UtcDateTime, nullable=False, index=True),
    Column("idle_seconds", Integer, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("browser", exact_text(64), nullable=False),
    Column("network", exact_text(64), nullable=False),
)

sso_participant = Table(
    "sso_participant",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("session_id", exact_text(32), ForeignKey("sso_session.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("sp", exact_text(1024), nullable=False),
    # Of SP and NameID: an index over both would be too long.
    Column("subject_hash", exact_text(64), nullable=False, index=True),
    Column("name_id", exact_text(1024), nullable=False),
    Column("name_id_format", exact_text(256), nullable=True),
    Column("name_qualifier", exact_text(1024), nullable=True),
    Column("sp_name_qualifier", exact_text(1024), nullable=True),
    Column("session_index", exact_text(256), nullable=False),
    Column("since", UtcDateTime, nullable=False),
)
