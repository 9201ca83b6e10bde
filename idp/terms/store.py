"""Keeps who accepted which version of the terms of use, with the audit row in the same transaction. Decides nothing."""

from datetime import datetime

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from idp.terms.tables import terms_acceptance
from ostiary import audit
from ostiary.storage.engine import reading, writing


class Acceptances:
    """Those in one database; ``writer`` is the chain of the audit. Both methods raise `Unavailable` when it does not answer."""

    def __init__(self, engine: Engine, *, writer: str) -> None:
        self._engine = engine
        self._writer = writer

    def has_accepted(self, principal: str, version: str) -> bool:
        """Whether this person accepted this version."""
        wanted = select(terms_acceptance.c.id).where(
            terms_acceptance.c.principal == principal, terms_acceptance.c.version == version
        )
        with reading(self._engine) as connection:
            return connection.execute(wanted).one_or_none() is not None

    def accept(self, principal: str, version: str, *, language: str, digest: str, at: datetime) -> None:
        """Keeps that she accepted the text with this digest; a second time changes nothing."""
        facts = {"version": version, "language": language, "digest": digest}
        try:
            with writing(self._engine) as connection:
                serial = audit.record(
                    connection,
                    at=at,
                    writer=self._writer,
                    actor=principal,
                    action="terms.accepted",
                    subject=principal,
                    facts=facts,
                )
                row = {**facts, "principal": principal, "accepted_at": at, "created_serial": serial}
                connection.execute(insert(terms_acceptance).values(row))
        except IntegrityError:
            if not self.has_accepted(principal, version):
                raise
