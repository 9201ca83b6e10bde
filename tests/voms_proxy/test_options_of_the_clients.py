"""The options of the original clients: each is there, and does what it does there, or says why not."""

from pathlib import Path

import click
import pytest

from ostiary.clock import SystemClock
from ostiary.x509.proxy import included_in, read_proxy
from tests.voms.served import Site
from tests.voms_proxy.conftest import refused
from voms.proxy.commands import proxy_commands
from voms.proxy.options import options_of
from voms.proxy.report import serial_text

# What `-help` of the clients in C (2.1) and Java (3.3) lists.
OPTIONS = {
    "init": "help usage version debug quiet q verify pwstdin limited valid hours bits cert key certdir out voms order target vomslife "
    "include conf confile userconf vomses policy pl policy-language path-length globus proxyver noregen separate ignorewarn failonwarn "
    "list rfc old timeout includeac dont-verify-ac vomsdir dont_verify_ac enable_legacy_protocol path_length skip_hostname_checks "
    "skip_chain_integrity_checks b f k n r",
    "info": "help usage version debug file dont-verify-ac exists acexists conf included chain subject issuer identity type timeleft "
    "strength all text path vo fqan acsubject acissuer actimeleft serial uri keyusage valid hours bits targets e b p",
    "destroy": "help usage version debug file dry conf quiet q",
}


@pytest.mark.parametrize("command", sorted(OPTIONS))
def test_every_option_of_the_original_is_there_with_one_hyphen_and_two(command: str) -> None:
    made = proxy_commands(clock=SystemClock()).commands[command]
    known = {name for parameter in made.params if isinstance(parameter, click.Option) for name in parameter.opts}
    # Read from a file before anything else is looked at.
    known |= {"-conf", "--conf"}
    wanted = {f"{hyphens}{name}" for name in OPTIONS[command].split() for hyphens in ("-", "--")}
    assert wanted - known == set()


def test_options_are_taken_from_a_file(shared: Site) -> None:
    conf = shared.directory / "conf"
    conf.write_text(
        "# how the original writes it\n-voms=testvo\nvalid=2:00\n\n--order /testvo/g2 # one more way\n-limited\n"
    )
    assert shared.init("-conf", str(conf)).exit_code == 0
    assert shared.run("info", "-fqan").output.splitlines()[0] == "/testvo/g2/Role=NULL/Capability=NULL"
    assert shared.run("info", "-type").output == "RFC compliant limited proxy\n"
    assert 7_100 < int(shared.run("info", "-timeleft").output) <= 7_200
    assert options_of(conf) == ["-voms", "testvo", "-valid", "2:00", "--order", "/testvo/g2", "-limited"]


@pytest.mark.parametrize("content", ["-conf=other\n", 'voms="open\n', "\xff"])
def test_a_file_of_options_that_cannot_be_used_is_refused(shared: Site, content: str) -> None:
    conf = shared.directory / "conf"
    conf.write_bytes(content.encode("latin-1"))
    assert refused(shared.init("-conf", str(conf))).code == "voms.conf_file"
    assert refused(shared.init(f"--conf={shared.directory / 'none'}")).code == "voms.conf_file"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("-old",), "voms.old_proxy"),
        (("-proxyver", "3"), "voms.old_proxy"),
        (("-pl", "1.3.6.1.5.5.7.21.2"), "voms.proxy_policy"),
        (("-policy", "file"), "voms.proxy_policy"),
        (("-bits", "1024"), "voms.key_size"),
        (("-bits", "many"), "voms.key_size"),
        (("-vomslife", "soon"), "voms.duration"),
    ],
)
def test_what_is_not_made_any_more_is_refused_before_anybody_is_asked(
    shared: Site, options: tuple[str, ...], code: str
) -> None:
    result = shared.init("--voms", "testvo", *options)
    assert refused(result).code == code
    assert "Contacting" not in result.output
    assert not (shared.directory / "proxy").exists()


def test_what_changes_nothing_is_accepted(shared: Site) -> None:
    nothing = ("-rfc", "-globus", "45", "-proxyver", "4", "-pl", "1.3.6.1.5.5.7.21.1", "--enable_legacy_protocol")
    assert shared.init(*nothing).exit_code == 0
    assert shared.run("info", "-type").output == "RFC compliant proxy\n"


def test_a_limited_proxy_can_be_asked_for_by_its_language(shared: Site) -> None:
    assert shared.init("-pl", "1.3.6.1.4.1.3536.1.1.1.9").exit_code == 0
    assert shared.run("info", "-type").output == "RFC compliant limited proxy\n"


def test_a_key_can_be_as_that_of_the_certificate(shared: Site) -> None:
    assert shared.init("-bits", "0").exit_code == 0
    assert shared.run("info", "-strength").output == "256\n"


def test_the_attributes_may_last_as_long_as_the_vo_gives_them(shared: Site) -> None:
    assert shared.init("-voms", "testvo", "-vomslife", "0").exit_code == 0
    assert 86_300 < int(shared.run("info", "-actimeleft").output) <= 86_400
    assert shared.init("-voms", "testvo", "-vomslife", "1:00", "-hours", "3").exit_code == 0
    assert 3_500 < int(shared.run("info", "-actimeleft").output) <= 3_600
    assert 10_700 < int(shared.run("info", "-timeleft").output) <= 10_800


def test_an_older_way_to_write_a_role_orders_it(shared: Site) -> None:
    assert shared.init("-voms", "testvo:all", "-order", "/testvo/g1:admin").exit_code == 0
    assert shared.run("info", "-fqan").output.startswith("/testvo/g1/Role=admin/Capability=NULL\n")


