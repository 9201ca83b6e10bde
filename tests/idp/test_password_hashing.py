"""argon2id: what is right, what costs the same, what is refused before any work."""

import threading
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type

from idp.accounts.passwords import Argon2Parameters, Passwords
from ostiary.errors import Refusal, Unavailable

CHEAP = Argon2Parameters(time_cost=1, memory=8, parallelism=1)


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(CHEAP)


def test_the_right_password_is_right_and_another_is_wrong(passwords: Passwords) -> None:
    stored = passwords.hash("right horse")
    assert passwords.check(stored, "right horse").right is True
    assert passwords.check(stored, "right horsf").right is False
    assert passwords.check(stored, "").right is False


def test_a_hash_is_argon2id_with_the_chosen_parameters(passwords: Passwords) -> None:
    assert passwords.hash("right horse").startswith("$argon2id$v=19$m=8,t=1,p=1$")


def test_the_same_password_has_another_hash_each_time(passwords: Passwords) -> None:
    assert passwords.hash("right horse") != passwords.hash("right horse")


def test_nobody_has_any_password(passwords: Passwords) -> None:
    assert passwords.check(None, "right horse").right is False
    assert passwords.check(None, "").right is False


def test_a_password_is_the_same_however_the_keyboard_composes_it(passwords: Passwords) -> None:
    stored = passwords.hash("caf\u00e9")
    assert passwords.check(stored, "cafe\u0301").right is True
    assert passwords.check(stored, "cafe").right is False


def test_a_check_costs_one_verification_with_and_without_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, password: bytes) -> bool:
        calls.append(stored.rpartition("$")[0].rpartition("$")[0])
        return verify(self, stored, password)

    passwords = Passwords(CHEAP)
    stored = passwords.hash("right horse")
    monkeypatch.setattr(PasswordHasher, "verify", counted)
    for known in (stored, None):
        calls.clear()
        passwords.check(known, "wrong horse")
        assert calls == ["$argon2id$v=19$m=8,t=1,p=1"]


def test_a_hash_that_is_none_is_as_wrong_as_any_other(passwords: Passwords) -> None:
    assert passwords.check("plain text", "plain text").right is False


def test_a_right_password_under_old_parameters_is_hashed_anew(passwords: Passwords) -> None:
    old = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1, type=Type.ID).hash("right horse")
    checked = passwords.check(old, "right horse")
    assert checked.right is True
    assert checked.replacement is not None
    assert passwords.check(checked.replacement, "right horse").right is True
    assert passwords.check(checked.replacement, "right horse").replacement is None


def test_a_wrong_password_never_replaces_a_hash(passwords: Passwords) -> None:
    old = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1, type=Type.ID).hash("right horse")
    assert passwords.check(old, "wrong horse").replacement is None


@pytest.mark.parametrize("length", [1024, 1])
def test_a_password_of_at_most_1024_bytes_is_taken(passwords: Passwords, length: int) -> None:
    assert passwords.check(passwords.hash("a" * length), "a" * length).right is True


@pytest.mark.parametrize("password", ["a" * 1025, "é" * 513])
def test_a_longer_password_is_refused_before_it_is_hashed(
    passwords: Passwords, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = passwords.hash("right horse")

    def never(*_: object) -> bool:
        raise AssertionError("hashed")

    monkeypatch.setattr(PasswordHasher, "verify", never)
    monkeypatch.setattr(PasswordHasher, "hash", never)
    for attempt in (lambda: passwords.hash(password), lambda: passwords.check(stored, password)):
        with pytest.raises(Refusal) as refused:
            attempt()
        assert refused.value.code == "password.too_long"


def test_an_empty_password_is_not_hashed(passwords: Passwords) -> None:
    with pytest.raises(Refusal) as refused:
        passwords.hash("")
    assert refused.value.code == "password.empty"


def test_what_is_not_unicode_is_refused(passwords: Passwords) -> None:
    with pytest.raises(Refusal) as refused:
        passwords.hash("\udc80")
    assert refused.value.code == "password.unreadable"


def test_no_more_checks_run_at_a_time_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(CHEAP, concurrent=1, patience=timedelta(milliseconds=20))
    begun, go_on = threading.Event(), threading.Event()

    def slow(self: PasswordHasher, stored: str, password: bytes) -> bool:
        begun.set()
        return go_on.wait(10)

    monkeypatch.setattr(PasswordHasher, "verify", slow)
    first = threading.Thread(target=passwords.check, args=(None, "first"))
    first.start()
    assert begun.wait(10)
    try:
        with pytest.raises(Unavailable) as refused:
            passwords.check(None, "second")
        assert refused.value.code == "password.busy"
    finally:
        go_on.set()
        first.join()
    passwords.check(None, "third")
