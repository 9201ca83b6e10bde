"""``ostiary metadata sign`` and ``ostiary metadata aggregate``."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from ostiary.command.cli import ostiary
from ostiary.errors import Refusal
from ostiary.federation.keys import load_key_ring
from ostiary.federation.publish.documents import signed_aggregate, unsigned_entity
from ostiary.federation.publish.signing import sign_document
from ostiary.federation.read import read_signed_metadata
from ostiary.saml.xml import METADATA, parse_xml
from tests.metadata_service.conftest import NOW, UPSTREAM, Service, home, resource

IDP1 = "https://idp1.example/saml"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(ostiary, ["metadata", *arguments])


@pytest.fixture
def present(tmp_path: Path) -> Service:
    """A service whose source is valid at the present time."""
    service = Service(tmp_path)
    service.write_source(home(1), home(2), resource(1), home(4), until=datetime.now(UTC) + timedelta(days=20))
    return service


def test_a_file_is_signed_with_an_end_and_keeps_what_it_says(tmp_path: Path, present: Service) -> None:
    (tmp_path / "in.xml").write_bytes(unsigned_entity(home(1)))
    out = tmp_path / "out.xml"
    keys = str(tmp_path / "keys")
    done = run(
        "sign",
        str(tmp_path / "in.xml"),
        "--keys",
        keys,
        "--out",
        str(out),
        "--valid-for",
        "3d",
        "--cache-duration",
        "1h",
    )
    assert done.exit_code == 0, done.output
    (entity,) = read_signed_metadata(out.read_bytes(), [present.signer().public], now=datetime.now(UTC))
    assert entity.entity_id == IDP1
    assert entity.valid_until is not None
    assert abs(entity.valid_until - datetime.now(UTC) - timedelta(days=3)) < timedelta(minutes=5)
    assert b'cacheDuration="PT1H"' in out.read_bytes()
    assert [path.name for path in tmp_path.glob("*out*")] == ["out.xml"]


def test_a_key_by_itself_signs_too_and_a_readable_one_does_not(tmp_path: Path, present: Service) -> None:
    (tmp_path / "in.xml").write_bytes(unsigned_entity(home(1)))
    key, certificate = tmp_path / "keys" / "current.key", tmp_path / "keys" / "current.crt"
    options = ["--key", str(key), "--certificate", str(certificate), "--out", str(tmp_path / "out.xml")]
    assert run("sign", str(tmp_path / "in.xml"), *options).exit_code == 0
    key.chmod(0o644)
    refused = run("sign", str(tmp_path / "in.xml"), *options)
    assert refused.exit_code != 0
    assert "config.private_file_mode" in refused.output
    assert run("sign", str(tmp_path / "in.xml"), "--out", str(tmp_path / "x")).exit_code == 2


def test_the_end_of_a_document_is_never_put_off() -> None:
    signed = signed_aggregate([home(1)], UPSTREAM, name="urn:x", valid_until=NOW + timedelta(days=2))
    again = sign_document(signed, UPSTREAM, now=NOW, valid_for=timedelta(days=7))
    assert (again.valid_until, again.own_end) == (NOW + timedelta(days=2), True)
    root = parse_xml(again.octets, METADATA)
    assert root.get("validUntil") == "2026-11-24T12:00:00.000Z"
    assert root.get("ID") != parse_xml(signed, METADATA).get("ID")
    shorter = sign_document(signed, UPSTREAM, now=NOW, valid_for=timedelta(days=1))
    assert (shorter.valid_until, shorter.own_end) == (NOW + timedelta(days=1), False)
    assert read_signed_metadata(shorter.octets, [UPSTREAM.public], now=NOW)


def test_what_has_ended_or_is_no_metadata_is_not_signed() -> None:
    ended = signed_aggregate([home(1)], UPSTREAM, name="urn:x", valid_until=NOW)
    inside = signed_aggregate(
        [home(1), home(2, valid_until=NOW - timedelta(days=1))], UPSTREAM, name="urn:x", valid_until=NOW + timedelta(1)
    )
    role = signed_aggregate([home(1, role_ends=NOW)], UPSTREAM, name="urn:x", valid_until=NOW + timedelta(1))
    wrong = unsigned_entity(home(1)).replace(b"SingleSignOnService", b"SingleSignOnServices")
    for octets, code in (
        (ended, "metadata.expired"),
        (inside, "publish.ended_inside"),
        (role, "publish.ended_inside"),
        (wrong, "xml.schema"),
        (b"<a/>", "metadata.root"),
        (b"<!DOCTYPE a><a/>", "xml.doctype"),
    ):
        with pytest.raises(Refusal) as refused:
            sign_document(octets, UPSTREAM, now=NOW, valid_for=timedelta(days=7))
        assert refused.value.code == code


def test_aggregate_publishes_what_the_service_serves(present: Service) -> None:
    done = run("aggregate", "--config", str(present.file))
    assert done.exit_code == 0, done.output
    present.clock.at = datetime.now(UTC)
    assert len(present.published()) == 4
    assert len(present.published("role/idp")) == 3
    assert present.get("/all.xml").status_code == 200
    # The service goes by the same records: nothing is due.
    before = present.get("/all.xml").headers["ETag"]
    present.publisher.publish_due()
    assert present.get("/all.xml").headers["ETag"] == before


def test_aggregate_writes_one_selection_into_a_file(present: Service) -> None:
    out = present.directory / "elsewhere" / "idp.xml"
    arguments = ["aggregate", "--config", str(present.file), "--selection", "role/idp", "--out", str(out)]
    assert run(*arguments).exit_code == 0
    signer = load_key_ring(present.directory / "keys").signer
    assert len(read_signed_metadata(out.read_bytes(), [signer.public], now=datetime.now(UTC))) == 3
    assert out.with_name("idp.xml.gz").exists()
    assert not (present.directory / "published").exists()
    before = out.read_bytes()
    present.write_source(home(1), until=datetime.now(UTC) + timedelta(days=20))
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "publish.shrunk" in refused.output
    assert out.read_bytes() == before
    assert run(*arguments, "--allow-shrinking").exit_code == 0
    assert out.read_bytes() != before


def test_aggregate_says_what_is_wrong(present: Service) -> None:
    unknown = run("aggregate", "--config", str(present.file), "--selection", "nobody")
    assert unknown.exit_code == 1
    assert "there are: all, role/idp" in unknown.output
    assert run("aggregate", "--config", str(present.file), "--out", "x.xml").exit_code == 2
    told = yaml.safe_load(present.file.read_text())
    told["selections"][0]["include"] = {"roles": ["aa"]}
    present.file.write_text(yaml.safe_dump(told))
    empty = run("aggregate", "--config", str(present.file))
    assert empty.exit_code == 1
    assert "publish.empty" in empty.output
    # The others are published all the same.
    assert (present.directory / "published" / "role" / "idp.xml").exists()
    assert not (present.directory / "published" / "all.xml").exists()
