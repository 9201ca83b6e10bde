"""A handle opens for its requester, with its key and until its end, and for nobody else; and it shows nothing."""

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import Refusal
from ostiary.handle import Handle, HandleKey, load_handle_keys, mint, open_handle
from tests.saml.world import NOW, SP, refusal_code

KEY, NEXT_KEY = HandleKey(b"k" * 32), HandleKey(b"n" * 32)
LAB = "https://lab.example/sp"
EXPIRES = NOW + timedelta(hours=4)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

principals = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64).filter(
    lambda text: len(text.encode()) <= 64
)
requesters = st.text(st.characters(codec="utf-8"), max_size=300)
MODEST = settings(max_examples=60, deadline=None)


def handle(principal: str = "p-4711", requester: str = SP, key: HandleKey = KEY) -> str:
    return mint(key, principal=principal, requester=requester, expires=EXPIRES)


def outcome(text: str, *keys: HandleKey, requester: str = SP, now: datetime = NOW) -> str:
    return refusal_code(lambda: open_handle(keys or (KEY,), text, requester=requester, now=now))


@given(principals, requesters, st.integers(0, 65_535), st.integers(1, 10**8))
@MODEST
def test_a_handle_says_to_its_requester_what_was_put_into_it(
    principal: str, requester: str, authority: int, seconds: int
) -> None:
    expires = NOW + timedelta(seconds=seconds)
    text = mint(KEY, principal=principal, requester=requester, expires=expires, authority=authority)
    assert open_handle((NEXT_KEY, KEY), text, requester=requester, now=NOW) == Handle(principal, authority, expires)
    assert outcome(text, requester=requester + "/") == "handle.other_requester"
    assert outcome(text, NEXT_KEY, requester=requester) == "handle.forged"


def test_a_handle_opens_for_its_requester_only() -> None:
    assert outcome(handle()) == "accepted"
    assert outcome(handle(), requester=LAB) == "handle.other_requester"
    assert outcome(handle(), requester=SP.upper()) == "handle.other_requester"
    assert outcome(handle(), requester="") == "handle.other_requester"


def test_a_handle_ends_at_its_instant() -> None:
    assert outcome(handle(), now=EXPIRES - timedelta(microseconds=1)) == "accepted"
    assert outcome(handle(), now=EXPIRES) == "handle.expired"


def test_an_end_within_a_second_is_never_later_than_asked_for() -> None:
    text = mint(KEY, principal="p", requester=SP, expires=NOW + timedelta(seconds=1.9))
    assert open_handle((KEY,), text, requester=SP, now=NOW).expires == NOW + timedelta(seconds=1)


@given(st.integers(0, 165), st.sampled_from(ALPHABET))
@MODEST
def test_no_changed_character_opens(position: int, other: str) -> None:
    text = handle()
    changed = text[:position] + other + text[position + 1 :]
    assert outcome(changed) == ("accepted" if changed == text else "handle.forged")


def test_no_flipped_bit_opens() -> None:
    octets = base64.urlsafe_b64decode(handle() + "==")
    for bit in range(len(octets) * 8):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        assert outcome(base64.urlsafe_b64encode(flipped).rstrip(b"=").decode()) == "handle.forged"


def test_a_cut_or_longer_handle_does_not_open() -> None:
    text = handle()
    assert {outcome(text[:length]) for length in range(len(text))} == {"handle.forged"}
    assert {outcome(text + "A" * more) for more in range(1, 300)} == {"handle.forged"}
    assert outcome("A" * 1_000_000) == "handle.forged"


@given(
    st.one_of(
        st.text(max_size=300),
        st.binary(min_size=124, max_size=124).map(
            lambda octets: base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
        ),
    )
)
@MODEST
def test_nothing_made_up_opens(text: str) -> None:
    assert outcome(text) == "handle.forged"


def test_a_handle_has_one_spelling() -> None:
    text = handle()
    # 124 bytes are 165 characters and 4 bits: the last character has two bits that say nothing.
    last = ALPHABET.index(text[-1])
    for spelling in (
        *(text[:-1] + ALPHABET[last ^ bits] for bits in (1, 2, 3)),
        text + "=",
        text + "==",
        text + "\n",
        " " + text,
        text[:80] + "\n" + text[80:],
        text + "é",
    ):
        assert outcome(spelling) == "handle.forged"
    standard = text.replace("-", "+").replace("_", "/")
    assert outcome(standard) == ("accepted" if standard == text else "handle.forged")


