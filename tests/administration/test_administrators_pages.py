"""The administrators' pages: who gets in, what they show, that each look at somebody is written down, and that nothing is changed."""

import io
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from ostiary import audit
from ostiary.command.demo.people import NORTHGATE, SOUTHBANK, DemoHome
from ostiary.command.home import make_home_authority
from ostiary.errors import ConfigurationError
from ostiary.storage.engine import open_engine, reading
from ostiary.web.log import make_log
from tests.browser import Answer, Browser, forms_of
from tests.simulator import MovableClock, Simulation, configure

LIBRARY, INSTRUMENT = "https://library.example/shar", "https://instrument.example/shar"


def arrive(simulation: Simulation, browser: Browser, home: DemoHome, username: str, path: str = "/admin") -> Answer:
    [person] = [person for person in home.people if person.username == username]
    login = browser.get(simulation.layout.aa_url(home) + path)
    answer = browser.submit(login, {"username": username, "password": person.password}, having="password")
    return browser.submit(answer, having="SAMLResponse")


def audited(simulation: Simulation, home: DemoHome, action: str) -> list[audit.Event]:
    engine = open_engine(f"sqlite:///{simulation.layout.directory(home.key) / 'home.db'}")
    try:
        with reading(engine) as connection:
            return audit.events(connection, action=action, limit=1000)
    finally:
        engine.dispose()


def principal_of(simulation: Simulation, home: DemoHome, username: str) -> str:
    with simulation.directory(home) as directory:
        person = directory.find(username)
    assert person is not None
    return person.principal


def policies_file(simulation: Simulation, home: DemoHome) -> Path:
    return simulation.layout.directory(home.key) / "release.yaml"


@pytest.mark.parametrize("path", ["/admin", "/admin/test", "/admin/dry-run", "/admin/history", "/admin/history/1"])
def test_everybody_else_is_told_that_the_pages_are_for_administrators(federation: Simulation, path: str) -> None:
    answer = arrive(federation, federation.browser(), NORTHGATE, "bob", path)
    assert answer.status == 403
    assert "for those who administer what leaves" in answer.text


def test_a_form_of_somebody_else_changes_nothing_and_shows_nothing(simulation: Simulation) -> None:
    url = simulation.layout.aa_url(NORTHGATE)
    browser = simulation.browser()
    arrive(simulation, browser, NORTHGATE, "bob", "/my")
    # His own token is good, and he is not.
    [token] = {
        field for form in forms_of(browser.get(url + "/my/default")) for field in form.fields if "csrf" in field[0]
    }
    filled = [
        ("person", "alice"),
        ("resource", LIBRARY),
        ("policies", "policies: []"),
        ("place", "all"),
        ("last", "100"),
    ]
    administrator = simulation.browser()
    arrive(simulation, administrator, NORTHGATE, "alice")
    for path in ("/admin/test", "/admin/dry-run"):
        refused = browser.post(url + path, [token, *filled])
        assert refused.status == 403
        assert "for those who administer" in refused.text
        # And hers without a token, as from another site, is none.
        assert "for those who administer" not in administrator.post(url + path, filled).text
    assert audited(simulation, NORTHGATE, "release_policies.tried_out") == []
    assert audited(simulation, NORTHGATE, "attributes.looked_at") == []


def test_who_has_the_value_of_an_attribute_administers(simulation: Simulation) -> None:
    simulation.start_all()
    configure(
        simulation.layout.directory(NORTHGATE.key) / "aa.yaml",
        administrators={"having": {"eduPersonScopedAffiliation": ["student@northgate.example"]}},
    )
    simulation.serve(simulation.layout.aa_url(NORTHGATE), simulation.authority_node(NORTHGATE))
    assert arrive(simulation, simulation.browser(), NORTHGATE, "bob").status == 200
    assert arrive(simulation, simulation.browser(), NORTHGATE, "alice").status == 403
    # By what the resolver says at this moment, not at the login.
    browser = simulation.browser()
    arrive(simulation, browser, NORTHGATE, "bob")
    with simulation.directory(NORTHGATE) as directory:
        directory.set_attributes(
            principal_of(simulation, NORTHGATE, "bob"),
            {"eduPersonScopedAffiliation": ["alum@northgate.example"]},
            at=simulation.clock.now(),
            by="test",
        )
    simulation.clock.forward(seconds=30)
    assert browser.get(simulation.layout.aa_url(NORTHGATE) + "/admin").status == 403


def test_the_policies_are_shown_in_words_by_file(federation: Simulation) -> None:
    page = arrive(federation, federation.browser(), NORTHGATE, "alice")
    assert page.status == 200
    told = " ".join(page.text.split())
    assert "<code>release.yaml</code>" in told
    assert (
        '<dt>For whom</dt><dd><span class="value">the resources <code>Collaboratory Microscope</code></span></dd>'
        in told
    )
    assert "May learn" in told


