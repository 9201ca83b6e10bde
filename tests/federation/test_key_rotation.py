"""Keys move from next to current to retired and away: when they may, and that nobody ever reads half of a change."""

import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ostiary.config import Holder, write_private_file
from ostiary.errors import ConfigurationError, Refusal
from ostiary.federation import rotation
from ostiary.federation.keys import create_key_ring, load_certificates, load_key_ring
from ostiary.federation.rotation import key_states, rotate, waits_of, write_published
from ostiary.handle import load_handle_keys, mint, open_handle
from ostiary.handle_rotation import create_handle_keys, handle_key_states, rotate_handle_keys, waits_of_handles
from ostiary.rotation import KeyState, Waits, check_step, may_go, next_step
from tests.saml.world import private_pem, signer

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
WAITS = waits_of("signing", WEEK)


def state(name: str, days_ago: int) -> KeyState:
    return KeyState(name, NOW - timedelta(days=days_ago), "ab", "EC", "file")  # type: ignore[arg-type]


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    """A directory with a current EC key to sign and an RSA key to decrypt with."""
    for prefix, kind in (("", "p256"), ("encryption-", "rsa")):
        write_private_file(tmp_path / f"{prefix}current.key", private_pem(kind))  # type: ignore[arg-type]
        (tmp_path / f"{prefix}current.crt").write_bytes(pem(signer(kind).certificate))  # type: ignore[arg-type]
    return tmp_path


def states(directory: Path, use: str = "signing") -> list[str]:
    return [key.state for key in key_states(directory, use)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keys", "step", "days"),
    [
        ([state("current", 100)], "prepare", None),
        ([state("current", 100), state("next", 3)], "activate", 4),
        ([state("current", 100), state("next", 9)], "activate", -2),
        ([state("current", 2), state("retired", 2)], "retire", 5),
        ([state("current", 2), state("retired", 2), state("retired", 30)], "retire", -23),
        ([state("current", 2), state("next", 1), state("retired", 30)], "activate", 6),
    ],
)
def test_the_next_step_is_known_with_its_day(keys: list[KeyState], step: str, days: int | None) -> None:
    due = next_step(keys, WAITS)
    assert (due.step, due.at) == (step, None if days is None else NOW + timedelta(days=days))


def refused(step: str, keys: list[KeyState], *, force: bool = False, waits: Waits = WAITS) -> str:
    try:
        check_step(step, keys, waits, NOW, force=force)  # type: ignore[arg-type]
    except Refusal as error:
        return error.code
    return "allowed"


def test_a_step_is_refused_until_everybody_had_the_time() -> None:
    current, fresh, old = state("current", 99), state("next", 6), state("next", 7)
    assert refused("activate", [current, fresh]) == "keys.too_early"
    assert refused("activate", [current, old]) == "allowed"
    assert refused("activate", [current, fresh], force=True) == "allowed"
    assert refused("retire", [current, state("retired", 6)]) == "keys.too_early"
    assert refused("retire", [current, state("retired", 7)]) == "allowed"


def test_force_does_not_make_keys_that_are_not_there() -> None:
    current = state("current", 99)
    assert refused("activate", [current], force=True) == "keys.no_next"
    assert refused("retire", [current], force=True) == "keys.no_retired"
    assert refused("prepare", [current, state("next", 1)], force=True) == "keys.next_exists"


def test_of_several_retired_keys_only_those_go_that_nobody_needs() -> None:
    assert not may_go(state("retired", 6), WAITS, NOW)
    assert may_go(state("retired", 7), WAITS, NOW)
    assert not may_go(state("current", 700), WAITS, NOW, force=True)


def test_a_key_is_published_signs_and_goes(ring: Path) -> None:
    old = load_key_ring(ring).signer.public
    assert rotate(ring, "signing", WAITS, now=NOW)[0] == "prepare"
    published = [entry.key for entry in load_key_ring(ring).published if entry.use == "signing"]
    assert load_key_ring(ring).signer.public == old
    assert len(published) == 2
    new = published[1]
    with pytest.raises(Refusal) as early:
        rotate(ring, "signing", WAITS, now=NOW + timedelta(days=6, hours=23))
    assert (early.value.code, early.value.params["at"]) == ("keys.too_early", "2026-11-29 12:00 UTC")
    assert rotate(ring, "signing", WAITS, now=NOW + WEEK)[0] == "activate"
    assert states(ring) == ["current", "retired"]
    assert load_key_ring(ring).signer.public == new
    assert {entry.key for entry in load_key_ring(ring).published if entry.use == "signing"} == {old, new}
    assert rotate(ring, "signing", WAITS, now=NOW + 2 * WEEK)[0] == "retire"
    assert states(ring) == ["current"]
    assert [entry.key for entry in load_key_ring(ring).published if entry.use == "signing"] == [new]
    assert load_key_ring(ring).signer.algorithm == signer("p256").algorithm


