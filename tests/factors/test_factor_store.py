"""Factors in the database: what is kept, what is audited, and that each proof is good once among all nodes."""

import threading
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, select

from idp.accounts.directory import Directory
from idp.factors.keys import FactorKey, FactorKeys
from idp.factors.recovery import RecoveryCodes, code_hash, new_codes
from idp.factors.store import Factor, Factors, NewPasskey
from idp.factors.tables import factor, metadata, recovery_code
from idp.factors.totp import shown_secret, step_at
from ostiary import audit
from ostiary.audit import Event
from ostiary.errors import Missing, Refusal, Unavailable
from ostiary.storage.engine import reading

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ADA, BOB = "a" * 32, "b" * 32
SECRET = b"12345678901234567890"
PASSKEY = NewPasskey(b"credential", b"public key", 0, ("internal", "usb"), True)


def code_at(at: datetime, secret: bytes = SECRET) -> str:
    return pyotp.TOTP(shown_secret(secret)).at(at)


def add_totp(factors: Factors, principal: str = ADA, secret: bytes = SECRET, label: str = "my phone") -> str:
    return factors.add_totp(principal, secret, label, step=step_at(NOW), at=NOW, by=principal)


def add_passkey(factors: Factors, principal: str = ADA, passkey: NewPasskey = PASSKEY) -> str:
    return factors.add_passkey(principal, passkey, "my key", at=NOW, by=principal)


def events(engine: Engine, action: str) -> list[Event]:
    with reading(engine) as connection:
        return audit.events(connection, action=action)


