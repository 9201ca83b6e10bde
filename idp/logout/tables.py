"""The tables of logouts under way: which SPs are told, and what each answered. Any node goes on with them; they expire."""

from sqlalchemy import Boolean, Column, ForeignKey, Table, Text

from idp.tables import metadata
from ostiary.storage.types import UtcDateTime, exact_text, serial_number

logout_run = Table(
    "logout_run",
    metadata,
    Column("id", exact_text(43), primary_key=True),
    # SHA-256 (hex) of the token of the browser that sees the progress; none for a logout that an SP asked for by SOAP.
    Column("browser", exact_text(64), nullable=True),
    Column("started", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False, index=True),
    # The SP that asked, and how it wants its answer; none for a logout that began here.
    Column("asked_by", exact_text(1024), nullable=True),
    Column("request_id", exact_text(256), nullable=True),
    Column("binding", exact_text(128), nullable=True),
    Column("relay_state", Text, nullable=True),
    Column("asynchronous", Boolean, nullable=False),
    # Whether some session was found to end; when not, nobody knows which SPs took part.
    Column("found", Boolean, nullable=False),
)

logout_step = Table(
    "logout_step",
    metadata,
    Column("id", serial_number(), primary_key=True, autoincrement=True),
    Column("run_id", exact_text(43), ForeignKey("logout_run.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("sp", exact_text(1024), nullable=False),
    Column("name_id", exact_text(1024), nullable=False),
    Column("name_id_format", exact_text(256), nullable=True),
    Column("name_qualifier", exact_text(1024), nullable=True),
    Column("sp_name_qualifier", exact_text(1024), nullable=True),
    Column("session_index", exact_text(256), nullable=False),
    Column("state", exact_text(16), nullable=False),
    Column("request_id", exact_text(64), nullable=True, unique=True),
    Column("asked_at", UtcDateTime, nullable=True),
    # The session was begun in another browser than the one that goes along: only SOAP reaches that.
    Column("elsewhere", Boolean, nullable=False),
    Column("back_tried", Boolean, nullable=False),
    Column("front_tried", Boolean, nullable=False),
)
