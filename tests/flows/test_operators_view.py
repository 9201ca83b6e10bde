"""The operator's side of a running identity provider: status, reload of the configuration, maintenance, a site's own look."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from idp.operate.endpoints import GOES_ON
from ostiary.command.cli import ostiary
from ostiary.command.demo.layout import RESOURCES
from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.config import write_private_file
from ostiary.web.maintenance import Maintenance, write_flag
from tests.browser import Answer, forms_of
from tests.simulator import Simulation, configure

TOKEN = "t" * 40


@pytest.fixture
def simulation(simulation: Simulation) -> Simulation:
    """Everything runs before an operator changes a file."""
    simulation.start_all()
    return simulation


def idp(simulation: Simulation) -> str:
    return simulation.layout.idp_url(NORTHGATE)


def config(simulation: Simulation) -> Path:
    return simulation.layout.directory("northgate") / "idp.yaml"


def status(simulation: Simulation, path: str = "/status?format=json", **headers: str) -> Answer:
    return simulation.transport.send("GET", idp(simulation) + path, dict(headers), b"")


def facts(simulation: Simulation) -> dict[str, Any]:
    simulation.clock.forward(seconds=6)
    found: dict[str, Any] = json.loads(status(simulation).body)
    return found


def test_the_status_tells_what_an_operator_wants_to_know(simulation: Simulation) -> None:
    assert simulation.log_in(simulation.browser(), "library", "alice").status == 200
    found = facts(simulation)
    assert found["good"] is True
    assert found["sessions"] == 1
    assert [(keys["purpose"], keys["next_step"]) for keys in found["keys"]] == [
        ("signing", "prepare"),
        ("handle", "prepare"),
    ]
    assert len(found["keys"][0]["keys"][0]["fingerprint"]) == 64
    assert [(line["entities"], line["identity_providers"]) for line in found["metadata"]] == [(5, 2)]
    assert {check["name"]: check["good"] for check in found["checks"]} == {"database": True, "people": True}
    assert "idp_" in found["checks"][0]["details"]
    assert {one["name"] for one in found["watched"]} >= {"settings", "metadata", "keys", "handle_keys", "maintenance"}
    assert found["maintenance"] is None
    assert found["needs_restart"] == []


def test_the_status_is_a_page_for_people_too_and_names_nobody(simulation: Simulation) -> None:
    simulation.log_in(simulation.browser(), "library", "alice")
    page = status(simulation, "/status", Accept="text/html")
    assert page.status == 200
    assert "All is well." in page.text
    for secret in ("alice", "Alice", "handle.key'", "password"):
        assert secret not in page.text
    assert dict(page.headers)["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/status?format=xml", {}, 400),
        ("/status?format=json&format=json", {}, 400),
        ("/status?format=" + "j" * 100, {}, 400),
        ("/status", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("/status", {"Forwarded": "for=127.0.0.1"}, 404),
        ("/status", {"Authorization": "Bearer x"}, 200),
        ("/status", {"Host": "rebound.example"}, 404),
        ("/status", {"Host": "127.0.0.1:20001"}, 200),
    ],
)
def test_the_status_is_for_operators_alone(
    federation: Simulation, path: str, headers: dict[str, str], code: int
) -> None:
    answer = federation.transport.send("GET", idp(federation) + path, headers, b"")
    assert answer.status == code
    if code == 404:
        assert "signing" not in answer.text


def test_a_program_elsewhere_reads_the_status_with_its_token(simulation: Simulation) -> None:
    directory = config(simulation).parent
    write_private_file(directory / "status.token", f"{TOKEN}\n".encode())
    configure(config(simulation), status={"addresses": [], "token_file": "status.token"})
    simulation.clock.forward(seconds=6)
    assert status(simulation).status == 404
    assert status(simulation, Authorization="Bearer " + "x" * 40).status == 404
    assert status(simulation, Authorization=f"Bearer {TOKEN}").status == 200


def test_a_token_that_could_be_guessed_is_refused(simulation: Simulation) -> None:
    write_private_file(config(simulation).parent / "status.token", b"short")
    configure(config(simulation), status={"token_file": "status.token"})
    found = facts(simulation)
    [problem] = [one["problem"] for one in found["watched"] if one["problem"]]
    assert problem["code"] == "status.token"


def test_posting_to_the_status_is_refused(federation: Simulation) -> None:
    assert federation.transport.send("POST", f"{idp(federation)}/status", {}, b"x=y").status in (403, 405)


def test_a_broken_file_changes_nothing_and_is_told(simulation: Simulation) -> None:
    good = config(simulation).read_text()
    config(simulation).write_text(good.replace("public_url", "publik_url"))
    found = facts(simulation)
    assert found["good"] is False
    [settings] = [one for one in found["watched"] if one["name"] == "settings"]
    assert settings["problem"]["code"] == "config.mistyped_key"
    assert (settings["problem"]["key"], settings["problem"]["line"] is None) == ("publik_url", False)
    assert simulation.log_in(simulation.browser(), "library", "alice").status == 200
    assert simulation.events("reload_refused", service="northgate-idp")
    config(simulation).write_text(good)
    assert facts(simulation)["good"] is True


def test_what_may_change_takes_effect_without_a_restart(simulation: Simulation) -> None:
    assert "rsa-sha512" not in decoded(simulation.to_response(simulation.browser(), "library", "alice"))
    library = next(resource.entity_id for resource in RESOURCES if resource.key == "library")
    special = {"entity_id": library, "signing_algorithm": "sha512", "assertion_lifetime": "90s"}
    configure(config(simulation), partners=[special])
    simulation.clock.forward(seconds=6)
    browser = simulation.browser()
    page = simulation.to_response(browser, "library", "alice")
    assert decoded(page).count("rsa-sha512") == 2
    ends = (simulation.clock.now() + timedelta(seconds=90)).strftime("%Y-%m-%dT%H:%M:%S")
    assert f'NotOnOrAfter="{ends}' in decoded(page)
    assert browser.submit(page, having="SAMLResponse").status == 200
    other = decoded(simulation.to_response(simulation.browser(), "instrument", "alice"))
    assert "rsa-sha512" not in other
    assert simulation.events("settings_reloaded", service="northgate-idp")


def test_what_needs_a_restart_is_told_and_nothing_of_that_file_applies(simulation: Simulation) -> None:
    configure(
        config(simulation),
        scopes=["elsewhere.example"],
        listen={"port": 9999},
        branding={"links": [{"label": {"en": "Help desk"}, "url": "https://help.example/"}]},
    )
    found = facts(simulation)
    assert found["needs_restart"] == ["listen", "scopes"]
    assert found["good"] is False
    assert "Help desk" not in status(simulation, "/status", Accept="text/html").text
    assert simulation.log_in(simulation.browser(), "library", "alice").status == 200
    configure(config(simulation), scopes=[NORTHGATE.scope], listen={"host": "127.0.0.1", "port": 20001})
    assert facts(simulation)["needs_restart"] == []
    assert "Help desk" in status(simulation, "/status", Accept="text/html").text


def test_a_new_member_of_the_federation_needs_no_restart(simulation: Simulation) -> None:
    aggregate = simulation.layout.aggregate
    aggregate.write_bytes(b"<broken/>")
    found = facts(simulation)
    [problem] = [one["problem"] for one in found["watched"] if one["name"] == "metadata"]
    assert problem["code"] == "metadata.file"
    assert simulation.log_in(simulation.browser(), "library", "alice").status == 200


def test_maintenance_keeps_people_out_and_programs_in(simulation: Simulation) -> None:
    browser = simulation.browser()
    assert simulation.log_in(browser, "library", SOUTHBANK.people[0].username).status == 200
    flag = simulation.layout.directory("southbank") / "maintenance.yaml"
    until = simulation.clock.now() + timedelta(hours=2)
    write_flag(flag, Maintenance(simulation.clock.now(), until, {"en": "New <disks>.", "nl": "Nieuwe schijven."}))
    simulation.clock.forward(seconds=6)
    home = simulation.layout.idp_url(SOUTHBANK)
    page = simulation.transport.send("GET", f"{home}/", {"Accept": "text/html"}, b"")
    assert page.status == 503
    assert "New &lt;disks&gt;." in page.text
    assert dict(page.headers)["Retry-After"] == str(2 * 3600 - 6)
    # Her session at the resource goes on, queries of the resource are answered, monitors see what is going on.
    simulation.clock.forward(minutes=40)
    assert browser.get(simulation.url("library")).status == 200
    assert simulation.transport.send("GET", f"{home}/health", {}, b"").status == 200
    told = json.loads(simulation.transport.send("GET", f"{home}/status?format=json", {}, b"").body)
    assert told["maintenance"]["until"] == until.strftime("%Y-%m-%dT%H:%M:%SZ")
    flag.unlink()
    simulation.clock.forward(seconds=6)
    assert simulation.transport.send("GET", f"{home}/", {}, b"").status == 200


@pytest.mark.parametrize(
    "content", ["", "[1, 2]", "until: {a: b}", "message: {xx: y}", "message: 7\nuntil: soon", ":\x00"]
)
def test_any_flag_is_a_flag(simulation: Simulation, content: str) -> None:
    (config(simulation).parent / "maintenance.yaml").write_text(content)
    simulation.clock.forward(seconds=6)
    page = status(simulation, "/")
    assert page.status == 503
    assert "We are working on this service." in page.text
    assert dict(page.headers)["Retry-After"] == "300"


def test_operators_get_past_the_maintenance_page(simulation: Simulation) -> None:
    (config(simulation).parent / "maintenance.yaml").write_text("")
    configure(config(simulation), maintenance={"operators": ["127.0.0.1"]})
    simulation.clock.forward(seconds=6)
    assert status(simulation, "/").status == 200
    assert status(simulation, "/", **{"X-Forwarded-For": "192.0.2.9"}).status == 503


def test_the_command_writes_and_removes_the_flag(simulation: Simulation) -> None:
    def run(*arguments: str) -> int:
        return CliRunner().invoke(ostiary, ["maintenance", *arguments]).exit_code

    path = str(config(simulation))
    flag = config(simulation).parent / "maintenance.yaml"
    assert run("on", path, "--until", "2h", "--message", "New disks", "--message", "nl=Nieuwe schijven") == 0
    assert yaml.safe_load(flag.read_text())["message"] == {"en": "New disks", "nl": "Nieuwe schijven"}
    for wrong in (["--until", "soon"], ["--until", "2001-01-01"], ["--message", "nl=alleen"]):
        assert run("on", path, *wrong) == 2
    assert run("off", path) == 0
    assert not flag.exists()
    assert run("off", path) == 0


def test_a_site_gives_its_pages_a_look_while_they_are_served(simulation: Simulation) -> None:
    directory = config(simulation).parent
    (directory / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>')
    (directory / "texts" / "en").mkdir(parents=True)
    (directory / "texts" / "en" / "own.yaml").write_text("pages: {idp: {home: {nobody: Nobody is in.}}}")
    configure(config(simulation), branding={"logo": "logo.svg", "accent": "#7a1f3d", "texts": "texts"})
    simulation.clock.forward(seconds=6)
    page = simulation.browser().get(f"{idp(simulation)}/")
    assert "Nobody is in." in page.text
    assert 'class="logo" src="/assets/logo.' in page.text
    sheet = page.text.partition('href="/assets/brand.')[2].partition('"')[0]
    served = status(simulation, f"/assets/brand.{sheet}")
    assert "--accent: #7a1f3d" in served.text
    name = page.text.partition('src="/assets/logo.')[2].partition('"')[0]
    logo = dict(status(simulation, f"/assets/logo.{name}").headers)
    assert logo["Content-Type"] == "image/svg+xml"
    assert "sandbox" in logo["Content-Security-Policy"]
    # A text that is not there, and the whole file waits.
    (directory / "texts" / "en" / "own.yaml").write_text("pages: {idp: {home: {nobodies: Nobody is in.}}}")
    found = facts(simulation)
    assert [one["problem"]["code"] for one in found["watched"] if one["problem"]] == ["texts.unknown"]
    assert "Nobody is in." in simulation.browser().get(f"{idp(simulation)}/").text


def decoded(page: Answer) -> str:
    [form] = [form for form in forms_of(page) if form.has("SAMLResponse")]
    return base64.b64decode(dict(form.fields)["SAMLResponse"]).decode()


def test_what_goes_on_during_maintenance_is_there(simulation: Simulation) -> None:
    endpoints = simulation.transport.applications[idp(simulation)].view_functions  # type: ignore[attr-defined]
    assert set(GOES_ON) <= set(endpoints)
    resting = {"sso_redirect", "sso_post", "sso_login", "sso_login_post", "home"}
    assert resting <= set(endpoints) - set(GOES_ON)


def test_people_sign_out_while_the_service_rests(simulation: Simulation) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    (config(simulation).parent / "maintenance.yaml").write_text("")
    simulation.clock.forward(seconds=6)
    assert browser.get(f"{idp(simulation)}/logout").status == 200
    assert browser.get(f"{idp(simulation)}/").status == 503
