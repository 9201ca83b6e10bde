"""The sources of one machine over time: refreshed, refused, copied, restarted; against a real server on loopback, with a moved clock."""

import gzip
import os
from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from ostiary.errors import ConfigurationError
from ostiary.federation.registry import SourceReport
from ostiary.federation.sources.living import all_is_well, metadata_status
from ostiary.saml.signature import sign
from ostiary.saml.xml import to_bytes
from tests.federation.entities import END, HOME, LIBRARY, aggregate
from tests.metadata_sources.servers_that_misbehave import Server, reply, serving
from tests.metadata_sources.trusting import Service, cached_for, certificate, homes, public_key, step
from tests.saml.world import IDP, NOW, SP, signer


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(reply(body=aggregate(), ETag='"1"')) as running:
        yield running


@pytest.fixture
def service(tmp_path: Path, server: Server) -> Service:
    return Service(tmp_path, [{"url": server.url, "trusted_certificates": [certificate(tmp_path)]}])


def only(service: Service) -> SourceReport:
    (report,) = metadata_status(service.settings(), service.clock.at)
    return report


def problem(service: Service) -> str | None:
    found = only(service).problem
    return found.code if found is not None else None


def test_what_is_fetched_is_trusted_and_reported(service: Service) -> None:
    metadata = service.open()
    registry = metadata.registry()
    assert registry.idp(IDP, NOW) is not None
    assert registry.sp(SP, NOW) is not None
    report = only(service)
    assert (report.kind, report.entities, report.identity_providers, report.service_providers) == ("url", 2, 1, 1)
    assert (report.last_success, report.last_attempt, report.problem) == (NOW, NOW, None)
    assert report.valid_until == END
    assert report.next_attempt is not None
    assert NOW + timedelta(hours=5) < report.next_attempt <= NOW + timedelta(hours=6)
    assert metadata.registry().sources == (report,)


def test_until_its_turn_nobody_asks_again(service: Service, server: Server) -> None:
    metadata = service.open()
    service.clock.forward(hours=5)
    step(metadata)
    assert len(server.asked) == 1


def test_an_unchanged_document_costs_one_conditional_request_and_no_new_registry(
    service: Service, server: Server
) -> None:
    metadata = service.open()
    before = metadata.registry()
    server.answer = reply("304 Not Modified")
    service.clock.forward(hours=6)
    step(metadata)
    assert 'If-None-Match: "1"' in server.asked[1]
    assert only(service).last_success == NOW + timedelta(hours=6)
    service.clock.forward(seconds=2)
    assert metadata.registry() is before
    assert metadata.registry().sources == (only(service),)


def test_a_server_without_conditions_is_no_reason_to_read_the_same_again(service: Service, server: Server) -> None:
    server.answer = reply(body=aggregate())
    metadata = service.open()
    service.told.clear()
    service.clock.forward(hours=6)
    step(metadata)
    assert len(server.asked) == 2
    assert (problem(service), service.told) == (None, [])


def test_a_changed_document_comes_into_force_for_every_process(service: Service, server: Server) -> None:
    one, other = service.open(), service.open()
    assert len(server.asked) == 1
    assert other.registry().get("https://idp-0.example/idp", NOW) is None
    server.answer = reply(body=aggregate(HOME, LIBRARY, *homes(1)), ETag='"2"')
    service.clock.forward(hours=6)
    step(one)
    service.clock.forward(seconds=2)
    for metadata in (one, other):
        assert metadata.registry().get("https://idp-0.example/idp", service.clock.at) is not None


