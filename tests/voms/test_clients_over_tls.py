"""Our client against our service over real TLS, by the commands that people use; and who never gets as far as a request."""

import contextlib
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from sqlalchemy import Engine

from ostiary.clock import SystemClock
from ostiary.errors import OstiaryError
from ostiary.web.listener import make_context
from ostiary.x509.proxy import find_attribute_certificates, read_proxy
from tests.voms.served import Site, served_vo
from tests.x509.authorities import Identity, private_key, root
from voms.proxy.commands import proxy_commands


@pytest.fixture
def site(engine: Engine, tmp_path: Path) -> Iterator[Site]:
    with served_vo(engine, tmp_path) as served:
        yield served


def refused(result: Result) -> OstiaryError:
    if not isinstance(result.exception, OstiaryError):
        raise LookupError(f"no refusal: {result.output} {result.exception!r}")
    return result.exception


def test_init_makes_a_proxy_that_verify_accepts_info_prints_and_destroy_removes(site: Site) -> None:
    made = site.init("--voms", "testvo:/testvo/g1/Role=admin")
    assert made.exit_code == 0, made.output
    path = site.directory / "proxy"
    assert f"Created proxy in {path}." in made.output
    assert path.stat().st_mode & 0o777 == 0o600
    assert site.run("verify").output.startswith(
        "good: /C=ZZ/O=HV Test/CN=Alice Member; testvo: /testvo/g1/Role=admin, "
    )
    shown = site.run("info", "-all").output
    assert "=== VO testvo extension information ===" in shown
    assert "attribute : /testvo/g1/Role=admin/Capability=NULL\nattribute : /testvo/Role=NULL" in shown
    assert "attribute : nickname = alice (testvo)" in shown
    assert "type      : RFC compliant proxy" in shown
    data = json.loads(site.run("info", "--json").output)
    assert data["identity"] == "/C=ZZ/O=HV Test/CN=Alice Member"
    assert data["attribute_certificates"][0]["fqans"][0] == "/testvo/g1/Role=admin/Capability=NULL"
    assert site.run("destroy", "-dry").output == f"Would remove {path}\n"
    assert site.run("destroy").exit_code == 0
    assert not path.exists()
    assert refused(site.run("destroy")).code == "voms.no_proxy"


def test_single_facts_are_printed_alone(site: Site) -> None:
    site.init("--voms", "testvo")
    expected = {
        "-vo": "testvo\n",
        "-identity": "/C=ZZ/O=HV Test/CN=Alice Member\n",
        "-acissuer": "/C=ZZ/O=HV Test/CN=localhost\n",
        "-acsubject": "/C=ZZ/O=HV Test/CN=Alice Member\n",
        "-uri": "localhost:15010\n",
        "-strength": "256\n",
        "-type": "RFC compliant proxy\n",
        "-path": f"{site.directory / 'proxy'}\n",
    }
    assert {option: site.run("info", option).output for option in expected} == expected
    assert site.run("info", "-fqan").output.splitlines()[0] == "/testvo/Role=NULL/Capability=NULL"
    assert 43_000 < int(site.run("info", "-actimeleft").output) <= 43_200


def test_questions_are_answered_by_the_exit_status(site: Site) -> None:
    site.init("--voms", "testvo")
    statuses = {
        ("-exists",): 0,
        ("-exists", "-valid", "11:00"): 0,
        ("-exists", "-valid", "13:00"): 1,
        ("-acexists", "testvo"): 0,
        ("-acexists", "othervo"): 1,
    }
    assert {question: site.run("info", *question).exit_code for question in statuses} == statuses


def test_a_proxy_without_a_vo_needs_no_server(site: Site) -> None:
    (site.directory / "vomses").unlink()
    assert site.init("--valid", "1:30", "--limited").exit_code == 0
    assert "type      : RFC compliant limited proxy" in site.run("info").output
    assert 5_300 < int(site.run("info", "-timeleft").output) <= 5_400
    assert "no VO says anything" in site.run("verify").output


def test_a_warning_of_the_server_reaches_the_user(site: Site) -> None:
    made = site.init("--voms", "testvo", "--valid", "48:00")
    assert (
        "WARNING: localhost:15010: The validity of this VOMS AC in your proxy is shortened to 86400 seconds!"
        in made.output
    )


def test_a_proxy_made_from_a_proxy_speaks_for_the_same_holder(site: Site) -> None:
    site.init()
    made = site.run("init", "-noregen", "--bits", "ec", "--voms", "testvo", "-out", str(site.directory / "second"))
    assert made.exit_code == 0, made.output
    proxy = read_proxy(site.directory / "second")
    assert len(proxy.certificates) == 3
    assert len(find_attribute_certificates(proxy.certificates)) == 1
    assert site.run("verify", "-file", str(site.directory / "second")).exit_code == 0