def test_a_file_is_put_in_and_printed_again(shared: Site) -> None:
    path = shared.directory / "note"
    path.write_bytes(b"ticket 4711\x1b[2J\n")
    assert shared.init("-include", str(path)).exit_code == 0
    assert included_in(read_proxy(shared.directory / "proxy").certificate) == b"ticket 4711\x1b[2J\n"
    assert shared.run("info", "-included").output.splitlines()[-1] == "included  : ticket 4711\\u001b[2J"
    path.write_bytes(b"x" * 40_000)
    assert refused(shared.init("-include", str(path))).code == "voms.included_file"


def test_attribute_certificates_are_written_apart_and_put_in_again(shared: Site) -> None:
    apart = shared.directory / "apart"
    written = shared.init("-voms", "testvo", "-separate", str(apart))
    assert written.exit_code == 0, written.output
    assert f"Wrote ACs to {apart}" in written.output
    assert apart.stat().st_mode & 0o777 == 0o600
    assert not (shared.directory / "proxy").exists()
    assert shared.init("-includeac", str(apart)).exit_code == 0
    assert shared.run("info", "-vo").output == "testvo\n"
    apart.write_text("no certificate")
    assert refused(shared.init("-includeac", str(apart))).code == "voms.ac_file"


def test_an_attribute_certificate_of_somebody_else_is_not_written(shared: Site) -> None:
    apart = shared.directory / "apart"
    shared.init("-voms", "testvo", "-separate", str(apart))
    other = shared.grid.authority.issue(
        "/C=ZZ/O=HV Test/CN=Mallory", not_after=shared.grid.alice.certificate.not_valid_after_utc
    )
    assert refused(shared.init("-includeac", str(apart), who=other)).code == "x509.ac_holder"
    assert not (shared.directory / "proxy").exists()


def test_warnings_can_be_silenced_or_made_errors(shared: Site) -> None:
    assert "WARNING" not in shared.init("-voms", "testvo", "-valid", "48:00", "-ignorewarn").output
    (shared.directory / "proxy").unlink()
    problem = refused(shared.init("-voms", "testvo", "-valid", "48:00", "-failonwarn"))
    assert problem.code == "voms.warned"
    assert "shortened to 86400 seconds" in problem.found
    assert not (shared.directory / "proxy").exists()


def test_quiet_says_nothing_and_debug_names_the_files(shared: Site) -> None:
    assert shared.init("-voms", "testvo", "-quiet").output == ""
    shown = shared.init("-debug", "-verify").output
    assert f" Proxy certificate file : {shared.directory / 'proxy'}\n" in shown
    assert "verify OK\n" in shown


@pytest.mark.parametrize(("word", "meant"), [("-vom", "-voms"), ("--valdi", "--valid"), ("-qquiet", "-quiet")])
def test_a_misspelt_option_is_told_as_it_was_written(shared: Site, word: str, meant: str) -> None:
    result = shared.run("init", word, "x")
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 2
    assert f"No such option '{word}'" in result.output
    assert meant in result.output
    # What follows an option is its value, whatever it looks like.
    assert "No such option" not in shared.run("init", "-voms", "-vo", "-valid=x").output


def test_usage_is_another_word_for_help(shared: Site) -> None:
    assert "Make a proxy" in shared.run("init", "-usage").output


def test_facts_are_printed_in_the_order_of_the_original_whatever_that_of_the_options(shared: Site) -> None:
    shared.init("-voms", "testvo")
    shown = shared.run("info", "-fqan", "-vo", "-uri", "-strength", "-issuer").output.splitlines()
    assert shown[:4] == ["/C=ZZ/O=HV Test/CN=Alice Member", "256", "testvo", "localhost:15010"]
    assert shown[4] == "/testvo/Role=NULL/Capability=NULL"
    assert shared.run("info", "-keyusage").output.splitlines()[-1] == "key usage : Digital Signature"


def test_a_valid_proxy_has_time_and_strength(shared: Site) -> None:
    shared.init("-valid", "2:00")
    questions = {("-hours", "1"): 0, ("-hours", "3"): 1, ("-bits", "256"): 0, ("-bits", "2048"): 1}
    assert {asked: shared.run("info", "-exists", *asked).exit_code for asked in questions} == questions


def test_the_chain_is_printed_before_the_proxy(shared: Site) -> None:
    shared.init()
    shown = shared.run("info", "-chain").output
    head, _, tail = shown.partition("=== Proxy Information ===\n")
    assert head.startswith(
        "=== Proxy Chain Information ===\nsubject   : /C=ZZ/O=HV Test/CN=Alice Member\nissuer    : /C=ZZ/O=HV Test/CN=HV Test CA\n"
    )
    assert tail.startswith("subject   : /C=ZZ/O=HV Test/CN=Alice Member/CN=")


def test_the_certificate_is_printed_in_words(shared: Site) -> None:
    shared.init("-bits", "ec")
    text = shared.run("info", "-text").output
    assert "    Public Key: EC, secp256r1\n" in text
    assert "        1.3.6.1.5.5.7.1.14: critical\n" in text


def test_targets_are_printed(shared: Site, tmp_path: Path) -> None:
    assert shared.init("-voms", "testvo", "-target", "one.example.org,two.example.org").exit_code == 0
    assert shared.run("info", "-targets").output == "one.example.org\ntwo.example.org\n"


def test_serial_numbers_are_written_in_whole_octets() -> None:
    assert [serial_text(number) for number in (0x5, 0x577B, 0x1577B)] == ["05", "577B", "01577B"]
