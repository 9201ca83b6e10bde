"""The mark that a second factor leaves in a browser, the keys behind it, and how often codes may be tried."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.factors.attempts import Attempt, AttemptLimits, CodeAttempts
from idp.factors.browsers import BrowserMark, read_mark, write_mark
from idp.factors.challenges import Challenges
from idp.factors.keys import FactorKey, FactorKeys, load_factor_keys
from ostiary.config import write_private_file
from ostiary.errors import ConfigurationError, Refusal, TooMany, Unavailable
from ostiary.storage.memory import MemoryCounters, MemorySessionStore

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEYS = FactorKeys([FactorKey.from_secret(b"k" * 32)])
ADA, BOB = "a" * 32, "b" * 32
MARK = BrowserMark(NOW, spared=True)


def test_a_mark_is_read_by_whom_and_with_the_factors_it_was_left() -> None:
    value = write_mark(KEYS, ADA, ["2", "1"], MARK)
    assert read_mark(KEYS, value, ADA, {"1", "2"}, NOW) == MARK
    assert read_mark(KEYS, value, BOB, {"1", "2"}, NOW) is None
    assert read_mark(KEYS, value, ADA, {"1"}, NOW) is None
    assert read_mark(KEYS, value, ADA, {"1", "2", "3"}, NOW) is None


def test_a_mark_ends_after_a_year_and_is_good_on_a_node_whose_clock_is_behind() -> None:
    value = write_mark(KEYS, ADA, ["1"], MARK)
    assert read_mark(KEYS, value, ADA, ["1"], NOW + timedelta(days=365, seconds=-1)) == MARK
    assert read_mark(KEYS, value, ADA, ["1"], NOW + timedelta(days=365)) is None
    assert read_mark(KEYS, value, ADA, ["1"], NOW - timedelta(seconds=1)) == MARK


def test_a_mark_stays_good_while_its_key_is_among_the_keys() -> None:
    value = write_mark(KEYS, ADA, ["1"], MARK)
    old, new = FactorKey.from_secret(b"k" * 32), FactorKey.from_secret(b"n" * 32)
    assert read_mark(FactorKeys([new, old]), value, ADA, ["1"], NOW) == MARK
    assert read_mark(FactorKeys([new]), value, ADA, ["1"], NOW) is None


def test_a_mark_that_was_changed_is_worth_nothing() -> None:
    value = write_mark(KEYS, ADA, ["1"], BrowserMark(NOW, spared=False))
    version, at, spared, signature = value.split(".")
    for changed in (
        f"{version}.{at}.1.{signature}",
        f"{version}.{int(at) + 1}.{spared}.{signature}",
        f"2.{at}.{spared}.{signature}",
        f"{version}.0{at}.{spared}.{signature}",
        value[:-1],
        value + ".",
        value.replace(".", ",", 1),
        "1.99999999999999.0." + signature,
        "",
    ):
        assert read_mark(KEYS, changed, ADA, ["1"], NOW) is None
    assert read_mark(KEYS, None, ADA, ["1"], NOW) is None


@settings(max_examples=50)
@given(st.text(alphabet="0123456789.AZaz-_ é", max_size=70))
def test_no_other_text_is_a_mark(text: str) -> None:
    assert read_mark(KEYS, text, ADA, [], NOW) is None


def test_what_is_sealed_opens_for_the_same_purpose_only() -> None:
    sealed = KEYS.seal(b"secret", "totp 1 ada")
    assert KEYS.open(sealed, "totp 1 ada") == b"secret"
    assert KEYS.seal(b"secret", "totp 1 ada") != sealed
    broken = [sealed[:-1], sealed[:5], b"", b"\x02" + sealed[1:], sealed[:-1] + bytes([sealed[-1] ^ 1])]
    for octets, context in [(sealed, "totp 2 ada"), *((one, "totp 1 ada") for one in broken)]:
        with pytest.raises(Unavailable) as refused:
            KEYS.open(octets, context)
        assert refused.value.code == "factor.sealed"


def test_a_key_file_holds_32_bytes_or_their_hexadecimal_digits(tmp_path: Path) -> None:
    write_private_file(tmp_path / "raw", b"k" * 32)
    write_private_file(tmp_path / "hex", b"6b" * 32 + b"\n")
    write_private_file(tmp_path / "short", b"k" * 31)
    write_private_file(tmp_path / "text", b"zz" * 32)
    assert load_factor_keys([tmp_path / "hex"]).open(KEYS.seal(b"x", "c"), "c") == b"x"
    assert load_factor_keys([tmp_path / "raw"]).open(KEYS.seal(b"x", "c"), "c") == b"x"
    for name in ("short", "text"):
        with pytest.raises(ConfigurationError) as refused:
            load_factor_keys([tmp_path / name])
        assert refused.value.code == "factor.key_file"


def test_a_key_file_that_others_could_read_is_refused(tmp_path: Path) -> None:
    write_private_file(tmp_path / "key", b"k" * 32)
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ConfigurationError) as refused:
        load_factor_keys([tmp_path / "key"])
    assert refused.value.code == "config.private_file_mode"


def attempts() -> CodeAttempts:
    return CodeAttempts(MemoryCounters(), AttemptLimits(per_minute=3, per_hour=5))


def test_of_one_address_only_so_many_codes_are_taken_in_a_minute() -> None:
    counted, attempt = attempts(), Attempt(ADA, "192.0.2.1", None)
    for _ in range(3):
        counted.count(attempt, NOW)
    with pytest.raises(TooMany) as refused:
        counted.count(attempt, NOW)
    assert (refused.value.code, refused.value.retry_after) == ("factor.throttled", 60)
    counted.count(Attempt(BOB, "192.0.2.1", None), NOW)
    counted.count(attempt, NOW + timedelta(minutes=1))


def test_of_one_person_only_so_many_codes_are_taken_in_an_hour_from_everywhere() -> None:
    counted = attempts()
    for number in range(5):
        counted.count(Attempt(ADA, f"192.0.2.{number}", None), NOW)
    with pytest.raises(TooMany) as refused:
        counted.count(Attempt(ADA, "192.0.2.9", None), NOW)
    assert refused.value.retry_after == 3600
    counted.count(Attempt(ADA, "192.0.2.10", None), NOW + timedelta(hours=1))


def test_strangers_do_not_keep_her_out_of_a_browser_that_she_has_used_before() -> None:
    counted = attempts()
    for number in range(5):
        counted.count(Attempt(ADA, f"192.0.2.{number}", None), NOW)
    counted.count(Attempt(ADA, "198.51.100.1", "mark"), NOW)


def test_an_address_that_is_used_up_does_not_count_against_the_person() -> None:
    counted, attempt = attempts(), Attempt(ADA, "192.0.2.1", None)
    for _ in range(50):
        try:
            counted.count(attempt, NOW)
        except TooMany:
            continue
    counted.count(Attempt(ADA, "192.0.2.2", None), NOW)


def test_right_codes_do_not_count() -> None:
    counted, attempt = attempts(), Attempt(ADA, "192.0.2.1", None)
    for _ in range(20):
        counted.count(attempt, NOW)
        counted.succeeded(attempt, NOW)


def test_a_challenge_is_taken_once_by_whom_it_was_issued_for() -> None:
    challenges = Challenges(MemorySessionStore())
    challenge = challenges.issue("passwordless", "ticket", NOW)
    assert len(challenge) == 32
    for purpose, bound in (("second_factor", "ticket"), ("passwordless", "other ticket"), ("register", "ticket")):
        with pytest.raises(Refusal) as refused:
            challenges.take(purpose, bound, NOW)  # type: ignore[arg-type]
        assert refused.value.code == "passkey.challenge"
    assert challenges.take("passwordless", "ticket", NOW) == challenge
    with pytest.raises(Refusal):
        challenges.take("passwordless", "ticket", NOW)


def test_a_challenge_ends_after_half_an_hour_and_gives_way_to_the_next() -> None:
    challenges = Challenges(MemorySessionStore())
    first, second = challenges.issue("register", "s", NOW), challenges.issue("register", "s", NOW)
    assert first != second
    with pytest.raises(Refusal):
        challenges.take("register", "s", NOW + timedelta(minutes=30))
    challenges.issue("register", "s", NOW)
    assert challenges.take("register", "s", NOW + timedelta(minutes=29)) != second