def test_the_key_to_decrypt_with_is_known_before_it_is_published_and_after(ring: Path) -> None:
    waits = waits_of("encryption", WEEK)

    def published_and_decrypting() -> tuple[int, int, bool]:
        found = load_key_ring(ring)
        to_encrypt = [entry for entry in found.published if entry.use == "encryption"]
        numbers = [key.private_numbers().p for key in found.decrypting]
        first = x509.load_der_x509_certificate(to_encrypt[0].certificate or b"").public_key()
        return len(to_encrypt), len(set(numbers)), found.decrypting[0].public_key() == first

    assert published_and_decrypting() == (1, 1, True)
    rotate(ring, "encryption", waits, now=NOW)
    assert published_and_decrypting() == (1, 2, True)
    rotate(ring, "encryption", waits, now=NOW + timedelta(minutes=1))
    assert published_and_decrypting() == (1, 2, True)
    with pytest.raises(Refusal):
        rotate(ring, "encryption", waits, now=NOW + timedelta(days=6))
    rotate(ring, "encryption", waits, now=NOW + timedelta(days=8))
    assert published_and_decrypting() == (1, 1, True)
    assert sorted(path.name for path in ring.glob("*.key")) == ["current.key", "encryption-current.key"]


def test_an_ec_key_can_not_decrypt(ring: Path) -> None:
    write_private_file(ring / "encryption-current.key", private_pem("p256"))
    (ring / "encryption-current.crt").write_bytes(pem(signer("p256").certificate))
    with pytest.raises(ConfigurationError) as raised:
        load_key_ring(ring)
    assert raised.value.code == "key.file"


@pytest.mark.parametrize("steps", range(4))
def test_an_activation_that_stops_anywhere_leaves_usable_keys_and_is_finished_by_the_next_step(
    ring: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate(ring, "signing", WAITS, now=NOW)
    old, new = [entry.key for entry in load_key_ring(ring).published if entry.use == "signing"]
    done = 0
    replace = Path.replace

    def replace_some(self: Path, target: Path) -> Path:
        nonlocal done
        if done == steps:
            raise OSError("the power went")
        done += 1
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace_some)
        with pytest.raises(OSError, match="the power went"):
            rotate(ring, "signing", WAITS, now=NOW + WEEK)
    found = load_key_ring(ring)
    assert found.signer.public in (old, new)
    assert {old, new} == {entry.key for entry in found.published if entry.use == "signing"}
    if "next" in states(ring):
        rotate(ring, "signing", WAITS, now=NOW + WEEK)
    else:
        with pytest.raises(Refusal, match=r"keys\.too_early"):
            rotate(ring, "signing", WAITS, now=NOW + WEEK)
    assert load_key_ring(ring).signer.public == new
    assert not (ring / "next.crt").exists()
    assert load_key_ring(ring).signer.certificate == load_certificates(ring / "current.crt")[0]


def test_readers_meanwhile_always_find_a_key_with_its_own_certificate(ring: Path) -> None:
    at = NOW
    wrong: list[str] = []
    over = threading.Event()
    waits = Waits(timedelta(0), timedelta(0))

    def read() -> None:
        while not over.is_set():
            try:
                found = load_key_ring(ring)
            except ConfigurationError as error:
                wrong.append(str(error))
                continue
            if found.signer.public not in {entry.key for entry in found.published}:
                wrong.append("signs with a key that it does not publish")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(12):
            at += timedelta(seconds=1)
            rotate(ring, "signing", waits, now=at)
    finally:
        over.set()
        reader.join()
    assert wrong == []


def test_a_running_service_notices_each_step(ring: Path) -> None:
    holder = Holder(lambda sources: load_key_ring(ring, sources), every=timedelta(0))
    seen = []
    for step in range(3):
        rotate(ring, "signing", WAITS, now=NOW + step * WEEK)
        assert holder.poll(NOW) is None
        seen.append(sum(entry.use == "signing" for entry in holder.value.published))
    assert seen == [2, 2, 1]


