"""Which server of a VO is asked, how often, and what is told when none answers."""

from pathlib import Path

import pytest

from ostiary.x509.attribute_certificate import read_attribute_certificate
from ostiary.x509.vomses import VomsServer
from tests.voms.served import Site
from tests.voms_proxy.conftest import Scripted, instead_of_first, refused
from tests.x509.authorities import root
from voms.proxy.client import Patience, Wanted, ask
from voms.proxy.credential import load_credential
from voms.proxy.exchange import Answer, make_client_context, read_answer
from voms.proxy.making import servers_of
from voms.proxy.progress import Unheard

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"
TROUBLE = (
    b"HTTP/1.1 500 Internal Server Error\r\n\r\n"
    b'<?xml version="1.0"?><voms><error><code>InternalError</code><message>no database</message></error></voms>'
)


def test_a_server_in_trouble_is_passed_over_for_the_next(shared: Site) -> None:
    with Scripted(shared, [TROUBLE]).serving() as port:
        instead_of_first(shared, port)
        made = shared.init("--voms", "testvo")
    assert made.exit_code == 0, made.output
    lines = [line for line in made.output.splitlines() if line.startswith("Contacting")]
    assert lines == [
        f'Contacting  localhost:{port} [/C=ZZ/O=HV Test/CN=localhost] "testvo" Failed (no database)',
        f'Contacting  localhost:{shared.listener.port} [/C=ZZ/O=HV Test/CN=localhost] "testvo" Done',
    ]


def test_a_server_that_hung_up_once_is_asked_again(shared: Site) -> None:
    credential = load_credential(*map(Path, shared.write(shared.grid.alice, "user")), str)
    context = make_client_context(credential, shared.grid.trust().certificates())
    pauses: list[float] = []
    with Scripted(shared, [None, HEAD + shared.grid.get("fqans=/testvo").body]).serving() as port:
        servers = [VomsServer("testvo", "localhost", port, "/C=ZZ/O=HV Test/CN=localhost", "testvo")]
        got = ask(servers, Wanted(("/testvo",)), context, Unheard(), Patience(5, 2, 7.5), wait=pauses.append)
    assert read_attribute_certificate(got.certificate).vo == "testvo"
    assert pauses == [7.5]


def test_the_trouble_of_the_only_server_is_told_in_its_words(shared: Site) -> None:
    with Scripted(shared, [TROUBLE]).serving() as port:
        vomses = shared.directory / "vomses"
        vomses.write_text(vomses.read_text().replace(str(shared.listener.port), str(port)))
        problem = refused(shared.init("--voms", "testvo", "--tries", "1"))
    assert (problem.code, problem.params["message"]) == ("voms.trouble", "no database")


def test_when_none_of_several_answers_each_is_told_with_its_reason(site: Site) -> None:
    with Scripted(site, [TROUBLE]).serving() as port:
        instead_of_first(site, port)
        site.listener.stop()
        problem = refused(site.init("--voms", "testvo", "--tries", "1"))
    site.listener.start()
    assert (problem.code, problem.params["count"]) == ("voms.no_answer", "2")
    first, second = problem.found.split("; ")
    assert first == f"localhost:{port}: no database"
    assert second.startswith("localhost:")
    assert "refused" in second


def test_a_server_with_anothers_name_is_not_asked_but_the_next_is(site: Site) -> None:
    line = (site.directory / "vomses").read_text()
    (site.directory / "vomses").write_text(line.replace("CN=localhost", "CN=somebody else") + line)
    made = site.init("--voms", "testvo")
    assert made.exit_code == 0, made.output
    assert "Failed (/C=ZZ/O=HV Test/CN=localhost)" in made.output
    assert site.grid.log.getvalue().count("vo_certificate_issued") == 1


def test_a_refusal_is_an_answer_and_no_other_server_is_asked(shared: Site) -> None:
    instead_of_first(shared, shared.listener.port)
    result = shared.init("--voms", "testvo:/testvo/nope")
    assert refused(result).code == "voms.answered"
    assert result.output.count("Contacting") == 1
    assert "Refused" in result.output


def test_a_server_of_an_untrusted_ca_is_told_apart_from_one_that_is_down(shared: Site) -> None:
    other = shared.directory / "other"
    other.mkdir()
    root("/C=ZZ/O=Elsewhere/CN=CA").install(other)
    problem = refused(shared.init("--voms", "testvo", "--certdir", str(other), "--tries", "1"))
    assert problem.code == "voms.untrusted_server"


def test_a_certificate_counts_even_with_status_500_as_the_original_sends_with_warnings(shared: Site) -> None:
    answer = shared.grid.get("fqans=/testvo").body
    with Scripted(shared, [HEAD.replace(b"200 OK", b"500 Internal Server Error") + answer]).serving() as port:
        vomses = shared.directory / "vomses"
        vomses.write_text(vomses.read_text().replace(str(shared.listener.port), str(port)))
        assert shared.init("--voms", "testvo", "--tries", "1").exit_code == 0


def test_a_line_that_stands_twice_is_one_server(shared: Site) -> None:
    line = (shared.directory / "vomses").read_text()
    (shared.directory / "vomses").write_text(line.replace(str(shared.listener.port), "1") * 2)
    result = shared.init("--voms", "testvo", "--tries", "1")
    assert refused(result).code == "voms.unreachable"
    assert result.output.count("Contacting") == 1


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nwhole", Answer(200, "", b"whole")),
        (
            b"HTTP/1.0 403 No\r\nContent-Type: text/xml\r\nContent-Length: 2\r\n\r\nokrest",
            Answer(403, "text/xml", b"ok"),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            Answer(200, "", b"abcde"),
        ),
    ],
)
def test_answers_are_read_however_their_length_is_told(data: bytes, expected: Answer) -> None:
    assert read_answer(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno end of the head",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_whole_answer_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_answer(data)


def test_servers_of_one_name_are_replicas_in_their_order() -> None:
    one, two = VomsServer("a", "h1", 1, "/CN=1", "vo"), VomsServer("a", "h2", 2, "/CN=2", "vo")
    assert servers_of("a", [one, VomsServer("b", "h3", 3, "/CN=3", "b"), two, one]) == (one, two)
