"""The word of a web server in front: from whom it is believed, and what it may say."""

import re
from io import StringIO
from pathlib import Path

import pytest

from idp.login.front_end import FrontEndLogin
from idp.login.mapping import NameRule
from idp.login.methods import Arrival, Authenticated, NotOffered, Rejected
from ostiary.config import TrustedPeer, TrustedPeerSettings, WrongSetting, networks
from ostiary.errors import ConfigurationError
from tests.login.kits import NOW, filled_directory, home_of, told_to

SECRET = "0123456789abcdef-the-secret"
FRONT, STRANGER = "192.0.2.80", "198.51.100.1"


def login(
    peer: TrustedPeer, *, pattern: str = "(?P<name>.+)", name: str = "{name}", log: StringIO | None = None
) -> FrontEndLogin:
    rule = NameRule(re.compile(pattern), name)
    return FrontEndLogin("RemoteUser", peer, rule, home_of(filled_directory()), told_to(log or StringIO()))


def sent(user: str, *, peer: str = FRONT, client: str = "203.0.113.5", secret: str | None = None) -> Arrival:
    headers = {"remoteuser": user} if secret is None else {"remoteuser": user, "frontsecret": secret}
    return Arrival(peer=peer, client=client, headers=headers)


BY_ADDRESS = TrustedPeer(networks(("192.0.2.80", "2001:db8::/64")))
BY_SECRET = TrustedPeer((), "FrontSecret", SECRET.encode())
BY_BOTH = TrustedPeer(networks(("192.0.2.80",)), "FrontSecret", SECRET.encode())


@pytest.mark.parametrize(
    ("peer", "arrival", "believed"),
    [
        (BY_ADDRESS, sent("ada"), True),
        (BY_ADDRESS, sent("ada", peer="2001:db8::7"), True),
        (BY_ADDRESS, sent("ada", peer="::ffff:192.0.2.80"), True),
        (BY_ADDRESS, sent("ada", peer=STRANGER), False),
        (BY_ADDRESS, sent("ada", peer=STRANGER, client=FRONT), False),
        (BY_ADDRESS, sent("ada", peer=""), False),
        (BY_ADDRESS, sent("ada", peer="unix:"), False),
        (BY_SECRET, sent("ada", peer=STRANGER, secret=SECRET), True),
        (BY_SECRET, sent("ada", secret=SECRET + "x"), False),
        (BY_SECRET, sent("ada", secret=SECRET[:-1]), False),
        (BY_SECRET, sent("ada", secret=""), False),
        (BY_SECRET, sent("ada", secret="\xff"), False),
        (BY_SECRET, sent("ada"), False),
        (BY_BOTH, sent("ada", secret=SECRET), True),
        (BY_BOTH, sent("ada", peer=STRANGER, secret=SECRET), False),
        (BY_BOTH, sent("ada"), False),
        (TrustedPeer(), sent("ada"), False),
    ],
)
def test_who_is_believed(peer: TrustedPeer, arrival: Arrival, believed: bool) -> None:
    method = login(peer)
    assert method.is_at_once(arrival) is believed
    outcome = method.look(arrival, NOW)
    assert (outcome == Authenticated("id-of-ada")) is believed
    assert isinstance(outcome, NotOffered) is not believed


def test_a_header_from_a_stranger_is_told_once() -> None:
    log = StringIO()
    method = login(BY_ADDRESS, log=log)
    for number in range(3):
        method.look(sent("ada", peer=f"198.51.100.{number}"), NOW)
    assert log.getvalue().count("front_end_not_trusted") == 1
    assert "198.51.100.0" in log.getvalue()
    assert SECRET not in log.getvalue()


def test_names_are_read_as_utf_8() -> None:
    directory = filled_directory()
    directory.add("émile", entryUUID="id-of-emile")
    method = FrontEndLogin(
        "RemoteUser", BY_ADDRESS, NameRule(re.compile("(?P<name>.+)")), home_of(directory), told_to(StringIO())
    )
    assert method.look(sent("émile".encode().decode("latin-1")), NOW) == Authenticated("id-of-emile")


@pytest.mark.parametrize("user", ["ada@example.org", "ADA@example.org", " ada@example.org "])
def test_a_realm_may_be_taken_off(user: str) -> None:
    outcome = login(BY_ADDRESS, pattern=r"(?P<name>[A-Za-z]+)@example\.org").look(sent(user), NOW)
    assert outcome == Authenticated("id-of-ada")


@pytest.mark.parametrize("user", ["ada@other.org", "ada", "ada@example.org, bob@example.org", "ada,ada@example.org"])
def test_what_the_pattern_does_not_take_is_nobody(user: str) -> None:
    outcome = login(BY_ADDRESS, pattern=r"(?P<name>[a-z]+)@example\.org").look(sent(user), NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "foreign"


# Settings


def made(tmp_path: Path, **given: object) -> TrustedPeerSettings:
    return TrustedPeerSettings.model_validate(given, context={"directory": tmp_path})


def secret_file(tmp_path: Path, text: str = SECRET, mode: int = 0o600) -> Path:
    path = tmp_path / "front.secret"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_secret_is_read_from_a_private_file(tmp_path: Path) -> None:
    secret_file(tmp_path, SECRET + "\n")
    peer = made(tmp_path, secret_header="FrontSecret", secret_file="front.secret").open()
    assert peer == BY_SECRET


@pytest.mark.parametrize(
    ("text", "mode", "code"),
    [
        (SECRET, 0o644, "config.private_file_mode"),
        ("short", 0o600, "config.secret_file"),
        ("", 0o600, "config.secret_file"),
        ("é" * 20, 0o600, "config.secret_file"),
    ],
)
def test_a_secret_that_others_can_read_or_guess_is_refused(tmp_path: Path, text: str, mode: int, code: str) -> None:
    secret_file(tmp_path, text, mode)
    with pytest.raises(ConfigurationError) as caught:
        made(tmp_path, secret_header="FrontSecret", secret_file="front.secret").open()
    assert caught.value.code == code


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"secret_header": "FrontSecret"},
        {"addresses": ["192.0.2.80/24"]},
        {"addresses": ["front.example.org"]},
        {"addresses": ["10.0.0.1"], "secret_header": "Front-Secret", "secret_file": "front.secret"},
        {"addresses": ["10.0.0.1"], "secret_header": "Front_Secret", "secret_file": "front.secret"},
        {"addresses": ["10.0.0.1"], "secret_header": "Authorization", "secret_file": "front.secret"},
    ],
)
def test_settings_that_would_believe_everybody_or_can_be_imitated_are_refused(
    tmp_path: Path, given: dict[str, object]
) -> None:
    secret_file(tmp_path)
    with pytest.raises((ValueError, WrongSetting)):
        made(tmp_path, **given)