def test_a_search_finds_policies_by_what_they_speak_of(federation: Simulation) -> None:
    browser = federation.browser()
    arrive(federation, browser, NORTHGATE, "alice")
    url = federation.layout.aa_url(NORTHGATE)
    found = browser.get(url + "/admin?q=eduPersonEntitlement").text
    assert "1 policy has to do with" in found
    assert "the resources <code>" in found
    assert "0 policies have to do with" in browser.get(url + "/admin?q=nothing-like-it").text


def test_what_is_wrong_with_the_policies_stands_above_them(simulation: Simulation) -> None:
    simulation.start_all()
    file = policies_file(simulation, NORTHGATE)
    file.write_text(
        "policies: [{id: odd, for: {requesters: https://library.example/shar}, rules: [{permit: eduPersonEntitlemnt}]}]\n"
    )
    page = arrive(simulation, simulation.browser(), NORTHGATE, "alice")
    assert "eduPersonEntitlement was probably meant" in page.text
    file.write_text("policies: [{id: odd}]\n")
    simulation.clock.forward(minutes=1)
    page = arrive(simulation, simulation.browser(), NORTHGATE, "alice")
    assert page.status == 200
    assert "release.yaml" in page.text


def test_a_look_at_somebody_shows_her_values_with_their_rules_and_is_written_down(simulation: Simulation) -> None:
    browser = simulation.browser()
    form = arrive(simulation, browser, NORTHGATE, "alice", "/admin/test")
    assert "That you looked is recorded" in form.text
    page = browser.submit(form, {"resource": INSTRUMENT, "person": "bob"}, having="person")
    told = " ".join(page.text.split())
    assert page.status == 200
    assert "bob.brewer@northgate.example" in told
    assert "instrument, person" in told
    assert "No rule permits it." in told
    [event] = audited(simulation, NORTHGATE, "attributes.looked_at")
    assert event.actor == principal_of(simulation, NORTHGATE, "alice")
    assert event.person == principal_of(simulation, NORTHGATE, "bob")
    assert event.facts["for"] == INSTRUMENT
    assert "mail" in event.facts["attributes"]
    assert "bob.brewer" not in json.dumps(dict(event.facts))


def test_it_is_what_the_services_would_say(simulation: Simulation) -> None:
    """The same values leave in a real sign-on."""
    browser = simulation.browser()
    simulation.log_in(browser, "instrument", "alice")
    session = json.loads(browser.get(simulation.handler("instrument", "session?format=json")).text)
    administrator = simulation.browser()
    form = arrive(simulation, administrator, NORTHGATE, "alice", "/admin/test")
    page = administrator.submit(form, {"resource": INSTRUMENT, "person": "alice"}, having="person")
    rows = re.findall(r'<span class="value">([^<]*)</span>.*?<strong( class="problem")?>', page.text, re.DOTALL)
    released = sorted(value for value, withheld in rows if not withheld)
    assert released == sorted(value for values in session["attributes"].values() for value in values)
    assert len(rows) > len(released) > 3


@pytest.mark.parametrize(
    ("filled", "told"),
    [
        ({"resource": LIBRARY, "person": "nobody-of-that-name"}, "Nobody of this organisation has this login name"),
        ({"resource": LIBRARY, "person": ""}, "This has to be filled in."),
        ({"resource": "", "person": "bob"}, "This has to be filled in."),
        ({"resource": LIBRARY, "person": "bob", "network": "bob's house"}, "This is no network address."),
    ],
)
def test_a_question_that_can_not_be_asked_comes_back_with_the_reason(
    federation: Simulation, filled: dict[str, str], told: str
) -> None:
    browser = federation.browser()
    form = arrive(federation, browser, NORTHGATE, "alice", "/admin/test")
    before = len(audited(federation, NORTHGATE, "attributes.looked_at"))
    page = browser.submit(form, filled, having="person")
    assert page.status == 400
    assert told in page.text
    assert len(audited(federation, NORTHGATE, "attributes.looked_at")) == before


def tried(simulation: Simulation, browser: Browser, text: str, **fields: str) -> Answer:
    form = browser.get(simulation.layout.aa_url(NORTHGATE) + "/admin/dry-run")
    place = fields.pop("place", str(policies_file(simulation, NORTHGATE)))
    [written] = [one for one in forms_of(form) if one.method == "post"]
    filled = {"policies": text, "place": place, "last": "100", **fields}
    return browser.post(urljoin(form.url, written.action), [*written.fields, *filled.items()])


def test_a_change_is_tried_on_real_requests_and_shown_in_numbers(simulation: Simulation) -> None:
    for username in ("alice", "bob"):
        simulation.log_in(simulation.browser(), "instrument", username)
    file = policies_file(simulation, NORTHGATE)
    before = file.read_text()
    browser = simulation.browser()
    arrive(simulation, browser, NORTHGATE, "alice", "/admin/dry-run")
    page = tried(
        simulation, browser, "policies: [{id: all, for: {anyone: true}, rules: [{permit: schacHomeOrganization}]}]"
    )
    told = " ".join(page.text.split())
    assert page.status == 200
    assert "would be told" in told
    assert "would no longer be told" in told
    assert "all/rule 1" in told
    assert "2 people, something would change for 2" in told
    assert "bob.brewer" not in told
    assert file.read_text() == before
    [event] = audited(simulation, NORTHGATE, "release_policies.tried_out")
    assert event.actor == principal_of(simulation, NORTHGATE, "alice")


