"""``ostiary explain accept``, ``ostiary explain access`` and ``ostiary policy check``: by the very code that decides in service."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ostiary.command.cli import ostiary
from ostiary.federation.keys import create_key_ring, load_key_ring
from ostiary.federation.model import Endpoint, Entity, IdpRole, Scope
from ostiary.federation.publish.documents import signed_aggregate
from ostiary.saml import names
from tests.simulator import START, MovableClock, configure

NORTHGATE = "https://northgate.example/idp"
ACCEPT = """
rules:
  - {id: members, attribute: eduPersonScopedAffiliation, left: [member, staff], as: affiliation}
  - {id: roles, attribute: title, as: role, map: {Professor: staff}}
  - {id: persistent, attribute: eduPersonTargetedID}
combine: [{as: user, first_of: [role, eduPersonTargetedID]}]
required: [user, {any: [mail, sn]}]
"""
ACCESS = """
rules:
  - id: group
    paths: /reports
    permit:
      any:
        - {fqan: /bio/analysis}
        - all:
            - {when: {weekdays: [monday], time: {from: 8:00, to: 18:00}, time_zone: Europe/Vienna}}
            - {network: 192.0.2.0/24}
            - {authn_context: 'urn:mfa'}
            - {authenticated_within: 1h}
    because: Reports are for the analysis group; on Mondays for others, too.
"""


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands live at the simulation's time, or its metadata would end one day."""
    monkeypatch.setattr("ostiary.clock.SystemClock", MovableClock)


@pytest.fixture
def config(state: Path) -> Path:
    """A resource of the demo with policies of its own."""
    for name, text in (("accept", ACCEPT), ("access", ACCESS)):
        (state / f"{name}.yaml").write_text(text)
    path = state / "library" / "sp.yaml"
    configure(path, accept=[str(state / "accept.yaml")], access=[str(state / "access.yaml")])
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(ostiary, arguments, catch_exceptions=False)


def accept(config: Path, *told: str, issuer: str = NORTHGATE) -> Any:
    options = [option for text in told for option in ("--attribute", text)]
    done = run("explain", "accept", "--config", str(config), "--issuer", issuer, *options, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def access(config: Path, *options: str) -> Any:
    done = run("explain", "access", "--config", str(config), "--path", "/reports/1", *options, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_each_value_has_its_verdict_its_rule_and_what_becomes_of_it(config: Path) -> None:
    told = accept(
        config,
        "eduPersonScopedAffiliation=member@northgate.example",
        "eduPersonScopedAffiliation=staff@evil.example",
        "title=Professor",
        "title=Dean",
        "colour=blue",
        f"eduPersonTargetedID={NORTHGATE}!https://library.example/shar!abc",
        "eduPersonTargetedID=https://evil.example!https://library.example/shar!abc",
    )
    assert told["issuer_known"] is True
    assert told["scopes"] == [{"scope": "northgate.example", "pattern": False, "covers_nothing": False}]
    assert [(one["value"][:24], one["reason"], one["rule"], one["as"], one["becomes"]) for one in told["values"]] == [
        ("member@northgate.example", "accepted", "members", "affiliation", None),
        ("staff@evil.example", "scope", "members", None, None),
        ("Professor", "accepted", "roles", "role", "staff"),
        ("Dean", "not_mapped", "roles", None, None),
        ("blue", "no_rule", "no rule", None, None),
        ("https://northgate.exampl", "accepted", "persistent", "eduPersonTargetedID", None),
        ("https://evil.example!htt", "other_issuer", "no rule", None, None),
    ]
    assert told["attributes"]["user"] == ["staff"]
    assert told["missing"] == [["mail", "sn"]]


def test_the_table_says_what_is_required_and_who_is_not_known(config: Path) -> None:
    done = run(
        "explain", "accept", "--config", str(config), "--issuer", "https://nobody.example", "--attribute", "title=Dean"
    )
    assert "No valid metadata knows https://nobody.example" in done.stdout
    assert "roles: nothing is made of this value" in done.stdout
    assert "required and not known: user." in done.stdout
    assert "required and not known: mail | sn." in done.stdout


def test_a_group_opens_the_page_and_the_answer_names_the_rule(config: Path) -> None:
    told = access(config, "--fqan", "/bio/analysis/Role=NULL/Capability=NULL")
    assert (told["allow"], told["rule"], told["reason"]) == (True, "group", "access.permitted")
    assert told["checks"][0] == {
        "kind": "fqan",
        "name": "isMemberOf",
        "expected": "/bio/analysis",
        "found": ["/bio/analysis"],
        "holds": True,
        "negated": False,
        "met": True,
    }


@pytest.mark.parametrize(
    ("options", "allow"),
    [
        (["--at", "2026-11-23T17:59+01:00", "--network", "192.0.2.9", "--authn-context", "urn:mfa"], True),
        (["--at", "2026-11-23T16:59", "--network", "192.0.2.9", "--authn-context", "urn:mfa"], True),
        (["--at", "2026-11-23T18:00+01:00", "--network", "192.0.2.9", "--authn-context", "urn:mfa"], False),
        (["--at", "2026-11-23T12:00Z", "--network", "198.51.100.1", "--authn-context", "urn:mfa"], False),
        (["--at", "2026-11-23T12:00Z", "--authn-context", "urn:mfa"], False),
        (["--at", "2026-11-23T12:00Z", "--network", "192.0.2.9", "--authn-context", "urn:mfa", "--age", "2h"], False),
    ],
)
def test_time_network_and_login_are_those_of_the_options(config: Path, options: list[str], allow: bool) -> None:
    assert access(config, *options)["allow"] is allow


def test_a_scoped_value_under_a_name_of_the_resource_s_own_has_its_scope_still(config: Path, state: Path) -> None:
    rule = "{attribute: affiliation, left: staff, scope: northgate.example}"
    (state / "access.yaml").write_text(f"rules: [{{id: r, paths: /, permit: {rule}}}]")
    assert access(config, "--attribute", "affiliation=staff@northgate.example")["allow"] is True
    assert access(config, "--attribute", "affiliation=staff@southbank.example")["allow"] is False


def test_a_denial_says_what_is_not_met_what_is_not_known_and_whether_a_login_would_help(config: Path) -> None:
    done = run("explain", "access", "--config", str(config), "--path", "/reports/1", "--at", "2026-11-23T12:00Z")
    assert "Denied by the rule: group" in done.stdout
    assert "Reports are for the analysis group; on Mondays for others, too." in done.stdout
    assert [line.split()[-2:] for line in done.stdout.splitlines() if line.startswith(("network", "way of"))] == [
        ["not", "known"],
        ["not", "known"],
    ]
    told = access(config, "--at", "2026-11-23T12:00Z", "--network", "192.0.2.9", "--authn-context", "urn:password")
    assert told["obligations"] == [{"name": "reauthenticate", "authn_contexts": ["urn:mfa"]}]


def test_a_page_without_a_rule_and_a_path_that_hides_where_it_leads_are_told_apart(config: Path) -> None:
    done = run("explain", "access", "--config", str(config), "--path", "/other")
    assert "Denied because no rule is about this page and method." in done.stdout
    done = run("explain", "access", "--config", str(config), "--path", "/reports/../x")
    assert "Denied because the path hides where it leads." in done.stdout


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--attribute", "mail"], "explain.attribute"),
        (["--at", "noon"], "explain.time"),
        (["--fqan", "bio"], "x509.fqan"),
    ],
)
def test_options_that_can_t_be_read_are_refused(config: Path, options: list[str], code: str) -> None:
    done = run("explain", "access", "--config", str(config), "--path", "/reports", *options)
    assert done.exit_code == 1
    assert f"code:     {code}" in done.stderr


