"""One host, several trees of URLs: each has sessions, policies and needs of its own, and the home organisation tells each what is its."""

import json
from pathlib import Path

import pytest
import yaml

from ostiary.command.demo.federation import write_aggregate
from ostiary.command.demo.layout import Layout
from ostiary.config import Sources, load_settings
from ostiary.errors import ConfigurationError
from ostiary.federation.keys import load_key_ring
from ostiary.saml import names
from sp_shire.applications import domains_of
from sp_shire.metadata import sp_entity
from sp_shire.settings import ShireSettings
from tests.browser import Answer, Browser
from tests.simulator import BASE_PORT, NORTHGATE, START, Simulation, configure, home_of

LIBRARY, LAB = "https://library.example/shar", "https://lab.example/shar"
ARCHIVE_TREE, LAB_TREE = "/archive", "/library/lab"
ACCESS = """
rules:
  - {id: archive, paths: /archive, applications: archive, permit: {attribute: displayName}}
  - {id: lab, paths: /library/lab, applications: lab, permit: {attribute: mail}}
"""
RELEASE = """
policies:
  - id: archive
    for: {requesters: https://library.example/shar}
    target: http://127.0.0.1:20005/archive
    rules: [{id: name, permit: displayName}]
  - id: lab
    for: {requesters: https://lab.example/shar}
    rules: [{id: mail, permit: mail}]
"""


@pytest.fixture
def settings(state: Path) -> ShireSettings:
    """The library with a domain under its own entityID and one, deep inside its own tree, under another. Comes before ``simulation``."""
    directory, home = state / "library", state / NORTHGATE.key
    (directory / "domains.yaml").write_text(ACCESS)
    (home / "domains.yaml").write_text(RELEASE)
    given = yaml.safe_load((home / "aa.yaml").read_text())["release_policies"]
    configure(home / "aa.yaml", release_policies=[*given, str(home / "domains.yaml")])
    access = [str(directory / "domains.yaml")]
    configure(
        directory / "sp.yaml",
        applications=[
            {
                "name": "archive",
                "path": ARCHIVE_TREE,
                "access": access,
                "display": {"name": "The archive"},
                "requested_attributes": [{"name": "displayName", "required": True}],
            },
            {
                "name": "lab",
                "path": LAB_TREE,
                "access": access,
                "entity_id": LAB,
                "display": {"name": "The lab"},
                "requested_attributes": [{"name": "mail"}],
                "identity_provider": NORTHGATE.entity_id,
            },
        ],
    )
    settings = load_settings(directory / "sp.yaml", ShireSettings)
    lab = domains_of(settings)[1]
    ring = load_key_ring(settings.trust.keys, Sources())
    write_aggregate(Layout(state, BASE_PORT), [sp_entity(lab, ring)], START)
    return settings


def url(simulation: Simulation, path: str) -> str:
    return simulation.origin("library") + path


def log_in(simulation: Simulation, browser: Browser, path: str) -> Answer:
    """Goes to the page as alice, whatever she has to answer on the way."""
    page = browser.get(url(simulation, path))
    if "/discovery" in page.url:
        page = browser.submit(page, {"choice": NORTHGATE.entity_id}, having="choice")
    if 'name="password"' in page.text:
        page = browser.submit(page, {"username": "alice", "password": home_of("alice")[1]}, having="password")
    return browser.submit(page, having="SAMLResponse")


def known(simulation: Simulation, browser: Browser, tree: str) -> dict[str, list[str]]:
    """What the session of this tree holds."""
    answer = browser.get(url(simulation, f"{tree}/ostiary/session?format=json"))
    found: dict[str, list[str]] = json.loads(answer.text).get("attributes", {})
    return found


@pytest.mark.usefixtures("settings")
def test_each_tree_learns_what_is_for_it_and_its_session_opens_no_other(simulation: Simulation) -> None:
    browser = simulation.browser()
    # What the demo's application has there is nothing; that it was asked is what counts.
    assert log_in(simulation, browser, "/archive/boxes?n=1").status == 404
    assert known(simulation, browser, ARCHIVE_TREE)["displayName"] == ["Alice Archer"]
    assert known(simulation, browser, "") == {}
    assert known(simulation, browser, LAB_TREE) == {}
    assert "/discovery" in browser.get(url(simulation, "/library/")).url
    assert log_in(simulation, browser, "/library/lab/bench").status == 404
    assert known(simulation, browser, LAB_TREE) == {
        "eduPersonScopedAffiliation": ["member@northgate.example"],
        "mail": ["alice.archer@northgate.example"],
    }
    assert log_in(simulation, browser, "/library/").status == 200
    assert "displayName" not in known(simulation, browser, "")
    assert "mail" not in known(simulation, browser, "")


