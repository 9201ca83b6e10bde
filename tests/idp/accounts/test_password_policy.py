"""Which passwords are too easy to guess, and which are not."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.accounts.breached_passwords import BreachedPasswords
from idp.accounts.password_policy import COMMON_PASSWORDS, PasswordPolicy, common_passwords
from idp.accounts.settings import PasswordPolicySettings
from ostiary.errors import ConfigurationError, Refusal, Unavailable

COMMON = common_passwords()
POLICY = PasswordPolicy(COMMON, known_words=("Northgate University", "northgate.example"))
ALICE = ("alice", "alice.archer@northgate.example", "Alice Archer")


def verdict(password: str, about: tuple[str, ...] = ALICE, policy: PasswordPolicy = POLICY) -> str:
    try:
        policy.check(password, about)
    except Refusal as problem:
        return problem.code.removeprefix("password.")
    return "good"


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "tulip ladder 93 ocean",
        "alice-opens-doors",
        "éclair-tonight-zoo",
        "хитрый медведь пьёт",
        "k8#Vq2!mZx7Lp",
        "seven yellow penguins",
        "passwords-are-not-fun-at-all",
    ],
)
def test_words_that_have_nothing_to_do_with_each_other_are_good(password: str) -> None:
    assert verdict(password) == "good"


@pytest.mark.parametrize(
    "password",
    ["password1234", "P4ssw0rd!2026", "iloveyou2026!", "monkeydragon", "monkey-dragon-77", "summer2026summer"],
)
def test_what_many_people_have_is_refused_in_its_disguises(password: str) -> None:
    assert verdict(password) == "common"


@pytest.mark.parametrize(
    "password", ["1q2w3e4r5t6y", "1Q2W3E4R5T6Y", "qazwsxedcrfv", "zaq12wsx1qaz", "trustno1trustno1"]
)
def test_walks_over_the_keyboard_are_refused(password: str) -> None:
    assert verdict(password) in ("common", "monotonous")


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaaaa",
        "abababababab",
        "123456789012",
        "abcdefghijkl",
        "qwertyuiopas",
        "lkjhgfdsapoi",
        "9876543210987",
        "red-red-red-red-",
    ],
)
def test_repetitions_and_runs_are_refused(password: str) -> None:
    assert verdict(password) == "monotonous"


@pytest.mark.parametrize(
    "password",
    [
        "northgate2026!",
        "N0rthgate2026",
        "alicealice99",
        "4l1ce-4l1ce-99",
        "AliceArcher1!",
        "alice.archer@northgate.example",
        "university-northgate",
        "archer-alice-26",
    ],
)
def test_names_that_everybody_knows_are_refused(password: str) -> None:
    assert verdict(password) == "obvious"


def test_the_words_of_others_are_no_matter() -> None:
    assert verdict("northgate2026!!", about=(), policy=PasswordPolicy(COMMON)) == "good"


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("", "empty"),
        ("eleven char", "too_short"),
        ("twelve chars", "good"),
        ("x" * 1025, "too_long"),
        ("a\ud800" * 9, "unreadable"),
    ],
)
def test_the_length_is_bounded_on_both_sides(password: str, expected: str) -> None:
    assert verdict(password) == expected


def test_characters_are_counted_and_not_bytes() -> None:
    assert verdict("ключ дверь мир") == "good"
    # Eleven letters with accents, in the spelling that takes two code points each.
    assert verdict("e\u0301" * 3 + "a\u0301o\u0301u\u0301i\u0301" * 2) == "too_short"


def test_the_minimum_can_be_set_between_8_and_64() -> None:
    assert PasswordPolicySettings(minimum_length=8).minimum_length == 8
    assert verdict("zebra 7 ox", policy=PasswordPolicySettings(minimum_length=8).policy(())) == "good"
    for wrong in (7, 65):
        with pytest.raises(ValueError, match="minimum_length"):
            PasswordPolicySettings(minimum_length=wrong)


def test_upper_case_digits_and_signs_are_not_asked_for() -> None:
    assert verdict("plainlowercasewords") == "good"


@settings(max_examples=50)
@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=4))
def test_every_text_gets_a_verdict(password: str, about: list[str]) -> None:
    assert verdict(password, tuple(about)) in {
        "good",
        "empty",
        "too_short",
        "too_long",
        "unreadable",
        "monotonous",
        "obvious",
        "common",
    }


def test_the_list_that_ships_is_in_lower_case_without_doubles() -> None:
    lines = [line for line in COMMON_PASSWORDS.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert len(lines) > 450
    assert [line for line in lines if line != line.strip().lower()] == []
    assert len(set(lines)) == len(lines)
    assert len(COMMON) == len(lines)


# --- breached passwords


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode()).hexdigest().upper()  # noqa: S324 (the format of the list)


def write_list(path: Path, entries: dict[str, int], *, digits: int = 40, end: str = "\r\n") -> Path:
    lines = sorted(f"{sha1(password)[:digits]}:{count}" for password, count in entries.items())
    path.write_bytes(end.join(lines).encode() + end.encode())
    return path


@pytest.fixture
def breached(tmp_path: Path) -> Path:
    return write_list(tmp_path / "pwned.txt", {f"stolen password {number}": number + 1 for number in range(2_000)})


@pytest.mark.parametrize("number", [0, 1, 2, 499, 998, 1000, 1500, 1998, 1999])
def test_a_stolen_password_is_found_with_its_count(breached: Path, number: int) -> None:
    assert BreachedPasswords(breached).count(f"stolen password {number}") == number + 1


def test_every_stolen_password_is_found_and_no_other(breached: Path) -> None:
    listed = BreachedPasswords(breached)
    assert all(listed.count(f"stolen password {number}") for number in range(2_000))
    assert not any(listed.count(f"own password {number}") for number in range(500))


def test_the_first_and_the_last_line_are_found(tmp_path: Path) -> None:
    passwords = {f"p{number}": 1 for number in range(30)}
    for end in ("\n", "\r\n"):
        listed = BreachedPasswords(write_list(tmp_path / "list", passwords, end=end))
        assert [listed.count(password) for password in passwords] == [1] * 30
    path = tmp_path / "unended"
    path.write_bytes((tmp_path / "list").read_bytes().rstrip())
    assert [BreachedPasswords(path).count(password) for password in passwords] == [1] * 30


def test_one_line_is_a_list(tmp_path: Path) -> None:
    listed = BreachedPasswords(write_list(tmp_path / "list", {"one": 7}))
    assert (listed.count("one"), listed.count("two")) == (7, 0)


def test_prefixes_of_hashes_do_as_well(tmp_path: Path) -> None:
    listed = BreachedPasswords(write_list(tmp_path / "list", {f"p{number}": 3 for number in range(200)}, digits=10))
    assert {listed.count(f"p{number}") for number in range(200)} == {3}
    assert {listed.count(f"q{number}") for number in range(200)} == {0}


def test_passwords_that_were_found_rarely_can_be_let_through(breached: Path) -> None:
    assert BreachedPasswords(breached, from_count=10).count("stolen password 8") == 0
    assert BreachedPasswords(breached, from_count=10).count("stolen password 9") == 10


def test_a_list_without_counts_refuses_all_that_it_has(breached: Path) -> None:
    cut = breached.with_name("cut.txt")
    cut.write_text("".join(f"{line[:10]}\n" for line in breached.read_text().splitlines()))
    listed = BreachedPasswords(cut, from_count=5)
    assert listed.count("stolen password 8") == 5
    assert listed.count("a password that nobody stole") == 0


def test_the_policy_asks_the_list(breached: Path) -> None:
    policy = PasswordPolicySettings(breached_file=breached).policy(())
    assert verdict("stolen password 77", policy=policy) == "breached"
    assert verdict("a very quiet password", policy=policy) == "good"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"no hashes here\n" * 50,
        b"x" * 1_000,
        (sha1("b") + ":1\n" + "0" * 40 + ":1\n").encode(),
        b"\xff\xfe\x00" * 99,
    ],
)
def test_a_file_that_is_no_such_list_is_refused_at_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        BreachedPasswords(path)
    assert refused.value.code == "password.breached_file"


def test_a_list_that_is_gone_lets_no_password_through(breached: Path) -> None:
    policy = PasswordPolicySettings(breached_file=breached).policy(())
    breached.unlink()
    with pytest.raises(Unavailable) as refused:
        policy.check("a very quiet password")
    assert refused.value.code == "password.breached_unreadable"
