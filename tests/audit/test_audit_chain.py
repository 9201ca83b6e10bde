import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from ostiary.audit import Break, ChainReport, Checkpoint, erase_person, record, seal, verify_chain
from ostiary.audit.tables import MIGRATIONS
from ostiary.storage.engine import reading, writing
from tests.databases import DATABASES, upgraded, without_foreign_keys

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def sign(message: bytes) -> bytes:
    return hmac.digest(b"key", message, "sha256")


def is_signed(message: bytes, signature: bytes) -> bool:
    return hmac.compare_digest(sign(message), signature)


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [MIGRATIONS]) as opened:
        yield opened


def write(engine: Engine, number: int = 1, *, writer: str = "w") -> None:
    with writing(engine) as connection:
        for each in range(number):
            record(
                connection,
                at=NOON,
                writer=writer,
                actor="a",
                action="vo.member_added",
                subject=f"p-{each}",
                facts={"n": each},
            )


def close(engine: Engine, writer: str = "w", *, limit: int = 10_000, minutes: int = 0) -> Checkpoint | None:
    with writing(engine) as connection:
        return seal(connection, writer, sign, NOON + timedelta(minutes=minutes), limit=limit)


def check(engine: Engine, writer: str = "w", known: tuple[Checkpoint, ...] = ()) -> ChainReport:
    with reading(engine, consistent=True) as connection:
        return verify_chain(connection, writer, is_signed, known=known)


def tamper(engine: Engine, *statements: str) -> None:
    with engine.connect() as connection, without_foreign_keys(connection), connection.begin():
        for statement in statements:
            assert connection.execute(text(statement)).rowcount > 0


def test_a_sealed_chain_is_whole(engine: Engine) -> None:
    write(engine, 3)
    checkpoint = close(engine)
    assert checkpoint is not None
    assert (checkpoint.writer, checkpoint.position, checkpoint.serial, checkpoint.at) == ("w", 3, 3, NOON)
    assert is_signed(checkpoint.message(), checkpoint.signature)
    assert check(engine) == ChainReport(sealed=3, waiting=0)


def test_the_digest_of_a_link_is_what_the_documentation_says(engine: Engine) -> None:
    with writing(engine) as connection:
        record(connection, at=NOON, writer="w", actor="a", action="x.y", facts={"b": 1, "a": "ü"}, reference="R-1")
    checkpoint = close(engine)
    link = (
        '["ostiary audit link 1","' + "0" * 64 + '",1,1,"2026-11-22T12:00:00.123456+00:00","w","a","x.y",null,'
        '"{\\"a\\":\\"\\\\u00fc\\",\\"b\\":1}","R-1"]'
    )
    assert checkpoint is not None
    assert checkpoint.digest == hashlib.sha256(link.encode()).hexdigest()
    assert checkpoint.message() == (
        b'["ostiary audit checkpoint 1","w",1,1,"'
        + checkpoint.digest.encode()
        + b'","2026-11-22T12:00:00.123456+00:00"]'
    )


def test_rows_that_nobody_sealed_yet_wait(engine: Engine) -> None:
    write(engine, 2)
    assert check(engine) == ChainReport(sealed=0, waiting=2)
    close(engine)
    write(engine)
    assert check(engine) == ChainReport(sealed=2, waiting=1)


def test_sealing_goes_on_where_it_ended(engine: Engine) -> None:
    for minutes in range(3):
        write(engine, 2)
        close(engine, minutes=minutes)
    assert check(engine) == ChainReport(sealed=6, waiting=0)


def test_a_sealer_in_another_time_zone_signs_the_same_instant(engine: Engine) -> None:
    write(engine)
    with writing(engine) as connection:
        seal(connection, "w", sign, NOON.astimezone(timezone(timedelta(hours=5))))
    assert check(engine) == ChainReport(sealed=1, waiting=0)


def test_nothing_to_seal_makes_no_checkpoint(engine: Engine) -> None:
    assert close(engine) is None
    write(engine)
    assert close(engine) is not None
    assert close(engine) is None


def test_many_rows_are_sealed_in_several_steps(engine: Engine) -> None:
    write(engine, 5)
    positions = []
    while (checkpoint := close(engine, limit=2)) is not None:
        positions.append(checkpoint.position)
    assert positions == [2, 4, 5]
    assert check(engine) == ChainReport(sealed=5, waiting=0)


def test_each_writer_has_a_chain_of_its_own(engine: Engine) -> None:
    for writer in ("a", "b", "a", "b", "b"):
        write(engine, writer=writer)
    close(engine, "a")
    close(engine, "b")
    tamper(engine, "update audit_event set actor = 'x' where serial = 4")
    assert check(engine, "a") == ChainReport(sealed=2, waiting=0)
    assert check(engine, "b") == ChainReport(sealed=1, waiting=0, broken=4, reason=Break.CHANGED)


def test_a_row_committed_late_is_sealed_after_those_that_overtook_it(engine: Engine) -> None:
    write(engine, 3)
    # As if the transaction of row 2 had not been committed when the sealer came by.
    tamper(engine, "update audit_waiting set writer = 'in flight' where serial = 2")
    close(engine)
    tamper(engine, "update audit_waiting set writer = 'w' where serial = 2")
    late = close(engine, minutes=500)
    assert late is not None
    assert (late.position, late.serial) == (3, 2)
    assert check(engine) == ChainReport(sealed=3, waiting=0)