@pytest.mark.usefixtures("settings")
def test_a_session_cookie_renamed_for_another_tree_is_nobodys(simulation: Simulation) -> None:
    browser = simulation.browser()
    log_in(simulation, browser, "/library/")
    log_in(simulation, browser, "/archive/")
    names_and_values = [
        (name, value)
        for (site, name), value in browser.cookies.items()
        if site.startswith("127.0.0.1") and name.startswith("ost-session-")
    ]
    (first, one), (second, other) = names_and_values
    exchanged = simulation.browser()
    exchanged.cookies = {key: {first: other, second: one}.get(key[1], value) for key, value in browser.cookies.items()}
    assert [bool(known(simulation, browser, tree)) for tree in ("", ARCHIVE_TREE)] == [True, True]
    assert [bool(known(simulation, exchanged, tree)) for tree in ("", ARCHIVE_TREE)] == [False, False]


def test_the_metadata_of_the_resource_holds_the_domain_that_shares_its_name(settings: ShireSettings) -> None:
    ring = load_key_ring(settings.trust.keys, Sources())
    whole = sp_entity(settings, ring).sp
    assert whole is not None
    posted = [end for end in whole.assertion_consumers if end.binding == names.HTTP_POST]
    assert [end.location for end in posted] == [
        "http://127.0.0.1:20005/ostiary/acs",
        "http://127.0.0.1:20005/archive/ostiary/acs",
    ]
    assert [end.is_default for end in posted] == [True, False]
    assert [
        (service.index, [one.friendly_name for one in service.requested]) for service in whole.attribute_consuming
    ] == [
        (0, ["eduPersonScopedAffiliation"]),
        (1, ["displayName"]),
    ]
    lab = sp_entity(domains_of(settings)[1], ring)
    assert lab.entity_id == LAB
    assert lab.sp is not None
    assert [service.index for service in lab.sp.attribute_consuming] == [0]
    assert {end.location.partition("/ostiary/")[0] for end in lab.sp.single_logout} == {
        "http://127.0.0.1:20005/library/lab"
    }


@pytest.mark.usefixtures("settings")
def test_each_entity_publishes_its_own_metadata_and_no_other(simulation: Simulation) -> None:
    browser = simulation.browser()
    found = [browser.get(url(simulation, f"{tree}/ostiary/metadata")).text for tree in ("", ARCHIVE_TREE, LAB_TREE)]
    assert [f'entityID="{LIBRARY}"' in text for text in found] == [True, True, False]
    assert f'entityID="{LAB}"' in found[2]
    assert found[0].count("AssertionConsumerService ") == found[1].count("AssertionConsumerService ")


@pytest.mark.usefixtures("settings")
def test_a_logout_at_home_ends_the_sessions_of_every_tree(simulation: Simulation) -> None:
    browser = simulation.browser()
    for path in ("/library/", "/archive/", "/library/lab/"):
        log_in(simulation, browser, path)
    page = browser.get(url(simulation, "/archive/ostiary/logout"))
    browser.submit(page, {"scope": "everywhere"}, having="scope")
    trees = ("", ARCHIVE_TREE, LAB_TREE)
    assert [known(simulation, browser, tree) for tree in trees] == [{}, {}, {}]


@pytest.mark.usefixtures("settings")
def test_an_answer_for_one_tree_is_refused_by_another(simulation: Simulation) -> None:
    browser = simulation.browser()
    page = browser.get(url(simulation, "/archive/"))
    page = browser.submit(page, {"choice": NORTHGATE.entity_id}, having="choice")
    page = browser.submit(page, {"username": "alice", "password": home_of("alice")[1]}, having="password")
    stolen = page.text.replace("/archive/ostiary/acs", "/ostiary/acs")
    answer = browser.submit(Answer(page.status, page.headers, stolen.encode(), page.url), having="SAMLResponse")
    assert answer.status == 400
    assert simulation.events("refused", service="library")[-1]["code"] == "saml.destination"


@pytest.mark.parametrize(
    ("second", "key"),
    [
        ({"name": "one", "path": "/two"}, "applications[1].name"),
        ({"name": "two", "path": "/one"}, "applications[1].path"),
        ({"name": "two", "path": "/ostiary/two"}, "applications[1].path"),
        ({"name": "two", "path": "/two", "protected": ["/one"]}, "applications[1].protected"),
    ],
)
def test_domains_that_would_be_in_each_others_way_stop_the_start(
    library_file: Path, second: dict[str, object], key: str
) -> None:
    configure(library_file, applications=[{"name": "one", "path": "/one"}, second])
    with pytest.raises(ConfigurationError) as refused:
        load_settings(library_file, ShireSettings)
    assert (refused.value.code, refused.value.key) == ("config.application", key)


@pytest.fixture
def library_file(state: Path) -> Path:
    return state / "library" / "sp.yaml"
