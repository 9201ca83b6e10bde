"""``ostiary trace`` as it is typed, against a running demo."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ostiary.command.cli import ostiary
from tests.running_demo import RunningDemo


def trace(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(ostiary, ["trace", *arguments], input=typed, catch_exceptions=False)


def trusting(demo: RunningDemo) -> tuple[str, ...]:
    federation = demo.state / "federation"
    return ("--metadata", str(federation / "metadata.xml"), "--certificate", str(federation / "keys" / "current.crt"))


def private(path: Path, content: str) -> str:
    path.write_text(content)
    path.chmod(0o600)
    return str(path)


def test_the_library_is_reached_and_every_message_of_all_four_verifies(demo: RunningDemo) -> None:
    told = trace(demo.ready["sp"][0]["url"], "--user", "alice", "--demo", str(demo.state), "--json")
    assert told.exit_code == 0, told.output
    report = json.loads(told.stdout)
    assert report["verified"] is True
    assert report["outcome"]["reached"] is True
    messages = [hop["message"] for hop in report["hops"] if hop["message"]] + report["back_channel"]["messages"]
    assert [message["kind"] for message in messages] == ["AuthnRequest", "Response", "AttributeQuery", "Response"]
    assert {check["outcome"] for message in messages for check in message["checks"]} == {"good", "note"}
    assert report["back_channel"]["attributes"] == {
        "eduPersonScopedAffiliation": ["member@northgate.example", "staff@northgate.example"]
    }


def test_the_instrument_is_reached_with_pushed_attributes(demo: RunningDemo) -> None:
    told = trace(demo.ready["sp"][1]["url"], "--user", "alice", "--demo", str(demo.state))
    assert told.exit_code == 0
    assert "The attributes came along with the Response" in told.stdout
    assert "\x1b" not in told.stdout


def test_whoever_is_refused_reads_why_and_the_status_says_so(demo: RunningDemo) -> None:
    told = trace(demo.ready["sp"][1]["url"], "--user", "bob", "--demo", str(demo.state))
    assert told.exit_code == 1
    assert "Refused with HTTP 403. The page says:" in told.stdout
    assert "The instrument is for people whom the laboratory has admitted as operators" in told.stdout
    number = told.stdout.rpartition("Reference number: ")[2].strip()
    assert number in (demo.state / "logs" / "instrument.log").read_text()


@pytest.mark.parametrize("typed", [True, False])
def test_a_wrong_password_ends_with_status_1_and_is_not_printed(demo: RunningDemo, tmp_path: Path, typed: bool) -> None:
    file = () if typed else ("--password-file", private(tmp_path / "password", "guess-of-mine\n"))
    url, home = demo.ready["sp"][0]["url"], demo.ready["idp"][0]["entity_id"]
    told = trace(
        url, "--user", "alice", "--home", home, *trusting(demo), *file, typed="guess-of-mine\n" if typed else None
    )
    assert told.exit_code == 1
    assert "That user name and password do not go together." in told.stdout
    assert "guess-of-mine" not in told.output
    assert ("Password of alice at localhost:" in told.stderr) is typed


def test_outside_a_demo_metadata_and_the_resources_own_file_serve_as_well(demo: RunningDemo, tmp_path: Path) -> None:
    password = private(tmp_path / "password", "alice-opens-doors\r\nsecond line")
    resource = str(demo.state / "library" / "sp.yaml")
    url, home = demo.ready["sp"][0]["url"], demo.ready["idp"][0]["entity_id"]
    told = trace(
        url,
        "--user",
        "alice",
        "--home",
        home,
        "--password-file",
        password,
        "--resource",
        resource,
        "--save",
        str(tmp_path / "saved"),
    )
    assert told.exit_code == 0, told.output
    assert "Behind the browser's back: https://library.example/shar asks https://northgate.example/idp" in told.stdout
    assert len(list((tmp_path / "saved").glob("*.xml"))) == 4


def test_a_password_file_that_others_can_read_is_refused(demo: RunningDemo, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("alice-opens-doors\n")
    (tmp_path / "password").chmod(0o644)
    told = trace(demo.ready["sp"][0]["url"], "--user", "alice", "--password-file", str(tmp_path / "password"))
    assert told.exit_code == 1
    assert "config.private_file_mode" in told.stderr


def test_nobody_vouches_for_a_host_without_metadata(demo: RunningDemo, tmp_path: Path) -> None:
    password = private(tmp_path / "password", "alice-opens-doors\n")
    url, home = demo.ready["sp"][0]["url"], demo.ready["idp"][0]["entity_id"]
    told = trace(url, "--user", "alice", "--home", home, "--password-file", password)
    assert told.exit_code == 1
    assert "Nobody vouches that the password belongs to localhost." in told.stderr
    told = trace(url, "--user", "alice", "--home", home, "--password-file", password, "--login-at", "localhost")
    assert told.exit_code == 0
    assert "Nothing was verified" in told.stdout


def test_an_error_on_the_way_stands_in_the_report_too(demo: RunningDemo) -> None:
    told = trace(demo.ready["sp"][0]["url"], "--user", "alice", "--json", "--home", "https://nowhere.example/idp")
    assert told.exit_code == 1
    report = json.loads(told.stdout)
    assert report["outcome"] is None
    assert report["error"]["code"] == "trace.home_unknown"
    assert report["error"]["message"] == "The discovery service does not offer https://nowhere.example/idp."
    assert len(report["hops"]) == 3


def test_options_that_do_not_go_together_are_refused_before_anything_is_asked(demo: RunningDemo) -> None:
    aggregate = str(demo.state / "federation" / "metadata.xml")
    for options in (("--metadata", aggregate), ("--demo", str(demo.state), "--resource", aggregate)):
        told = trace("http://127.0.0.1:1/", "--user", "alice", *options)
        assert told.exit_code == 1
        assert "trace.options" in told.stderr


def test_a_demo_knows_only_its_own_people_and_its_own_directory(demo: RunningDemo, tmp_path: Path) -> None:
    told = trace(demo.ready["sp"][0]["url"], "--user", "mallory", "--demo", str(demo.state))
    assert (told.exit_code, "demo.no_such_person" in told.stderr) == (1, True)
    told = trace(demo.ready["sp"][0]["url"], "--user", "alice", "--demo", str(tmp_path))
    assert (told.exit_code, "demo.no_state" in told.stderr) == (1, True)