@pytest.mark.parametrize(
    "change",
    [
        "at = '2026-11-22 12:00:00.123457'",
        "writer = 'v'",
        "actor = 'b'",
        "action = 'vo.member_removed'",
        "subject = null",
        "subject = (select subject from audit_event where serial = 2)",
        "facts = '{\"n\": 2}'",
        "reference = 'R'",
    ],
)
def test_a_changed_row_is_found(engine: Engine, change: str) -> None:
    write(engine, 4)
    close(engine)
    tamper(engine, f"update audit_event set {change} where serial = 3")  # noqa: S608
    assert check(engine) == ChainReport(sealed=2, waiting=0, broken=3, reason=Break.CHANGED)


def test_of_several_changed_rows_the_first_is_told(engine: Engine) -> None:
    write(engine, 5)
    close(engine)
    tamper(engine, "update audit_event set actor = 'b' where serial in (2, 4)")
    assert check(engine).broken == 2


def test_a_removed_row_is_found(engine: Engine) -> None:
    write(engine, 4)
    close(engine)
    tamper(engine, "delete from audit_event where serial = 3")
    assert check(engine) == ChainReport(sealed=2, waiting=0, broken=3, reason=Break.MISSING)


def test_the_database_itself_refuses_to_remove_a_sealed_row(engine: Engine) -> None:
    write(engine)
    close(engine)
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(text("delete from audit_event"))


def test_a_row_removed_with_its_link_is_found(engine: Engine) -> None:
    write(engine, 4)
    close(engine)
    tamper(engine, "delete from audit_event where serial = 3", "delete from audit_link where serial = 3")
    assert check(engine) == ChainReport(sealed=2, waiting=0, broken=4, reason=Break.UNLINKED)


def test_two_rows_that_changed_places_are_found(engine: Engine) -> None:
    write(engine, 3)
    close(engine)
    tamper(
        engine,
        "update audit_link set position = 9 where serial = 2",
        "update audit_link set position = 2 where serial = 3",
        "update audit_link set position = 3 where serial = 2",
    )
    assert check(engine) == ChainReport(sealed=1, waiting=0, broken=3, reason=Break.CHANGED)


def test_a_chain_computed_anew_over_changed_rows_is_found_by_its_checkpoint(engine: Engine) -> None:
    write(engine, 2)
    close(engine)
    write(engine, 2)
    close(engine)
    tamper(
        engine,
        "update audit_event set actor = 'b' where serial = 4",
        "delete from audit_link where serial > 2",
        "delete from audit_checkpoint where position > 2",
    )
    with writing(engine) as connection:
        connection.execute(text("insert into audit_waiting (writer, serial) values ('w', 3), ('w', 4)"))
        seal(connection, "w", lambda message: b"forged", NOON)
    assert check(engine) == ChainReport(sealed=3, waiting=0, broken=3, reason=Break.CHECKPOINT)


def test_an_end_cut_off_is_found(engine: Engine) -> None:
    write(engine, 2)
    close(engine)
    write(engine, 2)
    close(engine)
    tamper(engine, "delete from audit_event where serial > 2", "delete from audit_link where serial > 2")
    assert check(engine) == ChainReport(sealed=2, waiting=0, broken=4, reason=Break.CUT)


def test_an_end_cut_off_with_its_checkpoint_is_found_by_who_kept_the_checkpoint(engine: Engine) -> None:
    write(engine, 2)
    close(engine)
    write(engine, 2)
    kept = close(engine)
    assert kept is not None
    assert check(engine, known=(kept,)) == ChainReport(sealed=4, waiting=0)
    tamper(
        engine,
        "delete from audit_event where serial > 2",
        "delete from audit_link where serial > 2",
        "delete from audit_checkpoint where position > 2",
    )
    assert check(engine) == ChainReport(sealed=2, waiting=0)
    assert check(engine, known=(kept,)) == ChainReport(sealed=2, waiting=0, broken=4, reason=Break.CUT)


def test_a_removed_checkpoint_leaves_rows_unsigned(engine: Engine) -> None:
    write(engine, 2)
    close(engine)
    write(engine, 2)
    close(engine)
    tamper(engine, "delete from audit_checkpoint where position = 4")
    assert check(engine) == ChainReport(sealed=4, waiting=0, broken=3, reason=Break.UNSIGNED)


@pytest.mark.parametrize(
    "change", ["signature = substr(signature, 2)", "at = '2027-01-01 00:00:00.000000'", "serial = 1"]
)
def test_a_changed_checkpoint_is_found(engine: Engine, change: str) -> None:
    write(engine, 2)
    close(engine)
    tamper(engine, f"update audit_checkpoint set {change}")  # noqa: S608
    assert check(engine) == ChainReport(sealed=1, waiting=0, broken=1, reason=Break.CHECKPOINT)


def test_a_row_that_came_in_by_a_back_door_is_found(engine: Engine) -> None:
    write(engine, 2)
    close(engine)
    tamper(
        engine,
        "insert into audit_event (serial, at, writer, actor, action, facts) "
        "values (77, '2026-11-22 12:00:00.000000', 'w', 'a', 'x.y', '{}')",
    )
    assert check(engine) == ChainReport(sealed=2, waiting=0, broken=77, reason=Break.STRAY)


def test_a_row_removed_before_it_was_sealed_is_found(engine: Engine) -> None:
    write(engine, 2)
    close(engine)
    write(engine, 2)
    tamper(engine, "delete from audit_event where serial = 3")
    assert check(engine) == ChainReport(sealed=2, waiting=2, broken=3, reason=Break.MISSING)


def test_erasing_a_person_does_not_break_the_chain(engine: Engine) -> None:
    write(engine, 3)
    close(engine)
    with writing(engine) as connection:
        assert erase_person(connection, "p-1", at=NOON, writer="w", actor="a") == 4
    assert check(engine) == ChainReport(sealed=3, waiting=1)
    close(engine)
    assert check(engine) == ChainReport(sealed=4, waiting=0)