def test_the_standard_base64_alphabet_is_another_spelling() -> None:
    text = next(made for made in iter(handle, "") if "-" in made or "_" in made)
    assert outcome(text) == "accepted"
    assert outcome(text.replace("-", "+").replace("_", "/")) == "handle.forged"


@pytest.mark.parametrize("length", range(1, 65))
def test_the_length_of_a_handle_says_nothing_about_the_person(length: int) -> None:
    text = handle("x" * length)
    assert len(text) == 166
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)


@pytest.mark.parametrize("principal", ["", "x" * 65, "é" * 33])
def test_a_principal_that_does_not_fit_is_refused(principal: str) -> None:
    with pytest.raises(Refusal) as raised:
        handle(principal)
    assert raised.value.code == "handle.principal"


def test_principals_that_differ_only_in_padding_stay_apart() -> None:
    opened = [
        open_handle((KEY,), handle(text), requester=SP, now=NOW).principal for text in ("a", "a\x00", "a\x00\x00")
    ]
    assert opened == ["a", "a\x00", "a\x00\x00"]


def test_two_handles_of_one_person_share_version_and_key_id_and_nothing_else() -> None:
    made = [base64.urlsafe_b64decode(handle(requester=requester) + "==") for requester in [SP, LAB] * 100]
    assert {octets[:5] for octets in made} == {b"\x01" + KEY.id}
    for position in range(5, 124):
        # 200 random octets are never all alike, and hardly ever fewer than 60 different ones.
        assert len({octets[position] for octets in made}) > 60
    assert len({octets[5:17] for octets in made}) == 200


def test_the_nonce_is_all_the_randomness_that_is_asked_for() -> None:
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    first, second = (mint(KEY, principal="p", requester=SP, expires=EXPIRES, random=random) for _ in range(2))
    assert asked == [12, 12]
    assert first == second


def test_another_version_is_refused() -> None:
    octets = bytearray(base64.urlsafe_b64decode(handle() + "=="))
    assert octets[0] == 1
    octets[0] = 2
    assert outcome(base64.urlsafe_b64encode(octets).rstrip(b"=").decode()) == "handle.forged"


def test_a_handle_that_claims_another_key_id_does_not_open_with_either() -> None:
    octets = bytearray(base64.urlsafe_b64decode(handle() + "=="))
    octets[1:5] = NEXT_KEY.id
    text = base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
    assert outcome(text, KEY, NEXT_KEY) == "handle.forged"


def test_a_key_is_rotated_without_breaking_what_was_minted() -> None:
    old, new = handle(key=KEY), handle(key=NEXT_KEY)
    # First every node learns the next key, then it mints, then the old one goes.
    for keys, outcomes in (
        ((KEY,), ["accepted", "handle.forged"]),
        ((KEY, NEXT_KEY), ["accepted", "accepted"]),
        ((NEXT_KEY, KEY), ["accepted", "accepted"]),
        ((NEXT_KEY,), ["handle.forged", "accepted"]),
    ):
        assert [outcome(old, *keys), outcome(new, *keys)] == outcomes
    assert refusal_code(lambda: open_handle((), old, requester=SP, now=NOW)) == "handle.forged"


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_key_has_32_bytes(length: int) -> None:
    with pytest.raises(Refusal) as raised:
        HandleKey(b"k" * length)
    assert raised.value.code == "handle.key"


def test_the_key_id_does_not_show_the_key() -> None:
    assert len(KEY.id) == 4
    assert KEY.id not in KEY.secret
    assert KEY.id != NEXT_KEY.id


def test_keys_are_read_from_private_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("keys")
    raw, hexadecimal, short = directory / "raw", directory / "hex", directory / "short"
    raw.write_bytes(KEY.secret)
    hexadecimal.write_text(NEXT_KEY.secret.hex() + "\n")
    short.write_bytes(b"k" * 31)
    for path in (raw, hexadecimal, short):
        path.chmod(0o600)
    assert load_handle_keys([raw, hexadecimal]) == (KEY, NEXT_KEY)
    for path, code in ((short, "handle.key_file"), (directory / "missing", "config.private_file_missing")):
        with pytest.raises(Exception, match=re.escape(code)):
            load_handle_keys([path])
    raw.chmod(0o644)
    with pytest.raises(Exception, match=r"config\.private_file_mode"):
        load_handle_keys([raw])


def test_the_end_is_in_utc() -> None:
    opened = open_handle((KEY,), handle(), requester=SP, now=NOW)
    assert opened.expires == datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
