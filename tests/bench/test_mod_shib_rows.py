"""What `make bench` writes beside our rows about mod_shib, and when it writes that there is no figure. The real one: tests/interop."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from bench import mod_shib
from bench.measure import Row, cpu_milliseconds
from bench.mod_shib import Answer, RefusedResponse, attribute_map, measure_mod_shib, must_refuse_and_accept
from bench.resource import beside, headers
from bench.saml_messages import make_home
from bench.served import cpu_clock
from ostiary.saml import names
from ostiary.saml.xml import parse_xml, qname
from tests.saml.world import NOW


class Accepting:
    """Begins a session for every Response but those with these signatures broken."""

    def __init__(self, *refused: int | None) -> None:
        self.refused = refused

    def answered(self, *, broken: int | None = None) -> Answer:
        return Answer("", str(broken).encode())

    def deliver(self, answer: Answer) -> str:
        if answer.form in [str(one).encode() for one in self.refused]:
            raise RefusedResponse("a Response was answered 500")
        return "_shibsession_1=2"


class Failing:
    """In place of Apache and shibd."""

    did: list[str]

    def __init__(self, port: int) -> None:
        Failing.did = []

    def stop(self) -> None:
        self.did.append("stopped")

    def remove(self) -> None:
        self.did.append("removed")


def nobody(cookies: str) -> dict[str, str]:
    return {}


def test_without_mod_shib_the_rows_say_what_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mod_shib, "missing", lambda: ["/usr/sbin/shibd", "/nowhere/mod_shib.so"])
    found = measure_mod_shib(make_home(NOW), tmp_path / "idp.xml", nobody, quick=True)
    assert found == dict.fromkeys(("request", "acceptance"), "/usr/sbin/shibd is not installed")


def test_a_start_that_fails_is_the_reason_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(server: Failing, metadata: Path) -> None:
        raise RuntimeError("the Shibboleth SP did not start:\nall its logs")

    monkeypatch.setattr(mod_shib, "missing", list)
    monkeypatch.setattr(mod_shib, "ShibbolethServer", Failing)
    monkeypatch.setattr(mod_shib, "_start", fail)
    found = measure_mod_shib(make_home(NOW), tmp_path / "idp.xml", nobody, quick=True)
    reason = "RuntimeError: the Shibboleth SP did not start:"
    assert found == {"request": reason, "acceptance": reason}
    assert Failing.did == ["stopped", "removed"]
    assert "all its logs" in capsys.readouterr().err


@pytest.mark.parametrize("refused", [(), (0,), (1,)], ids=["neither", "only the Response's", "only the assertion's"])
def test_a_peer_that_looks_at_less_than_both_signatures_is_not_measured(refused: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError, match="it accepts a Response with a broken signature"):
        must_refuse_and_accept(Accepting(*refused))


def test_a_peer_that_refuses_everything_is_not_measured() -> None:
    must_refuse_and_accept(Accepting(0, 1))
    with pytest.raises(RefusedResponse):
        must_refuse_and_accept(Accepting(0, 1, None))


def test_each_row_has_the_figure_for_its_own_task() -> None:
    rows = [
        Row("Request with a session in memory: more than without", 20.0, "us CPU", 40.0, 1.0),
        Row("Request with a session in Valkey: more than without", 90.0, "us CPU", 250.0, 1.0),
        Row("100,000 sessions in memory", 120.0, "MB", 150.0, 1.0),
        Row("A whole acceptance: ACS, ticket, session", 1.5, "ms CPU", 6.4, 1.0),
    ]
    peers = [row.peers for row in beside(rows, {"request": 280.0, "acceptance": "it is not installed"})]
    assert peers == [{"mod_shib": 280.0}, {"mod_shib": 280.0}, {}, {"mod_shib": "it is not installed"}]


def test_it_reads_the_same_eight_attributes_and_the_scopes_of_two() -> None:
    found = etree.fromstring(attribute_map())
    assert [(one.get("name"), one.get("id"), len(one)) for one in found] == [
        ("urn:oid:2.16.840.1.113730.3.1.241", "displayName", 0),
        ("urn:oid:2.5.4.42", "givenName", 0),
        ("urn:oid:2.5.4.4", "sn", 0),
        ("urn:oid:0.9.2342.19200300.100.1.3", "mail", 0),
        ("urn:oid:1.3.6.1.4.1.5923.1.1.1.6", "eppn", 1),
        ("urn:oid:1.3.6.1.4.1.5923.1.1.1.9", "affiliation", 1),
        ("urn:oid:1.3.6.1.4.1.5923.1.1.1.7", "entitlement", 0),
        ("urn:oid:1.3.6.1.4.1.25178.1.2.9", "schacHomeOrganization", 0),
    ]


def test_it_is_sent_what_our_own_row_is_sent_but_the_host() -> None:
    found = headers("_shibsession_1=2")
    assert len(found) == 13
    assert found["Sec-Fetch-Mode"] == "navigate"
    assert found["Cookie"].split("; ")[2:] == ["_shibsession_1=2", "lang=de"]
    assert "Host" not in found


def test_a_home_answers_whom_it_is_told() -> None:
    home = replace(make_home(NOW), sp="https://sp.example/shibboleth", acs="https://sp.example/acs", request="_asked")
    response = parse_xml(replace(home, handle="somebody").build())
    assert (response.get("Destination"), response.get("InResponseTo")) == ("https://sp.example/acs", "_asked")
    [name_id] = response.iter(qname(names.SAML, "NameID"))
    assert (name_id.text, name_id.get("SPNameQualifier")) == ("somebody", "https://sp.example/shibboleth")
    [confirmed] = response.iter(qname(names.SAML, "SubjectConfirmationData"))
    assert (confirmed.get("Recipient"), confirmed.get("InResponseTo")) == ("https://sp.example/acs", "_asked")
    assert [one.text for one in response.iter(qname(names.SAML, "Audience"))] == ["https://sp.example/shibboleth"]


def test_the_clock_of_a_process_by_its_id_is_its_cpu_time() -> None:
    before = time.process_time()
    at = time.clock_gettime(cpu_clock(os.getpid()))
    assert before <= at <= time.process_time()


def test_a_task_is_measured_by_the_clock_that_is_told() -> None:
    seconds = iter((0.0, 0.3, 1.0, 1.2))
    best = cpu_milliseconds({"a": lambda: None}, rounds=2, loops=4, clock=lambda: next(seconds))
    assert best["a"] == pytest.approx(50.0)