def test_a_change_of_nothing_changes_nothing(simulation: Simulation) -> None:
    simulation.log_in(simulation.browser(), "instrument", "alice")
    browser = simulation.browser()
    arrive(simulation, browser, NORTHGATE, "alice", "/admin/dry-run")
    page = tried(simulation, browser, policies_file(simulation, NORTHGATE).read_text())
    assert "would be answered differently" in page.text
    assert "None of the last" in page.text
    # The text is there for the next try.
    assert "id: federation" in page.text


def test_a_file_that_can_not_be_used_comes_back_with_its_faults_and_its_text(federation: Simulation) -> None:
    browser = federation.browser()
    arrive(federation, browser, NORTHGATE, "alice", "/admin/dry-run")
    page = tried(federation, browser, "policies: [{id: x, fro: <you>}]")
    assert page.status == 400
    assert "&lt;you&gt;" in page.text
    assert "line 1" in page.text
    unknown = tried(federation, browser, "policies: []", place="/etc/passwd")
    assert unknown.status == 400
    assert "no such file" in unknown.text


def test_the_text_of_a_file_in_force_can_be_fetched_and_of_no_other(federation: Simulation) -> None:
    browser = federation.browser()
    arrive(federation, browser, NORTHGATE, "alice", "/admin/dry-run")
    url, file = federation.layout.aa_url(NORTHGATE), policies_file(federation, NORTHGATE)
    assert "requesters" in browser.get(f"{url}/admin/dry-run?file={file}").text
    other = file.with_name("aa.yaml")
    assert "handle_keys" not in browser.get(f"{url}/admin/dry-run?file={other}").text


def test_a_changed_file_comes_into_the_history_with_what_was_before(simulation: Simulation) -> None:
    simulation.start_all()
    file = policies_file(simulation, NORTHGATE)
    browser = simulation.browser()
    page = arrive(simulation, browser, NORTHGATE, "alice", "/admin/history")
    assert "first recorded state" in page.text
    file.write_text(
        file.read_text() + "  - {id: new one, for: {anyone: true}, rules: [{permit: schacHomeOrganization}]}\n"
    )
    simulation.clock.forward(minutes=1)
    simulation.log_in(simulation.browser(), "instrument", "bob")
    found = audited(simulation, NORTHGATE, "release_policies.changed")
    assert [event.facts.get("changes") for event in found] == [[], [["added", "policies", "new one"]]]
    page = browser.get(f"{simulation.layout.aa_url(NORTHGATE)}/admin/history/{found[-1].serial}")
    assert "Added: policy new one" in page.text
    assert "+ - permit: schacHomeOrganization" in page.text
    assert browser.get(f"{simulation.layout.aa_url(NORTHGATE)}/admin/history/{found[-1].serial}9").status == 404
    assert browser.get(f"{simulation.layout.aa_url(NORTHGATE)}/admin/history/x").status == 404


def test_services_that_start_with_the_same_policies_record_nothing_anew(simulation: Simulation) -> None:
    simulation.start_all()
    before = len(audited(simulation, SOUTHBANK, "release_policies"))
    simulation.authority_node(SOUTHBANK)
    simulation.idp_node(SOUTHBANK)
    assert len(audited(simulation, SOUTHBANK, "release_policies")) == before == 1


def fields_of(event: audit.Event) -> dict[str, Any]:
    return dict(event.facts)


def test_a_change_of_the_administrators_is_recorded_with_before_and_after(simulation: Simulation) -> None:
    simulation.start_all()
    configure(simulation.layout.directory(NORTHGATE.key) / "aa.yaml", administrators={"login_names": ["alice", "bob"]})
    simulation.authority_node(NORTHGATE)
    first, second = audited(simulation, NORTHGATE, "administrators.changed")
    assert fields_of(second)["before"] == fields_of(first)["after"]
    assert ["changed", "settings", "login_names", ["value"]] in fields_of(second)["changes"]


def test_administrators_by_login_name_need_somebody_who_finds_them_in_ldap(state: Path) -> None:
    home = state / "northgate"
    (home / "ldap.password").touch(mode=0o600)
    (home / "ldap.password").write_text("secret\n")
    (home / "ldap.yaml").write_text(
        "servers: [ldap://127.0.0.1:1]\nbind_dn: cn=x\npassword_file: ldap.password\nbase_dn: dc=x\n"
    )
    configure(
        home / "aa.yaml",
        people={"type": "ldap", "directory": "ldap.yaml"},
        administrators={"login_names": ["alice"]},
    )
    clock = MovableClock()
    with pytest.raises(ConfigurationError) as refused:
        make_home_authority(home / "aa.yaml", clock=clock, log=make_log(clock, service="aa", stream=io.StringIO()))
    assert (refused.value.code, refused.value.key) == (
        "aa.administrators_by_login",
        "administrators.identity_provider",
    )
