"""Keeps people's general rules (what holds at a resource for which they have set nothing), each change with its audit row. Decides
nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from ostiary import audit
from ostiary.consent.personal import PrecedenceAt, offered_rules, read_rule
from ostiary.consent.tables import consent_rule
from ostiary.errors import Denied, Unavailable
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE, NewResources
from ostiary.storage.engine import reading, writing
from ostiary.storage.prepared import PreparedSelect

_ATTEMPTS: Final = 5
_SAID: Final = PreparedSelect(select(consent_rule.c.rule).where(consent_rule.c.current_key == bindparam("person")))


@dataclass(frozen=True, slots=True)
class SaidRule:
    """A rule that she chose: from when, until when (None: it holds still)."""

    rule: str
    since: datetime
    until: datetime | None


class GeneralRules:
    """The rules in one database; ``writer`` and ``precedence`` as `ostiary.consent.store.Choices`. Every method raises `Unavailable` when
    the database does not answer."""

    def __init__(
        self, engine: Engine, *, writer: str, precedence: PrecedenceAt = lambda at: DEFAULT_PRECEDENCE
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._precedence = precedence

    def said_by(self, principal: str) -> NewResources | None:
        """What she chose; None where she never did."""
        row = _SAID.one(self._engine, {"person": principal})
        return read_rule(row.rule) if row is not None else None

    def ever_by(self, principal: str) -> tuple[SaidRule, ...]:
        """Everything that she ever chose, in that order."""
        wanted = select(consent_rule).where(consent_rule.c.principal == principal).order_by(consent_rule.c.id)
        with reading(self._engine) as connection:
            return tuple(SaidRule(row.rule, row.valid_from, row.valid_to) for row in connection.execute(wanted))

    def say(self, principal: str, rule: NewResources, *, at: datetime, by: str) -> None:
        """Keeps what she chooses. Raises `Denied` (``consent.beyond_bounds``) where the organisation does not offer it."""
        offered = offered_rules(self._precedence(at))
        if rule not in offered:
            raise Denied("consent.beyond_bounds", expected=", ".join(offered), found=rule)
        for _ in range(_ATTEMPTS):
            try:
                self._replace(principal, rule, at, by)
            except IntegrityError:
                # Another window of hers was first.
                continue
            return
        raise Unavailable("storage.unavailable", expected="one answer at a time", found="others that came first")

    def _replace(self, principal: str, rule: NewResources, at: datetime, by: str) -> None:
        with writing(self._engine) as connection:
            before = _SAID.one_in(connection, {"person": principal})
            if before is not None and before.rule == rule:
                return
            facts = {"rule": rule, "before": before.rule if before is not None else None}
            serial = audit.record(
                connection,
                at=at,
                writer=self._writer,
                actor=by,
                action="consent.rule_set",
                subject=principal,
                facts=facts,
            )
            connection.execute(
                update(consent_rule)
                .where(consent_rule.c.current_key == principal)
                .values(current_key=None, valid_to=at, deleted_serial=serial)
            )
            connection.execute(
                insert(consent_rule).values(
                    principal=principal, current_key=principal, rule=rule, created_serial=serial, valid_from=at
                )
            )