def test_a_refusal_of_the_vo_is_told_in_its_words_and_leaves_no_file(site: Site) -> None:
    stranger = site.grid.authority.issue(
        "/C=ZZ/O=HV Test/CN=Nora", not_after=site.grid.alice.certificate.not_valid_after_utc
    )
    problem = refused(site.init("--voms", "testvo", who=stranger))
    assert (problem.code, problem.params["message"]) == ("voms.answered_unknown", "testvo: User unknown to this VO.")
    assert not (site.directory / "proxy").exists()


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ("othervo", "voms.no_server"),
        ("testvo:g1", "voms.wish"),
        (":/testvo", "voms.wish"),
        ("testvo:/testvo/nope", "voms.answered"),
    ],
)
def test_a_wish_that_nobody_can_fulfil_is_refused(site: Site, wish: str, code: str) -> None:
    assert refused(site.init("--voms", wish)).code == code


def test_a_server_that_is_not_the_one_of_the_vomses_file_is_not_told_anything(site: Site) -> None:
    vomses = site.directory / "vomses"
    vomses.write_text(vomses.read_text().replace("CN=localhost", "CN=somebody else"))
    assert refused(site.init("--voms", "testvo")).code == "voms.other_server"
    assert "vo_certificate_issued" not in site.grid.log.getvalue()


def test_a_server_that_is_down_is_passed_over_for_the_next(site: Site) -> None:
    vomses = site.directory / "vomses"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        down = unused.getsockname()[1]
        line = vomses.read_text()
        vomses.write_text(line.replace(str(site.listener.port), str(down)) + line)
        made = site.init("--voms", "testvo")
    assert made.exit_code == 0, made.output
    assert made.output.count("Contacting  localhost:") == 2


def test_every_server_down_says_so(site: Site) -> None:
    site.listener.stop()
    assert refused(site.init("--voms", "testvo", "--tries", "1")).code == "voms.unreachable"
    site.listener.start()


def test_what_the_vo_sent_is_checked_before_anything_is_written(site: Site) -> None:
    (site.directory / "vomsdir" / "testvo" / "localhost.lsc").write_text("/CN=another\n/CN=CA\n")
    assert refused(site.init("--voms", "testvo")).code == "x509.ac_lsc"
    assert not (site.directory / "proxy").exists()
    assert site.init("--voms", "testvo", "--dont-verify-ac").exit_code == 0
    assert refused(site.run("info", "-all")).code == "x509.ac_lsc"
    assert site.run("info", "-all", "-dont-verify-ac").exit_code == 0


def test_nothing_that_a_vo_says_reaches_the_terminal_as_a_command(site: Site) -> None:
    now = datetime.now(UTC)
    site.grid.vo.directory.set_attribute(
        "nickname", "\x1b[2J\x9b1m\nVO        : other", member=site.grid.vo.alice, at=now, by="operator"
    )
    assert site.init("--voms", "testvo").exit_code == 0
    shown = site.run("info", "-all").output
    assert "attribute : nickname = \\u001b[2J\\u009b1m\\u000aVO        : other (testvo)\n" in shown
    assert site.run("info", "--json").output.isascii()


def test_destroy_touches_nothing_but_an_ordinary_file_of_the_user(site: Site) -> None:
    path, precious = site.directory / "proxy", site.directory / "precious"
    precious.write_text("years of work")
    os.link(precious, path)
    assert refused(site.run("destroy")).code == "voms.no_proxy"
    path.unlink()
    os.symlink(precious, path)
    assert refused(site.run("destroy")).code == "voms.no_proxy"
    path.unlink()
    os.mkfifo(path)
    assert refused(site.run("destroy")).code == "voms.no_proxy"
    assert refused(site.run("init", "--noregen")).code == "config.private_file_unreadable"
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert refused(site.run("destroy")).code == "voms.no_proxy"
    finally:
        os.close(reader)
    assert precious.read_text() == "years of work"


def test_a_key_with_a_passphrase_is_asked_for_it(site: Site) -> None:
    certificate, key = site.write(site.grid.alice, "user")
    protected = site.grid.alice.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open sesame"),
    )
    Path(key).write_bytes(protected)
    arguments = ("init", "--bits", "ec", "--voms", "testvo", "--cert", certificate, "--key", key)
    made = site.run(*arguments, input="open sesame\n")
    assert made.exit_code == 0, made.output
    assert "open sesame" not in made.output
    assert refused(site.run(*arguments, input="guess\n")).code == "voms.passphrase"


def test_a_key_of_another_certificate_or_one_that_others_can_read_is_refused(site: Site) -> None:
    certificate, key = site.write(site.grid.alice, "user")
    os.chmod(key, 0o644)
    arguments = ("init", "--cert", certificate, "--key", key)
    assert refused(site.run(*arguments)).code == "config.private_file_mode"
    other = Identity(site.grid.alice.certificate, private_key("ec", "other"))
    _, wrong = site.write(other, "wrong")
    assert refused(site.run("init", "--cert", certificate, "--key", wrong)).code == "voms.credential"