def test_a_new_private_key_is_readable_for_those_who_read_the_old_one_and_nobody_else(ring: Path) -> None:
    (ring / "current.key").chmod(0o400)
    rotate(ring, "signing", WAITS, now=NOW)
    mode = stat.S_IMODE((ring / "next.key").stat().st_mode)
    assert mode == 0o400
    rotate(ring, "signing", WAITS, now=NOW + WEEK)
    assert stat.S_IMODE((ring / "current.key").stat().st_mode) == 0o400
    assert (ring / "current.key").stat().st_uid == os.geteuid()


def test_a_next_key_that_somebody_else_made_is_taken_into_use(ring: Path) -> None:
    write_private_file(ring / "next.key", private_pem("p384"))
    (ring / "next.crt").write_bytes(pem(signer("p384").certificate))
    rotation.date(ring / "next.crt", NOW - WEEK)
    rotate(ring, "signing", WAITS, now=NOW)
    assert load_key_ring(ring).signer.public == signer("p384").public


def test_a_next_key_that_does_not_fit_its_certificate_changes_nothing(ring: Path) -> None:
    write_private_file(ring / "next.key", private_pem("p521"))
    (ring / "next.crt").write_bytes(pem(signer("p384").certificate))
    rotation.date(ring / "next.crt", NOW - WEEK)
    with pytest.raises(ConfigurationError) as raised:
        rotate(ring, "signing", WAITS, now=NOW)
    assert raised.value.code == "key.file"
    assert load_key_ring(ring).signer.public == signer("p256").public
    assert states(ring) == ["current", "next"]


def test_the_published_certificates_are_there_for_who_trusts_a_file(ring: Path) -> None:
    write_published(ring)
    assert len(load_certificates(ring / "published.crt")) == 1
    rotate(ring, "signing", WAITS, now=NOW)
    assert len(load_certificates(ring / "published.crt")) == 2


def test_first_keys_are_made_for_each_use(tmp_path: Path) -> None:
    for use in ("signing", "encryption"):
        create_key_ring(tmp_path, "home", now=NOW, use=use)
        with pytest.raises(ConfigurationError, match=r"key\.exists"):
            create_key_ring(tmp_path, "home", now=NOW, use=use)
    found = load_key_ring(tmp_path)
    assert [entry.use for entry in found.published] == ["signing", "encryption"]
    assert len(found.decrypting) == 1


def test_handle_keys_open_before_they_mint_and_as_long_as_handles_live(tmp_path: Path) -> None:
    create_handle_keys(tmp_path, now=NOW)
    waits = waits_of_handles(timedelta(hours=4))
    minted = [_mint(tmp_path)]
    assert rotate_handle_keys(tmp_path, waits, now=NOW)[0] == "prepare"
    minted.append(_mint(tmp_path))
    with pytest.raises(Refusal, match=r"keys\.too_early"):
        rotate_handle_keys(tmp_path, waits, now=NOW + timedelta(seconds=59))
    assert rotate_handle_keys(tmp_path, waits, now=NOW + timedelta(minutes=1))[0] == "activate"
    minted.append(_mint(tmp_path))
    assert [key.state for key in handle_key_states(tmp_path)] == ["current", "retired"]
    assert [_opens(tmp_path, handle) for handle in minted] == ["her", "her", "her"]
    with pytest.raises(Refusal, match=r"keys\.too_early"):
        rotate_handle_keys(tmp_path, waits, now=NOW + timedelta(hours=4))
    assert rotate_handle_keys(tmp_path, waits, now=NOW + timedelta(hours=4, minutes=2))[0] == "retire"
    assert [_opens(tmp_path, handle) for handle in minted] == ["handle.forged", "handle.forged", "her"]


def test_a_single_handle_key_can_not_be_followed(tmp_path: Path) -> None:
    file = tmp_path / "handle.key"
    write_private_file(file, b"x" * 32)
    with pytest.raises(ConfigurationError) as raised:
        rotate_handle_keys(file, waits_of_handles(timedelta(hours=4)), now=NOW)
    assert raised.value.code == "handle.single_file"


def _mint(directory: Path) -> str:
    return mint(load_handle_keys([directory])[0], principal="her", requester="sp", expires=NOW + timedelta(days=1))


def _opens(directory: Path, handle: str) -> str:
    try:
        return open_handle(load_handle_keys([directory]), handle, requester="sp", now=NOW).principal
    except Refusal as error:
        return error.code