def test_checking_a_policy_tells_doubts_and_fails_for_them_only_when_asked_to(state: Path) -> None:
    path = state / "mine.yaml"
    path.write_text("rules: [{id: r, attribute: eduPersonAfiliation}]")
    done = run("policy", "check", "accept", str(path))
    assert done.exit_code == 0
    assert done.stdout == f"good: {path}\n"
    assert done.stderr == (
        "look at: r: No standard knows an attribute eduPersonAfiliation. eduPersonAffiliation was probably meant.\n"
    )
    assert run("policy", "check", "accept", str(path), "--strict").exit_code == 1
    path.write_text("rules: []")
    assert "There are no rules, so nothing gets in." in run("policy", "check", "access", str(path)).stderr


def test_with_the_resource_s_configuration_both_policies_are_compared(config: Path) -> None:
    done = run("policy", "check", "access", "--config", str(config))
    assert done.stderr == "look at: group: The acceptance policy lets no isMemberOf through.\n"
    done = run("policy", "check", "accept", "--config", str(config))
    assert "Nothing in this policy gives mail | sn, which is required: nobody gets in." in done.stderr


def test_expressions_in_metadata_that_cover_nothing_are_named_with_their_entity(config: Path, state: Path) -> None:
    create_key_ring(state / "federation-keys", "federation", now=START)
    ring = load_key_ring(state / "federation-keys")
    scopes = (Scope("(?i).*\\.uni\\.example", is_pattern=True), Scope("^.+\\.uni\\.example$", is_pattern=True))
    endpoint = Endpoint(names.HTTP_REDIRECT, "https://uni.example/sso")
    home = Entity(
        "https://uni.example/idp", idp=IdpRole(keys=ring.published, single_sign_on=(endpoint,), scopes=scopes)
    )
    document = signed_aggregate(
        [home], ring.signer, name="https://federation.example", valid_until=START + timedelta(days=1)
    )
    (state / "more.xml").write_bytes(document)
    trusted = {
        "file": str(state / "more.xml"),
        "trusted_certificates": [str(state / "federation-keys" / "current.crt")],
    }
    configure(config, trust={"keys": "keys", "metadata": [trusted]})
    done = run("policy", "check", "accept", "--config", str(config))
    assert (
        "In metadata https://uni.example/idp registers the expression (?i).*\\.uni\\.example, which is not"
        in done.stderr
    )
    assert "^.+" not in done.stderr
    told = accept(config, "eduPersonScopedAffiliation=member@a.uni.example", issuer="https://uni.example/idp")
    assert [scope["covers_nothing"] for scope in told["scopes"]] == [True, False]
    assert told["values"][0]["accepted"] is True


def test_without_files_and_without_a_configuration_there_is_nothing_to_check() -> None:
    done = run("policy", "check", "access")
    assert done.exit_code == 2
    assert "Missing argument" in done.stderr