@pytest.mark.parametrize("valid", ["0:00", "12", "1:75", "-1:00", "soon", "12:00:00"])
def test_a_lifetime_that_is_none_is_refused(site: Site, valid: str) -> None:
    assert refused(site.init("--valid", valid)).code == "voms.duration"


def test_no_one_of_an_unknown_ca_gets_as_far_as_a_request(site: Site) -> None:
    now = datetime.now(UTC)
    other = root("/C=ZZ/O=Nowhere/CN=Nowhere CA").issue(
        "/C=ZZ/O=HV Test/CN=Alice Member", not_before=now - timedelta(days=1), not_after=now + timedelta(days=1)
    )
    assert refused(site.init("--voms", "testvo", "--tries", "1", who=other)).code == "voms.refused_certificate"
    assert "vo_request_refused" not in site.grid.log.getvalue()


def test_the_c_clients_own_bytes_are_answered_with_the_connection_closed(site: Site) -> None:
    certificate, key = site.write(site.grid.alice, "user")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=b"".join(site.grid.trust().certificates()))
    context.load_cert_chain(certificate, key)
    with (
        socket.create_connection(("127.0.0.1", site.listener.port), timeout=10) as raw,
        context.wrap_socket(raw) as stream,
    ):
        stream.sendall(b"0")
        stream.sendall(
            b"GET /generate-ac?fqans=/testvo&lifetime=43200 HTTP/1.0\nUser-Agent: voms APIs 2.0\nAccept: */*\n"
            b"Host: localhost:15020\n\n"
        )
        answer = b"".join(iter(lambda: stream.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"<?xml" in answer
    assert b"chunked" not in answer.lower()


def test_the_options_of_the_original_client_exist_with_one_hyphen_and_two() -> None:
    group = proxy_commands(clock=SystemClock())
    expected = {"-voms", "-valid", "-hours", "-vomslife", "-order", "-target", "-limited", "-cert", "-key", "-noregen"}
    expected |= {"-out", "-certdir", "-vomsdir", "-vomses", "-dont-verify-ac", "-rfc", "-bits", "-pathlength", "-quiet"}
    options = {
        name
        for parameter in group.commands["init"].params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
    }
    assert expected <= options
    assert {f"-{name}" for name in expected} <= options


def test_the_certificate_in_the_proxy_is_the_one_that_was_registered(site: Site) -> None:
    site.init("--voms", "testvo")
    proxy = read_proxy(site.directory / "proxy")
    assert proxy.certificates[1] == x509.load_der_x509_certificate(site.grid.alice.ders[0])


def test_a_server_that_drips_its_answer_is_not_waited_for_without_end(site: Site) -> None:
    context = make_context(site.directory / "host.pem", site.directory / "host.key", site.grid.trust().certificates())
    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=(server, context))
        dripping.start()
        line = (site.directory / "vomses").read_text()
        (site.directory / "vomses").write_text(line.replace(str(site.listener.port), str(server.getsockname()[1])))
        problem = refused(site.init("--voms", "testvo", "--timeout", "0.6", "--tries", "1"))
        dripping.join()
    assert (problem.code, problem.found) == ("voms.unreachable", "the answer takes too long")


def drip(server: socket.socket, context: ssl.SSLContext) -> None:
    """One octet every tenth of a second, until the client has gone."""
    connection, _ = server.accept()
    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as stream:
        stream.recv(4096)
        for _ in range(100):
            stream.sendall(b"H")
            time.sleep(0.1)


def test_the_list_shows_everything_and_makes_no_proxy(site: Site) -> None:
    shown = site.init("--voms", "testvo", "--list")
    assert shown.exit_code == 0, shown.output
    assert shown.output.partition("Available attributes:\n")[2].splitlines() == [
        "/testvo/Role=NULL/Capability=NULL",
        "/testvo/g1/Role=NULL/Capability=NULL",
        "/testvo/g1/sub/Role=NULL/Capability=NULL",
        "/testvo/g2/Role=NULL/Capability=NULL",
        "/testvo/Role=pilot/Capability=NULL",
        "/testvo/g1/Role=admin/Capability=NULL",
    ]
    assert not (site.directory / "proxy").exists()


def test_a_suspended_member_reads_the_reason(site: Site) -> None:
    site.grid.vo.directory.suspend(site.grid.vo.alice, "lost her laptop", at=site.grid.clock.now(), by="operator")
    problem = refused(site.init("--voms", "testvo"))
    assert problem.code == "voms.answered_not_active"
    assert "lost her laptop" in problem.params["message"]
