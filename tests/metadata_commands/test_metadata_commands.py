"""``ostiary metadata``: what it says of documents, how it refuses, and that nothing is trusted silently."""

import hashlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ostiary.clock import SystemClock
from ostiary.command.cli import ostiary
from ostiary.command.metadata.options import speaker
from ostiary.command.metadata.status import show_report
from ostiary.errors import Refusal
from ostiary.federation.keys import create_key_ring
from ostiary.federation.model import Entity
from ostiary.federation.publish.documents import signed_aggregate
from ostiary.federation.registry import SourceReport
from ostiary.saml import names
from ostiary.saml.keys import Signer
from tests.federation.entities import HOME, LIBRARY
from tests.metadata_validation.descriptors import IDP, SP, changed
from tests.saml.world import IDP as HOME_ID
from tests.saml.world import SP as LIBRARY_ID
from tests.saml.world import signer

BY = signer("rsa", "federation")
FINGERPRINT = hashlib.sha256(BY.certificate).hexdigest()


def run(*arguments: object, **more: object) -> Result:
    return CliRunner().invoke(ostiary, ["metadata", *map(str, arguments)], catch_exceptions=False, **more)


def aggregate(*entities: Entity, by: Signer = BY, days: float = 7) -> bytes:
    until = SystemClock().now() + timedelta(days=days)
    return signed_aggregate(entities or (HOME, LIBRARY), by, name="https://federation.example", valid_until=until)


def pem(by: Signer) -> bytes:
    return x509.load_der_x509_certificate(by.certificate).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "federation.xml"
    path.write_bytes(aggregate())
    return path


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "federation.crt"
    path.write_bytes(pem(BY))
    return path


@pytest.fixture
def service(tmp_path: Path, document: Path, certificate: Path) -> Path:
    """A configuration of a service that trusts the document."""
    create_key_ring(tmp_path / "keys", "wayf", now=datetime.now(tz=SystemClock().now().tzinfo))
    config = tmp_path / "wayf.yaml"
    source = {"file": document.name, "trusted_certificates": [certificate.name]}
    config.write_text(yaml.safe_dump({"trust": {"keys": "keys", "metadata": [source]}}))
    return config