def test_the_migration_makes_exactly_the_tables_of_second_factors(engine: Engine) -> None:
    def ours(item: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
        return kind != "table" or name in ("factor", "recovery_code")

    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_factor_is_listed_with_its_label_and_audited_without(engine: Engine, factors: Factors) -> None:
    totp, passkey = add_totp(factors), add_passkey(factors)
    listed = sorted(factors.of(ADA), key=lambda known: known.kind)
    assert listed == [
        Factor(passkey, ADA, "passkey", "my key", NOW, None, True),
        Factor(totp, ADA, "totp", "my phone", NOW, None, None),
    ]
    assert factors.ids(ADA) == {totp, passkey}
    assert factors.of(BOB) == ()
    added = events(engine, "factor.added")
    assert [(event.person, event.actor, dict(event.facts)) for event in added] == [
        (ADA, ADA, {"factor": totp, "kind": "totp"}),
        (ADA, ADA, {"factor": passkey, "kind": "passkey"}),
    ]


def test_a_secret_is_kept_encrypted(engine: Engine, factors: Factors) -> None:
    add_totp(factors)
    with reading(engine) as connection:
        sealed = connection.execute(select(factor.c.sealed_secret)).scalar_one()
    assert SECRET not in sealed
    assert shown_secret(SECRET).encode() not in sealed


def test_the_code_that_confirmed_an_app_is_used_up(factors: Factors) -> None:
    add_totp(factors)
    assert factors.use_totp(ADA, code_at(NOW), now=NOW) == "replayed"
    assert factors.use_totp(ADA, code_at(NOW), now=NOW + timedelta(seconds=29)) == "replayed"


def test_a_code_is_good_once_in_its_window(factors: Factors) -> None:
    add_totp(factors)
    later = NOW + timedelta(minutes=5)
    assert factors.use_totp(ADA, "000000" if code_at(later) != "000000" else "111111", now=later) == "wrong"
    assert factors.use_totp(ADA, code_at(later), now=later) == "right"
    assert factors.use_totp(ADA, code_at(later), now=later) == "replayed"
    assert factors.use_totp(ADA, code_at(later), now=later + timedelta(seconds=30)) == "replayed"
    (known,) = factors.of(ADA)
    assert known.last_used == later


def test_after_a_later_code_no_earlier_one_is_good(factors: Factors) -> None:
    add_totp(factors)
    later = NOW + timedelta(minutes=5)
    assert factors.use_totp(ADA, code_at(later + timedelta(seconds=30)), now=later) == "right"
    assert factors.use_totp(ADA, code_at(later), now=later) == "replayed"


def test_of_two_nodes_that_bring_one_code_one_wins(engine: Engine, keys: FactorKeys, factors: Factors) -> None:
    add_totp(factors)
    later, start, outcomes = NOW + timedelta(minutes=5), threading.Barrier(4), []

    def bring() -> None:
        node = Factors(engine, keys)
        start.wait()
        outcomes.append(node.use_totp(ADA, code_at(later), now=later))

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["replayed", "replayed", "replayed", "right"]


def test_a_code_of_somebody_else_is_wrong(factors: Factors) -> None:
    add_totp(factors)
    add_totp(factors, BOB, b"another secret 12345")
    later = NOW + timedelta(minutes=5)
    assert factors.use_totp(BOB, code_at(later), now=later) == "wrong"
    assert factors.use_totp(ADA, code_at(later), now=later) == "right"


def test_each_of_several_apps_will_do(factors: Factors) -> None:
    add_totp(factors)
    add_totp(factors, secret=b"another secret 12345", label="old phone")
    later = NOW + timedelta(minutes=5)
    assert factors.use_totp(ADA, code_at(later, b"another secret 12345"), now=later) == "right"
    assert factors.use_totp(ADA, code_at(later), now=later) == "right"


def test_a_secret_opens_with_every_key_and_not_without_its_own(engine: Engine, factors: Factors) -> None:
    add_totp(factors)
    later = NOW + timedelta(minutes=5)
    old, new = FactorKey.from_secret(b"k" * 32), FactorKey.from_secret(b"n" * 32)
    rotated = Factors(engine, FactorKeys([new, old]))
    assert rotated.use_totp(ADA, code_at(later), now=later) == "right"
    with pytest.raises(Unavailable) as refused:
        Factors(engine, FactorKeys([new])).use_totp(ADA, code_at(later), now=later)
    assert refused.value.code == "factor.sealed"


def test_a_secret_that_was_moved_to_somebody_else_does_not_open(engine: Engine, factors: Factors) -> None:
    add_totp(factors)
    with engine.begin() as connection:
        connection.execute(factor.update().values(principal=BOB))
    with pytest.raises(Unavailable):
        factors.use_totp(BOB, code_at(NOW), now=NOW)


def test_a_passkey_is_found_by_its_credential_id(factors: Factors) -> None:
    passkey = add_passkey(factors)
    found = factors.passkey(b"credential")
    assert found is not None
    assert (found.factor, found.principal, found.credential_id) == (passkey, ADA, b"credential")
    assert (found.public_key, found.sign_count, found.transports) == (b"public key", 0, ("internal", "usb"))
    assert factors.passkey(b"Credential") is None
    assert [known.factor for known in factors.passkeys(ADA)] == [passkey]
    assert factors.passkeys(BOB) == ()


def test_a_credential_belongs_to_one_person(factors: Factors) -> None:
    add_passkey(factors)
    with pytest.raises(Refusal) as refused:
        add_passkey(factors, BOB)
    assert refused.value.code == "passkey.known"
    assert factors.of(BOB) == ()


def test_a_removed_passkey_may_be_registered_again_and_the_removed_one_is_forgotten(
    engine: Engine, factors: Factors
) -> None:
    first = add_passkey(factors)
    factors.remove(ADA, first, at=NOW, by=ADA)
    assert factors.passkey(b"credential") is None
    with reading(engine) as connection:
        row = connection.execute(select(factor)).one()
    assert (row.public_key, row.credential_id, row.sealed_secret, row.valid_to) == (None, None, None, NOW)
    assert add_passkey(factors, BOB) != first


def test_a_counter_may_only_rise(engine: Engine, factors: Factors) -> None:
    add_passkey(factors, passkey=NewPasskey(b"credential", b"key", 5))
    stored = factors.passkey(b"credential")
    assert stored is not None
    assert factors.use_passkey(stored, 6, at=NOW) is True
    assert factors.use_passkey(stored, 6, at=NOW) is False
    assert factors.use_passkey(stored, 3, at=NOW) is False
    assert factors.use_passkey(stored, 0, at=NOW) is False
    fallen = events(engine, "factor.counter_fell_behind")
    assert [dict(event.facts) for event in fallen] == [
        {"factor": stored.factor, "known": 5, "found": found} for found in (6, 3, 0)
    ]
    again = factors.passkey(b"credential")
    assert again is not None
    assert again.sign_count == 6


def test_a_passkey_that_counts_nothing_is_used_again_and_again(factors: Factors) -> None:
    add_passkey(factors)
    stored = factors.passkey(b"credential")
    assert stored is not None
    assert [factors.use_passkey(stored, 0, at=NOW) for _ in range(3)] == [True, True, True]


def test_a_removed_passkey_can_not_be_used_by_a_request_under_way(factors: Factors) -> None:
    passkey = add_passkey(factors)
    stored = factors.passkey(b"credential")
    assert stored is not None
    factors.remove(ADA, passkey, at=NOW, by=ADA)
    assert factors.use_passkey(stored, 1, at=NOW) is False


def test_a_factor_gets_another_name(engine: Engine, factors: Factors) -> None:
    totp = add_totp(factors)
    factors.rename(ADA, totp, "  new phone ", at=NOW, by=ADA)
    assert [known.label for known in factors.of(ADA)] == ["new phone"]
    (renamed,) = events(engine, "factor.renamed")
    assert dict(renamed.facts) == {"factor": totp}


@pytest.mark.parametrize("label", ["", "   ", "x" * 65, "a\nb", "a\u202eb", "\u0000", "a\u2028b"])
def test_a_label_is_short_and_can_be_seen(factors: Factors, label: str) -> None:
    totp = add_totp(factors)
    for change in (lambda: factors.rename(ADA, totp, label, at=NOW, by=ADA), lambda: add_totp(factors, label=label)):
        with pytest.raises(Refusal) as refused:
            change()
        assert refused.value.code == "factor.label"
    assert [known.label for known in factors.of(ADA)] == ["my phone"]


def test_nobody_changes_the_factors_of_somebody_else(factors: Factors) -> None:
    totp = add_totp(factors)
    for change in (
        lambda: factors.rename(BOB, totp, "mine", at=NOW, by=BOB),
        lambda: factors.remove(BOB, totp, at=NOW, by=BOB),
        lambda: factors.remove(ADA, "0" * 32, at=NOW, by=ADA),
    ):
        with pytest.raises(Missing):
            change()
    assert factors.ids(ADA) == {totp}


def test_a_factor_is_removed_once(engine: Engine, factors: Factors) -> None:
    totp, passkey = add_totp(factors), add_passkey(factors)
    factors.remove(ADA, totp, at=NOW, by="operator")
    assert factors.ids(ADA) == {passkey}
    assert factors.use_totp(ADA, code_at(NOW + timedelta(minutes=5)), now=NOW + timedelta(minutes=5)) == "wrong"
    with pytest.raises(Missing):
        factors.remove(ADA, totp, at=NOW, by="operator")
    (removed,) = events(engine, "factor.removed")
    assert (removed.actor, removed.person) == ("operator", ADA)
    assert dict(removed.facts) == {"factor": totp, "kind": "totp", "left": 1}


def test_the_first_factor_of_a_login_is_refused_to_whoever_has_one(factors: Factors) -> None:
    first = factors.add_totp(ADA, SECRET, "a", step=1, at=NOW, by=ADA, only_first=True)
    with pytest.raises(Refusal) as refused:
        factors.add_passkey(ADA, PASSKEY, "b", at=NOW, by=ADA, only_first=True)
    assert refused.value.code == "factor.not_first"
    assert factors.ids(ADA) == {first}


def test_nobody_has_more_than_ten_factors(factors: Factors) -> None:
    for number in range(10):
        add_passkey(factors, passkey=NewPasskey(bytes([number]), b"key", 0))
    with pytest.raises(Refusal) as refused:
        add_totp(factors)
    assert refused.value.code == "factor.too_many"


def test_a_recovery_code_is_good_once(engine: Engine, codes: RecoveryCodes) -> None:
    made = new_codes()
    codes.replace(ADA, made, at=NOW, by=ADA)
    assert codes.state(ADA).left == 10
    assert codes.use(ADA, made[3], at=NOW) == 9
    assert codes.use(ADA, made[3], at=NOW) is None
    assert codes.use(ADA, made[4].lower().replace("-", " "), at=NOW + timedelta(seconds=1)) == 8
    state = codes.state(ADA)
    assert (state.left, state.made, state.last_used) == (8, NOW, NOW + timedelta(seconds=1))
    used = events(engine, "factor.recovery_code_used")
    assert [(event.person, dict(event.facts)) for event in used] == [(ADA, {"left": 9}), (ADA, {"left": 8})]


def test_of_two_nodes_that_bring_one_recovery_code_one_wins(engine: Engine, codes: RecoveryCodes) -> None:
    made, start, outcomes = new_codes(), threading.Barrier(3), []
    codes.replace(ADA, made, at=NOW, by=ADA)

    def bring() -> None:
        start.wait()
        outcomes.append(RecoveryCodes(engine).use(ADA, made[0], at=NOW))

    threads = [threading.Thread(target=bring) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [9, None, None]


def test_new_codes_void_the_earlier_ones(codes: RecoveryCodes) -> None:
    old, new = new_codes(), new_codes()
    codes.replace(ADA, old, at=NOW, by=ADA)
    codes.replace(ADA, new, at=NOW, by=ADA)
    assert codes.use(ADA, old[0], at=NOW) is None
    assert codes.use(ADA, new[0], at=NOW) == 9


def test_codes_belong_to_one_person_and_go_with_her_last_factor(factors: Factors, codes: RecoveryCodes) -> None:
    totp, passkey, made = add_totp(factors), add_passkey(factors), new_codes()
    codes.replace(ADA, made, at=NOW, by=ADA)
    assert codes.use(BOB, made[0], at=NOW) is None
    factors.remove(ADA, totp, at=NOW, by=ADA)
    assert codes.state(ADA).left == 10
    factors.remove(ADA, passkey, at=NOW, by=ADA)
    assert codes.state(ADA).left == 0
    assert codes.use(ADA, made[0], at=NOW) is None


def test_who_is_deleted_has_no_factors_and_who_is_erased_left_nothing(
    engine: Engine, factors: Factors, codes: RecoveryCodes
) -> None:
    directory = Directory(engine)
    for erase in (False, True):
        principal = directory.create("ada" + str(erase), password_hash="hash", attributes={}, at=NOW, by="operator")
        add_totp(factors, principal)
        passkey = NewPasskey(principal.encode(), b"key", 0)
        add_passkey(factors, principal, passkey)
        codes.replace(principal, new_codes(), at=NOW, by=principal)
        directory.delete(principal, at=NOW, by="operator", erase=erase)
        assert factors.of(principal) == ()
        assert factors.passkey(principal.encode()) is None
        assert codes.state(principal).left == 0
        with reading(engine) as connection:
            kept = connection.execute(select(factor).where(factor.c.principal == principal)).all()
            hashes = connection.execute(select(recovery_code).where(recovery_code.c.principal == principal)).all()
        assert (len(kept), len(hashes)) == ((0, 0) if erase else (2, 10))
        assert {(row.sealed_secret, row.public_key, row.credential_id) for row in kept} <= {(None, None, None)}


def test_codes_are_long_random_and_kept_as_hashes(engine: Engine, codes: RecoveryCodes) -> None:
    made = new_codes()
    assert len(set(made)) == 10
    assert {len(code.replace("-", "")) for code in made} == {16}
    assert new_codes(bytes)[0] == "AAAA-AAAA-AAAA-AAAA"
    codes.replace(ADA, made, at=NOW, by=ADA)
    with reading(engine) as connection:
        kept = set(connection.execute(select(recovery_code.c.code_hash)).scalars())
    assert kept == {code_hash(code) for code in made}
    assert not kept & set(made)


@pytest.mark.parametrize("typed", ["", "AAAA", "AAAA-AAAA-AAAA-AAAA-AAAA", "х" * 16, "A" * 10_000])
def test_what_is_no_recovery_code_is_wrong(codes: RecoveryCodes, typed: str) -> None:
    codes.replace(ADA, new_codes(bytes), at=NOW, by=ADA)
    assert codes.use(ADA, typed, at=NOW) is None


def test_a_zero_or_a_one_stands_for_the_letter_that_looks_like_it(codes: RecoveryCodes) -> None:
    assert code_hash("OI00-1111") == code_hash("oioo-iiii")