BAD: dict[str, tuple[Any, str]] = {
    "broken": (lambda: reply(body=aggregate()[:-300]), "xml.not_well_formed"),
    "a page of words": (lambda: reply(body=b"<html><body>Maintenance</body></html>"), "metadata."),
    "unsigned": (lambda: reply(body=aggregate().replace(b"Signature", b"Signatore")), ""),
    "by another key": (lambda: reply(body=aggregate(by=signer("rsa", "somebody"))), "signature."),
    "expired": (lambda: reply(body=aggregate(until=NOW)), "metadata.expired"),
    "for ever": (lambda: reply(body=aggregate(until=NOW.replace(year=9999))), "metadata.valid_too_long"),
    "error": (lambda: reply("500 Oops"), "fetch.status"),
    "gone": (lambda: reply("404 Not Found"), "fetch.missing"),
    "a bomb": (lambda: reply(body=gzip.compress(bytes(2_000_000)), Content_Encoding="gzip"), "fetch.too_large"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_refresh_keeps_the_last_good_copy_and_raises_an_alarm(
    service: Service, server: Server, kind: str
) -> None:
    service.sources[0]["max_bytes"] = 1_000_000
    metadata = service.open()
    service.told.clear()
    answer, code = BAD[kind]
    server.answer = answer()
    service.clock.forward(hours=6)
    step(metadata)
    now = service.clock.forward(seconds=2)
    assert metadata.registry().idp(IDP, now) is not None
    (report,) = metadata.registry().sources
    assert report.problem is not None
    assert report.problem.code.startswith(code)
    assert report.last_success == NOW
    assert not all_is_well(metadata.reports(), now)
    # Once for each change, however often it is tried.
    service.clock.forward(hours=1)
    step(metadata)
    assert len(server.asked) == 3
    assert service.told == [(server.url, report.problem.code)]
    # And the end of it, too.
    server.answer = reply(body=aggregate(), ETag='"1"')
    service.clock.forward(hours=2)
    step(metadata)
    assert service.told[1:] == [(server.url, None)]
    assert all_is_well(metadata.reports(), service.clock.at)


def test_after_failures_it_is_tried_again_soon_and_then_less_often(service: Service, server: Server) -> None:
    metadata = service.open()
    server.answer = reply("500 Oops")
    service.clock.forward(hours=6)
    waits = []
    for _ in range(4):
        step(metadata)
        again = only(service).next_attempt
        assert again is not None
        waits.append((again - service.clock.at) / timedelta(minutes=1))
        service.clock.at = again
    assert all(full / 2 <= wait <= full for wait, full in zip(waits, (1, 2, 4, 8), strict=True))


def test_metadata_that_lost_more_than_half_of_its_entities_is_refused_unless_that_is_expected(
    service: Service, server: Server
) -> None:
    server.answer = reply(body=aggregate(*homes(8)))
    metadata = service.open()
    server.answer = reply(body=aggregate(*homes(3)))
    service.clock.forward(hours=6)
    step(metadata)
    assert problem(service) == "metadata.shrunk"
    assert len(metadata.registry()) == 8
    service.sources[0]["allow_shrinking"] = True
    metadata = service.open()
    service.clock.forward(hours=1)
    step(metadata)
    assert problem(service) is None
    service.clock.forward(seconds=2)
    assert len(metadata.registry()) == 3


def test_expired_metadata_is_not_trusted_and_somebody_is_told(service: Service, server: Server) -> None:
    metadata = service.open()
    server.answer = reply("304 Not Modified")
    service.clock.at = END
    assert metadata.registry().get(IDP, END) is None
    step(metadata)
    assert problem(service) == "metadata.expired"
    service.clock.forward(minutes=2)
    step(metadata)
    assert problem(service) == "metadata.expired"


def test_cache_duration_says_how_often(service: Service, server: Server) -> None:
    server.answer = reply(body=cached_for(timedelta(hours=2)))
    service.open()
    again = only(service).next_attempt
    assert again is not None
    assert timedelta(hours=1, minutes=47) < again - NOW <= timedelta(hours=2)


def test_a_restart_needs_no_network(service: Service, server: Server) -> None:
    service.open().close()
    server.answer = reply("500 Oops")
    metadata = service.open()
    assert metadata.registry().idp(IDP, NOW) is not None
    assert len(server.asked) == 1


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_lost_index_is_made_again_from_the_copy(service: Service, server: Server, damage: str) -> None:
    service.open().close()
    for file in (service.directory / "state").glob("index*"):
        if damage == "missing":
            file.unlink()
        else:
            file.write_bytes(b"not a database at all " * 1_000)
    server.answer = reply("500 Oops")
    assert service.open().registry().idp(IDP, NOW) is not None
    assert len(server.asked) == 1


def test_an_index_that_is_lost_while_the_service_runs_comes_back(service: Service, server: Server) -> None:
    metadata = service.open()
    for file in (service.directory / "state").glob("index*"):
        file.unlink()
    server.answer = reply("500 Oops")
    service.clock.forward(seconds=2)
    step(metadata)
    service.clock.forward(seconds=2)
    assert metadata.registry().idp(IDP, service.clock.at) is not None


def test_when_index_and_copy_are_of_no_use_the_source_is_asked_at_once(service: Service, server: Server) -> None:
    metadata = service.open()
    for file in (service.directory / "state").glob("index*"):
        file.unlink()
    for copy in (service.directory / "state" / "documents").glob("*.xml"):
        copy.write_bytes(b"<damaged")
    service.clock.forward(seconds=2)
    step(metadata)
    service.clock.forward(seconds=2)
    assert metadata.registry().idp(IDP, service.clock.at) is not None
    assert len(server.asked) == 2
    assert "If-None-Match" not in server.asked[1]


def test_a_server_that_renames_the_same_document_is_asked_by_the_new_name(service: Service, server: Server) -> None:
    body = aggregate()
    server.answer = reply(body=body, ETag='"1"')
    metadata = service.open()
    server.answer = reply(body=body, ETag='"2"')
    for _ in range(2):
        service.clock.forward(hours=6)
        step(metadata)
    assert 'If-None-Match: "2"' in server.asked[2]


def test_a_copy_is_verified_again_under_other_keys_and_filters(service: Service, server: Server) -> None:
    service.open().close()
    server.answer = reply("500 Oops")
    service.sources[0]["include"] = {"roles": ["sp"]}
    registry = service.open().registry()
    assert (registry.get(IDP, NOW), registry.sp(SP, NOW) is not None) == (None, True)
    service.sources[0]["trusted_certificates"] = [certificate(service.directory, "another")]
    with pytest.raises(ConfigurationError) as refused:
        service.open()
    assert refused.value.code == "metadata.no_copy"
    assert len(server.asked) == 2


def test_whoever_is_trusted_changes_keys_without_a_gap(service: Service, server: Server) -> None:
    keys = [certificate(service.directory), certificate(service.directory, "next")]
    service.sources[0]["trusted_certificates"] = keys
    metadata = service.open()
    server.answer = reply(body=aggregate(HOME, by=signer("rsa", "next")), ETag='"2"')
    service.clock.forward(hours=6)
    step(metadata)
    assert (problem(service), only(service).entities) == (None, 1)


def test_a_bare_public_key_is_enough(service: Service) -> None:
    del service.sources[0]["trusted_certificates"]
    service.sources[0]["trusted_keys"] = [public_key(service.directory)]
    assert service.open().registry().idp(IDP, NOW) is not None


def test_the_first_start_without_network_is_refused_in_words(service: Service, server: Server) -> None:
    server.answer = reply("500 Oops")
    with pytest.raises(ConfigurationError) as refused:
        service.open()
    assert (refused.value.code, refused.value.file) == ("metadata.no_copy", server.url)
    assert "HTTP 500" in refused.value.found


def test_the_first_start_without_network_can_be_allowed(service: Service, server: Server) -> None:
    server.answer = reply("500 Oops")
    service.sources[0]["may_be_missing_at_start"] = True
    metadata = service.open()
    assert (len(metadata.registry()), problem(service)) == (0, "fetch.status")
    server.answer = reply(body=aggregate())
    service.clock.forward(minutes=1)
    step(metadata)
    service.clock.forward(seconds=2)
    assert metadata.registry().idp(IDP, service.clock.at) is not None


def test_a_restart_after_the_copy_expired_starts_and_trusts_nothing_of_it(service: Service, server: Server) -> None:
    service.open().close()
    server.answer = reply("500 Oops")
    service.clock.at = END
    metadata = service.open()
    assert metadata.registry().get(IDP, END) is None
    step(metadata)
    assert problem(service) is not None


def test_a_large_document_is_read_in_a_process_of_its_own(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.federation.sources.upkeep.LARGE", 1_000)
    monkeypatch.setattr("ostiary.federation.sources.upkeep.index_document", None)
    assert service.open().registry().idp(IDP, NOW) is not None


def test_files_and_directories_are_kept_in_the_index_too(tmp_path: Path) -> None:
    directory = tmp_path / "partners"
    directory.mkdir()
    (directory / "b.xml").write_bytes(aggregate(*homes(1)))
    (tmp_path / "own.xml").write_bytes(aggregate(HOME, by=signer("rsa", "anybody")))
    trusted = [certificate(tmp_path)]
    service = Service(
        tmp_path,
        [
            {"file": "own.xml", "allow_unsigned_local_file": True},
            {"directory": "partners", "trusted_certificates": trusted},
        ],
    )
    metadata = service.open()
    assert [report.kind for report in metadata.reports()] == ["file", "directory"]
    assert len(metadata.registry()) == 2
    # A new file is found, a broken one is refused alone, and one that was taken away is forgotten.
    (directory / "a.xml").write_bytes(aggregate(LIBRARY))
    (tmp_path / "own.xml").write_bytes(b"<broken")
    later(metadata, service)
    assert metadata.registry().sp(SP, service.clock.at) is not None
    assert metadata.registry().idp(IDP, service.clock.at) is not None
    assert [report.problem.code if report.problem else None for report in metadata.reports()] == [
        "xml.not_well_formed",
        None,
        None,
    ]
    (directory / "a.xml").unlink()
    later(metadata, service)
    assert metadata.registry().sp(SP, service.clock.at) is None


def later(metadata: Any, service: Service) -> None:
    service.clock.forward(seconds=10)
    step(metadata)
    service.clock.forward(seconds=10)
    metadata.registry()


def test_a_file_that_vanished_keeps_its_last_copy(tmp_path: Path) -> None:
    (tmp_path / "own.xml").write_bytes(aggregate())
    service = Service(tmp_path, [{"file": "own.xml", "allow_unsigned_local_file": True}])
    metadata = service.open()
    (tmp_path / "own.xml").unlink()
    service.clock.forward(seconds=10)
    step(metadata)
    assert [report.problem.code for report in metadata.reports() if report.problem] == ["metadata.vanished"]
    assert metadata.registry().idp(IDP, service.clock.at) is not None


@pytest.mark.parametrize("state", ["state", None])
def test_the_first_source_counts_and_an_expired_statement_is_none(tmp_path: Path, state: str | None) -> None:
    (tmp_path / "own.xml").write_bytes(aggregate(HOME, until=NOW + timedelta(days=1)))
    (tmp_path / "all.xml").write_bytes(aggregate())
    trusted = [certificate(tmp_path)]
    files = [{"file": name, "trusted_certificates": trusted} for name in ("own.xml", "all.xml")]
    service = Service(tmp_path, files, state=state)
    metadata = service.open()
    found = metadata.registry().get(IDP, NOW)
    assert found is not None
    assert found.valid_until == NOW + timedelta(days=1)
    now = service.clock.forward(days=2)
    found = metadata.registry().get(IDP, now)
    assert found is not None
    assert found.valid_until == END
    assert {entity.entity_id for entity in metadata.registry().all(now)} == {IDP, SP}


def test_files_in_memory_keep_to_filters_and_limits_as_well(tmp_path: Path) -> None:
    (tmp_path / "all.xml").write_bytes(aggregate())
    chosen = {"include": {"roles": ["idp"]}, "scopes": ["northgate.example"], "maximum_validity": "15d"}
    source = {"file": "all.xml", "trusted_keys": [public_key(tmp_path)], **chosen}
    service = Service(tmp_path, [source], state=None)
    registry = service.open().registry()
    idp = registry.idp(IDP, NOW)
    assert idp is not None
    assert ([scope.value for scope in idp.scopes], registry.get(SP, NOW)) == (["northgate.example"], None)
    (report,) = registry.sources
    assert (report.entities, report.not_selected, report.scopes_dropped) == (1, 1, 1)
    source["maximum_validity"] = "13d"
    with pytest.raises(ConfigurationError, match=r"metadata\.valid_too_long"):
        service.open()


def test_scopes_beyond_the_limit_of_a_source_are_dropped_and_reported(service: Service) -> None:
    service.sources[0]["scopes"] = ["northgate.example"]
    idp = service.open().registry().idp(IDP, NOW)
    assert idp is not None
    assert [scope.value for scope in idp.scopes] == ["northgate.example"]
    assert only(service).scopes_dropped == 1


def test_a_member_that_can_not_be_read_keeps_no_source_with_limits_from_its_turn(
    service: Service, server: Server, tmp_path: Path
) -> None:
    document = etree.fromstring(aggregate())
    document.remove(document[0])
    odd = deepcopy(document[-1])
    odd.set("entityID", "https://odd.example/sp")
    odd.set("odd", "against the schema")
    document.append(odd)
    sign(document, signer("rsa", "federation"))
    server.answer = reply(body=to_bytes(document))
    service.sources[0]["scopes"] = ["northgate.example"]
    with serving(reply(body=aggregate(LIBRARY))) as second:
        service.sources.append({"url": second.url, "trusted_certificates": [certificate(tmp_path)]})
        metadata = service.open()
        service.clock.forward(hours=6)
        step(metadata)
        assert (len(server.asked), len(second.asked), service.complaints) == (2, 2, [])
    assert metadata_status(service.settings(), service.clock.at)[0].scopes_dropped == 1


def test_what_is_configured_no_more_is_forgotten_after_a_while(service: Service, server: Server) -> None:
    service.open().close()
    service.sources[0]["include"] = {"roles": ["sp"]}
    metadata = service.open()
    copies = service.directory / "state" / "documents"
    assert len(list(copies.glob("*.xml"))) == 2
    server.answer = reply("304 Not Modified")
    for record in (service.directory / "state" / "records").glob("*.json"):
        os.utime(record, (NOW.timestamp(), NOW.timestamp()))
    service.clock.forward(days=3)
    step(metadata)
    assert len(list(copies.glob("*.xml"))) == 1
    assert metadata.registry().sp(SP, service.clock.at) is not None