class Server:
    """Answers with what it holds."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/samlmetadata+xml")
                self.send_header("Content-Length", str(len(outer.content)))
                self.end_headers()
                self.wfile.write(outer.content)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/metadata.xml"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(aggregate())
    thread = threading.Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join()


# verify


def test_verify_tells_who_signed_until_when_and_how_much(document: Path, certificate: Path) -> None:
    found = run("verify", document, "--certificate", certificate)
    assert found.exit_code == 0
    told = {
        line.split("  ")[1]: line.split("  ", 2)[2].strip() for line in found.output.splitlines() if line[:2] == "  "
    }
    assert told["signed by"] == "CN=idp.northgate.example"
    assert told["certificate SHA-256"].replace(":", "").lower() == FINGERPRINT
    assert told["valid until"].endswith("(in 6 days)")
    assert told["entities"] == "2 (1 IdP, 1 SP, 1 AA)"
    assert found.output.splitlines()[-1] == "2 entities; signature and dates are good."


def test_verify_takes_a_fingerprint_however_it_is_grouped(document: Path) -> None:
    pairs = ":".join(FINGERPRINT.upper()[at : at + 2] for at in range(0, 64, 2))
    assert run("verify", document, "--fingerprint", pairs).exit_code == 0
    assert run("verify", document, "--fingerprint", FINGERPRINT).exit_code == 0


def test_verify_refuses_another_fingerprint_and_tells_both(document: Path) -> None:
    other = "ab" * 32
    refused = run("verify", document, "--fingerprint", other)
    assert refused.exit_code == 1
    assert "metadata.other_fingerprint" in refused.stderr
    assert FINGERPRINT in refused.stderr
    assert other in refused.stderr


def test_verify_refuses_what_is_no_fingerprint(document: Path) -> None:
    refused = run("verify", document, "--fingerprint", "1234")
    assert (refused.exit_code, "metadata.fingerprint" in refused.stderr) == (1, True)


def test_verify_without_any_key_verifies_nothing(document: Path) -> None:
    refused = run("verify", document)
    assert (refused.exit_code, "metadata.no_key" in refused.stderr, refused.stdout) == (1, True, "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace(b"/sso", b"/evil"), "signature.wrong"),
        (lambda text: text[: text.index(b"<ds:Signature")] + text[text.index(b"</ds:Signature>") + 15 :], "signature.missing"),
        (lambda text: text[:-30], "xml.not_well_formed"),
        (lambda text: b"<!DOCTYPE x []>" + text, "xml.doctype"),
        (lambda text: aggregate(days=-1), "metadata.expired"),
        (lambda text: aggregate(by=signer("p256", "sp")), "signature.wrong"),
    ],
)  # fmt: skip
def test_verify_refuses_with_the_file_and_the_reason(
    document: Path, certificate: Path, change: object, reason: str
) -> None:
    document.write_bytes(change(document.read_bytes()))
    refused = run("verify", document, "--certificate", certificate)
    assert refused.exit_code == 1
    assert str(document) in refused.stderr
    assert reason in refused.stderr


# fetch


def test_fetch_without_a_key_shows_the_certificate_and_writes_nothing(server: Server, tmp_path: Path) -> None:
    output = tmp_path / "new.xml"
    shown = run("fetch", server.url, "--output", output)
    assert shown.exit_code == 3
    assert FINGERPRINT in shown.output.replace(":", "").lower()
    assert "Nothing was written" in shown.output
    assert not output.exists()


def test_fetch_without_a_key_saves_the_certificate_where_asked(server: Server, tmp_path: Path) -> None:
    saved = tmp_path / "found.crt"
    run("fetch", server.url, "--save-certificate", saved)
    assert saved.read_bytes() == pem(BY)
    again = run("fetch", server.url, "--certificate", saved, "--output", tmp_path / "new.xml")
    assert again.exit_code == 0


def test_fetch_with_a_key_writes_what_came(server: Server, certificate: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.xml"
    written = run("fetch", server.url, "--certificate", certificate, "--output", output)
    assert written.exit_code == 0
    assert output.read_bytes() == server.content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["federation.crt", "new.xml"]


def test_fetch_tells_what_changes_in_the_file(server: Server, certificate: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.xml"
    output.write_bytes(aggregate(HOME))
    written = run("fetch", server.url, "--certificate", certificate, "--output", output)
    assert f"  + {LIBRARY_ID}" in written.output
    assert HOME_ID not in written.output


def test_fetch_refuses_what_is_signed_by_another_and_leaves_the_file(
    server: Server, certificate: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new.xml"
    output.write_bytes(b"before")
    server.content = aggregate(by=signer("p256", "sp"))
    refused = run("fetch", server.url, "--certificate", certificate, "--output", output)
    assert (refused.exit_code, "signature.wrong" in refused.stderr) == (1, True)
    assert output.read_bytes() == b"before"


def test_fetch_refuses_to_lose_more_than_half_unless_told(server: Server, certificate: Path, tmp_path: Path) -> None:
    others = [Entity(f"https://sp{number}.example", sp=LIBRARY.sp) for number in range(3)]
    output = tmp_path / "new.xml"
    before = aggregate(*others)
    output.write_bytes(before)
    server.content = aggregate(HOME)
    refused = run("fetch", server.url, "--certificate", certificate, "--output", output)
    assert (refused.exit_code, "metadata.lost_half" in refused.stderr, output.read_bytes()) == (1, True, before)
    assert (
        run("fetch", server.url, "--certificate", certificate, "--output", output, "--allow-shrinking").exit_code == 0
    )
    assert output.read_bytes() == server.content


def test_fetch_takes_keys_and_limits_from_a_configuration(server: Server, service: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(service.read_text())
    content["trust"] |= {
        "state": "state",
        "metadata": [{"url": server.url, "trusted_certificates": ["federation.crt"]}],
    }
    service.write_text(yaml.safe_dump(content))
    output = tmp_path / "new.xml"
    assert run("fetch", "--config", service, "--output", output).exit_code == 0
    assert output.read_bytes() == server.content
    server.content = aggregate(days=60)
    refused = run("fetch", "--config", service, "--output", output)
    assert (refused.exit_code, "metadata.valid_too_long" in refused.stderr) == (1, True)


def test_fetch_over_http_from_elsewhere_needs_its_option(tmp_path: Path) -> None:
    refused = run("fetch", "http://federation.example/metadata.xml", "--fingerprint", FINGERPRINT)
    assert (refused.exit_code, "fetch.address" in refused.stderr) == (1, True)


# show


def test_show_tells_everything_of_an_identity_provider(document: Path, certificate: Path) -> None:
    shown = run("show", "--file", document, HOME_ID, "--certificate", certificate)
    assert shown.exit_code == 0
    lines = [" ".join(line.split()) for line in shown.output.splitlines()]
    for line in (
        "Northgate University",
        "roles IdP, AA",
        "name (de) Universität Nordtor",
        "registered by https://federation.example",
        "scope northgate.example",
        r"scope ^.+\.northgate\.example$ (regular expression)",
        "page for errors https://northgate.example/help",
        "SingleSignOnService HTTP-Redirect",
        f"{HOME_ID}/sso",
        "for signing, RSA 2048",
        "CN=idp.northgate.example, 2001-01-01 to 2002-01-01 (told only: a certificate just carries its key)",
        "technical contact Help Desk, help@northgate.example",
    ):
        assert line in lines
    assert shown.stderr == ""


def test_show_tells_what_a_service_provider_asks_for(document: Path) -> None:
    shown = run("show", "--file", document, LIBRARY_ID)
    lines = [line.strip() for line in shown.stdout.splitlines()]
    assert "Asks for (Library, index 0)" in lines
    assert "eduPersonScopedAffiliation (required)" in lines
    assert "DiscoveryResponse 0  idp-discovery-protocol" in lines


def test_show_says_when_nobody_looked_at_the_signature(document: Path) -> None:
    shown = run("show", "--file", document, HOME_ID)
    assert shown.exit_code == 0
    assert shown.stderr.startswith("The signature was not looked at")


def test_show_gives_json_and_xml(document: Path, certificate: Path) -> None:
    data = json.loads(run("show", "--file", document, HOME_ID, "--json", "--certificate", certificate).stdout)
    assert data["roles"]["IdP"]["scopes"][0] == {"scope": "northgate.example", "regexp": False}
    assert data["roles"]["IdP"]["keys"][0]["certificate"]["not_after"] == "2002-01-01T00:00:00+00:00"
    assert run("show", "--file", document, HOME_ID, "--xml").stdout.startswith("<md:EntityDescriptor")


def test_show_of_a_document_of_one_entity_needs_no_name(tmp_path: Path) -> None:
    path = tmp_path / "sp.xml"
    path.write_text(SP)
    assert run("show", "--file", path).stdout.startswith("Library\n")
    assert run("show", "--file", "-", input=SP.encode()).stdout.startswith("Library\n")


def test_show_suggests_what_is_like_it(document: Path) -> None:
    refused = run("show", "--file", document, "northgate")
    assert (refused.exit_code, "metadata.unknown_entity" in refused.stderr, HOME_ID in refused.stderr) == (
        1,
        True,
        True,
    )


@pytest.mark.parametrize("arguments", [(), ("--file", "FILE", "--config", "CONFIG")], ids=["neither", "both"])
def test_show_needs_one_place_to_look(document: Path, service: Path, arguments: tuple[str, ...]) -> None:
    places = {"FILE": str(document), "CONFIG": str(service)}
    refused = run("show", HOME_ID, *(places.get(one, one) for one in arguments))
    assert (refused.exit_code, "metadata.where" in refused.stderr) == (1, True)


def test_show_looks_into_what_a_service_believes(service: Path) -> None:
    shown = run("show", "--config", service, HOME_ID)
    assert (shown.exit_code, shown.stdout.splitlines()[0], shown.stderr) == (0, "Northgate University", "")


def test_everything_finds_what_stands_in_the_index_of_a_service(service: Path, document: Path) -> None:
    content = yaml.safe_load(service.read_text())
    content["trust"]["state"] = "state"
    service.write_text(yaml.safe_dump(content))
    assert run("show", "--config", service, HOME_ID).stdout.startswith("Northgate University\n")
    assert run("status", "--config", service).exit_code == 0
    assert [one["entity_id"] for one in json.loads(run("search", "--config", service, "library", "--json").stdout)] == [
        LIBRARY_ID
    ]
    assert run("diff", "--config", service, document).output == "No difference.\n"


def test_show_makes_hostile_names_harmless(tmp_path: Path) -> None:
    path = tmp_path / "sp.xml"
    path.write_text(changed(SP, "Library (deutsch)", "[bold red]\u202eBad\u009b31m"))
    shown = run("show", "--file", path).stdout
    assert "[bold red]" in shown
    assert all(character == "\n" or character.isprintable() for character in shown)


def test_show_prints_no_control_characters_of_a_document(tmp_path: Path) -> None:
    path = tmp_path / "sp.xml"
    path.write_text(changed(SP, "Library (deutsch)", "Bad\u202e\u009b31m"))
    shown = run("show", "--file", path, "--xml").stdout
    assert "Bad&#x202e;&#x9b;31m" in shown
    assert run("show", "--file", path, "--json").stdout.isascii()


def test_verify_names_each_entity_that_can_not_be_used_once(tmp_path: Path, certificate: Path) -> None:
    path = tmp_path / "federation.xml"
    bare = f'<md:EntityDescriptor xmlns:md="{names.MD}" entityID="https://broken.example"/>'
    broken = Entity("https://broken.example", source=bare.encode())
    path.write_bytes(aggregate(HOME, broken))
    told = run("verify", path, "--certificate", certificate)
    assert told.exit_code == 0
    assert told.output.count("https://broken.example") == 1
    assert "1 entity can't be used" in told.output


# search


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("nordtor",), [HOME_ID]),
        (("UNIVERSITAT",), [HOME_ID]),
        (("northgate", "library"), []),
        (("library",), [LIBRARY_ID]),
        (("--role", "aa"), [HOME_ID]),
        (("--category", "research-and-scholarship"), [HOME_ID]),
        (("--registration-authority", "federation.example"), [HOME_ID]),
        ((), [LIBRARY_ID, HOME_ID]),
        (("--most", "1"), [LIBRARY_ID]),
    ],
)
def test_search_finds_by_words_role_category_and_registrar(
    document: Path, arguments: tuple[str, ...], expected: list[str]
) -> None:
    found = run("search", "--file", document, *arguments, "--json")
    assert [one["entity_id"] for one in json.loads(found.stdout)] == expected
    assert found.exit_code == (0 if expected else 1)


def test_search_lists_names_and_counts(service: Path) -> None:
    found = run("search", "--config", service, "northgate")
    assert [line.split("  ")[0] for line in found.output.splitlines()] == [
        "name",
        "Northgate University",
        "1 entity found.",
    ]


def test_search_in_a_narrow_place_puts_the_entity_on_a_line_of_its_own(document: Path) -> None:
    from io import StringIO

    from rich.console import Console

    from ostiary.command.metadata.opened import Pins, open_document
    from ostiary.command.metadata.said import Said
    from ostiary.command.metadata.searching import show_found
    from ostiary.command.wording import catalogue

    told = StringIO()
    show_found(list(open_document(document, Pins()).summaries()), 0, Said(Console(file=told, width=60), catalogue()))
    assert told.getvalue().splitlines()[:2] == ["Northgate University  (IdP, AA)", f"  {HOME_ID}"]


# validate


def test_validate_tells_severity_line_rule_and_remedy_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "sp.xml"
    path.write_text(changed(SP, "/acs/ecp", "/acs#ecp"))
    checked = run("validate", path)
    assert checked.exit_code == 1
    assert checked.output.splitlines() == [
        "",
        "https://library.northgate.zz/sp",
        "  error    https://library.northgate.zz/acs#ecp has a fragment.",
        "           Leave out the part from # on; browsers do not send it.",
        "           line 24, SPSSODescriptor/AssertionConsumerService[2]  [endpoint.fragment; SAML bindings 3.4.3]",
        "",
        f"{path}: 1 entity, 1 error, 0 warnings, 2 remarks.",
    ]


def test_validate_of_a_good_document_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "idp.xml"
    path.write_text(IDP)
    assert run("validate", path, "--strict").exit_code == 0


def test_validate_fails_on_warnings_only_if_strict(tmp_path: Path) -> None:
    path = tmp_path / "idp.xml"
    path.write_text(changed(IDP, ' errorURL="https://idp.northgate.zz/error"', ""))
    assert run("validate", path).exit_code == 0
    assert run("validate", path, "--strict").exit_code == 1


def test_validate_reads_the_standard_input_and_gives_json() -> None:
    plain = changed(IDP, "https://idp.northgate.zz/slo", "http://idp.northgate.zz/slo")
    [found] = json.loads(run("validate", "-", "--json", "--severity", "error", input=plain.encode()).stdout)
    assert [(one["code"], one["severity"], one["line"]) for one in found["findings"]] == [
        ("endpoint.not_https", "error", 23)
    ]
    assert found["counts"] == {"error": 1, "info": 2}


def test_validate_looks_at_the_signature_where_a_key_is_named(document: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_bytes(pem(signer("p256", "sp")))
    found = json.loads(run("validate", document, "--certificate", other, "--json", "--severity", "error").stdout)
    assert "document.signature_wrong" in {one["code"] for one in found[0]["findings"]}


def test_validate_counts_where_many_entities_have_findings(tmp_path: Path) -> None:
    path = tmp_path / "many.xml"
    many = [Entity(f"https://sp{number}.example", sp=LIBRARY.sp) for number in range(25)]
    path.write_bytes(aggregate(*many))
    counted = run("validate", path).output
    assert "  warning  entity.technical_contact: 25 entities  [SDP-MD11]\n" in counted
    assert ", +22\n" in counted
    assert run("validate", path, "--each").output.count("[entity.technical_contact; SDP-MD11]") == 25


def test_validate_looks_at_each_entity_that_a_service_believes(service: Path) -> None:
    [found] = json.loads(run("validate", "--config", service, "--json").stdout)
    assert (found["entities"], found["counts"].get("error")) == (2, None)
    assert "entity.test_host" in {one["code"] for one in found["findings"]}


def test_validate_needs_something_to_look_at() -> None:
    assert run("validate").exit_code == 2


# diff


def test_diff_tells_keys_and_scopes_first(tmp_path: Path) -> None:
    old, new = tmp_path / "old.xml", tmp_path / "new.xml"
    old.write_bytes(aggregate(HOME, LIBRARY, Entity("https://gone.example", sp=LIBRARY.sp)))
    text = aggregate(HOME, LIBRARY, Entity("https://new.example", sp=LIBRARY.sp)).decode()
    text = text.replace(">northgate.example<", ">southgate.example<").replace("Library</mdui", "Books</mdui", 1)
    new.write_text(text)
    told = run("diff", old, new).output
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    assert lines == [
        "1 entity has other keys or scopes",
        HOME_ID,
        "Scopes",
        "- IdP: northgate.example",
        "- AA: northgate.example",
        "+ IdP: southgate.example",
        "+ AA: southgate.example",
        "1 entity changed in other ways",
        LIBRARY_ID,
        "Names",
        "- SP: Library (en)",
        "+ SP: Books (en)",
        "1 entity is new",
        "+ https://new.example",
        "1 entity is gone",
        "- https://gone.example",
    ]


def test_nothing_hides_from_diff_behind_a_processing_instruction(tmp_path: Path) -> None:
    old, new = tmp_path / "old.xml", tmp_path / "new.xml"
    old.write_bytes(aggregate(HOME))
    new.write_text(aggregate(HOME).decode().replace(">northgate.example<", ">bank<?hide this?>.example<"))
    told = run("diff", old, new).output
    assert "+ IdP: bank.example" in told
    assert "bank.example" in run("show", HOME_ID, "--file", new).output


def test_diff_names_another_key_by_its_fingerprint(tmp_path: Path) -> None:
    old, new = tmp_path / "old.xml", tmp_path / "new.xml"
    old.write_bytes(aggregate(LIBRARY))
    new.write_bytes(aggregate(Entity(LIBRARY_ID, sp=_with_key(HOME))))
    data = json.loads(run("diff", old, new, "--json").stdout)
    [changed_entity] = data["changed"]
    first = changed_entity["differences"][0]
    digest = hashlib.sha256(signer().public.spki).hexdigest()
    assert (changed_entity["dangerous"], first["what"], first["added"]) == (True, "keys", [f"SP: signing {digest}"])


def _with_key(home: Entity) -> object:
    from dataclasses import replace

    return replace(LIBRARY.sp, keys=home.idp.keys)


def test_diff_of_the_same_entities_is_none_though_document_and_dates_differ(tmp_path: Path) -> None:
    old, new = tmp_path / "old.xml", tmp_path / "new.xml"
    old.write_bytes(aggregate(days=1))
    new.write_bytes(aggregate(days=2))
    same = run("diff", old, new, "--exit-code")
    assert (same.exit_code, same.output) == (0, "No difference.\n")


def test_diff_compares_with_what_a_service_believes(service: Path, document: Path, tmp_path: Path) -> None:
    assert run("diff", "--config", service, document).output == "No difference.\n"
    new = tmp_path / "new.xml"
    new.write_bytes(aggregate(HOME))
    told = run("diff", "--config", service, new, "--exit-code")
    assert (told.exit_code, f"  - {LIBRARY_ID}\n" in told.output) == (1, True)


def test_diff_tells_of_an_entity_that_can_not_be_read(tmp_path: Path) -> None:
    old, new = tmp_path / "old.xml", tmp_path / "new.xml"
    old.write_bytes(aggregate(LIBRARY))
    new.write_text(aggregate(LIBRARY).decode().replace("md:AssertionConsumerService", "md:Nothing"))
    assert "[xml.schema]" in run("diff", old, new).output


# status


def test_status_is_good_while_sources_are_good(service: Path) -> None:
    told = run("status", "--config", service)
    assert told.exit_code == 0
    assert told.output.startswith("good  ")
    assert "2 (1 IdP, 1 SP)" in told.output


def test_status_raises_an_alarm_where_a_source_was_never_fetched(service: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(service.read_text())
    url = "https://federation.invalid/metadata.xml"
    content["trust"] |= {"state": "state", "metadata": [{"url": url, "trusted_certificates": ["federation.crt"]}]}
    service.write_text(yaml.safe_dump(content))
    told = run("status", "--config", service)
    assert told.exit_code == 1
    assert told.output.startswith(f"ALARM  {url}\n")
    assert "[metadata.no_copy]" in told.output
    [data] = json.loads(run("status", "--config", service, "--json").output)
    assert (data["ok"], data["problem"]["code"]) == (False, "metadata.no_copy")


@pytest.mark.parametrize(
    ("code", "advice"),
    [("signature.wrong", "whether the key has changed"), ("xml.not_well_formed", "tell its publisher")],
)
def test_status_advises_who_runs_the_service_and_not_a_person_who_logs_in(
    code: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = Refusal(code, expected="something else", found="this")
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    attempt = now - timedelta(seconds=40)
    report = SourceReport("https://f.example/all.xml", 2, 1, 1, None, "url", last_attempt=attempt, problem=problem)
    show_report(report, speaker(True), now)
    told = capsys.readouterr().out
    assert advice in told
    assert "something else" in told
    assert "40 seconds ago" in told
    assert "page that you wanted to reach" not in told


def test_status_needs_a_configuration_of_a_service(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("name: value\n")
    refused = run("status", "--config", path)
    assert (refused.exit_code, "metadata.which_config" in refused.stderr) == (1, True)


def test_nothing_is_coloured_where_nobody_reads_a_terminal(document: Path) -> None:
    outputs = [run("show", "--file", document, HOME_ID).output, run("validate", document).output]
    assert ["\x1b" in one for one in outputs] == [False, False]
    assert [line for one in outputs for line in one.splitlines() if line != line.rstrip()] == []
