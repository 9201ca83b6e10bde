"""Somebody signs in and something is not known that the resource needs: which page she gets, what it offers, what the log has."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ostiary.federation.error_url import Happening, filled
from ostiary.federation.model import Contact, Entity, IdpRole
from ostiary.federation.registry import Registry
from sp_shire.pages.about import Home, home_of
from tests.simulator import Answer, Simulation, configure

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IDP = "https://idp.uni.example"
REQUIRED = """
rules:
  - {id: name, attribute: displayName}
  - {id: affiliation, attribute: eduPersonScopedAffiliation, left: dean}
required:
  - displayName
  - {any: [subject-id, eduPersonOrcid], because: Your measurements are kept under it.}
  - {any: eduPersonScopedAffiliation}
"""
LogIn = Callable[..., Answer]


@pytest.fixture
def log_in(state: Path) -> Iterator[LogIn]:
    """Logs somebody in at the instrument with this acceptance policy."""
    opened: list[Simulation] = []

    def log_in(policy: str = REQUIRED, *, user: str = "alice", **settings: object) -> Answer:
        (state / "accept.yaml").write_text(policy)
        configure(state / "instrument" / "sp.yaml", accept=[str(state / "accept.yaml")], **settings)
        opened.append(Simulation(state))
        return opened[-1].log_in(opened[-1].browser(), "instrument", user)

    yield log_in
    for simulation in opened:
        simulation.close()


def plain(page: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", page)).split())


def test_it_says_what_is_missing_and_for_what_from_whom_and_whom_to_ask(log_in: LogIn) -> None:
    answer = log_in()
    assert answer.status == 403
    said = plain(answer.text)
    for words in (
        "Something about you is missing",
        "You signed in at Northgate University, but Collaboratory Microscope was not told enough about you.",
        "Lasting identifier at every service or ORCID Missing Your measurements are kept under it.",
        "Northgate University told us nothing of this kind.",
        "Role at the organisation Missing Northgate University told us something of this kind, but nothing that this service believes",
        "Write to help@northgate.example .",
        "Write to help@instrument.example .",
        "Needed eduPersonOrcid urn:oid:1.3.6.1.4.1.5923.1.1.1.16",
    ):
        assert words in said
    assert "Name Missing" not in said


def test_there_is_no_session_and_the_way_on_is_another_account_or_another_try(log_in: LogIn) -> None:
    answer = log_in()
    assert not any("session" in value for name, value in answer.headers if name.lower() == "set-cookie")
    assert re.findall(
        r'<form method="post" action="[^"]*/ostiary/switch"><input type="hidden" name="target" value="([^"]*)">',
        answer.text,
    ) == ["/instrument/"]
    assert 'href="/instrument/">Try once more</a>' in answer.text


def test_letters_name_what_is_missing_and_the_reference(log_in: LogIn) -> None:
    page = log_in().text
    [number] = re.findall(r"<code>([0-9A-F]{4}-[0-9A-F]{4})</code>", page)
    letters = re.findall(r'href="mailto:help@northgate.example\?([^"]*)"', page)
    assert len(letters) == 1
    assert letters[0].endswith(f"{number}.")
    assert "eduPersonOrcid%20%28urn%3Aoid%3A1.3.6.1.4.1.5923.1.1.1.16%29" in letters[0]


def test_whoever_has_one_of_what_is_required_comes_in(log_in: LogIn) -> None:
    everything = (
        "rules: [{attribute: [displayName, mail, eduPersonEntitlement]}]\nrequired: [{any: [eduPersonOrcid, mail]}]"
    )
    assert log_in(everything).status == 200


def test_what_is_made_of_others_counts(log_in: LogIn) -> None:
    made = "rules: [{attribute: [mail, eduPersonEntitlement]}]\ncombine: [{as: user, first_of: [uid, mail]}]\nrequired: [user]"
    assert log_in(made).status == 200


@pytest.mark.parametrize(("shown", "value"), [(False, "***@northgate.example"), (True, "member@northgate.example")])
def test_the_log_has_each_value_s_verdict_and_the_value_only_where_that_is_wanted(
    core_log: Callable[..., list[dict[str, Any]]], shown: bool, value: str
) -> None:
    lines = core_log(log_attribute_values=shown)
    [judged] = [line for line in lines if line["event"] == "attributes_judged"]
    assert judged["authority"] == "https://northgate.example/idp"
    believed, refused = judged["verdicts"]
    assert believed == {
        "attribute": "eduPersonScopedAffiliation",
        "value": value,
        "outcome": "accepted",
        "rule": "members",
        "as": "affiliation",
    }
    assert (refused["outcome"], refused["rule"]) == ("value", "members")
    [missing] = [line for line in lines if line["event"] == "attributes_missing"]
    assert missing["missing"] == [["mail", "displayName"]]
    assert missing["accepted"] == ["affiliation: members"]


@pytest.fixture
def core_log(make_core: Callable[..., Any], tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """The log of a resource at which somebody logged in and was told that something is missing."""

    def lines(**changes: object) -> list[dict[str, Any]]:
        policy = tmp_path / "accept.yaml"
        policy.write_text(
            "rules: [{id: members, attribute: eduPersonScopedAffiliation, left: member, as: affiliation}]\n"
            "required: [{any: [mail, displayName]}]\n"
        )
        core = make_core(accept=(policy,), **changes)
        with pytest.raises(AssertionError):
            core.session("alice")
        return core.log_lines()

    return lines


# --- the home organisation's own page about errors ---

TEMPLATE = "https://idp.uni.example/error?c=ERRORURL_CODE&t=ERRORURL_TS&r=ERRORURL_RP&i=ERRORURL_TID&x=ERRORURL_CTX"


def happening(context: str | None = "mail subject-id", relying_party: str = "https://sp.example/a?b=c&d") -> Happening:
    return Happening("IDENTIFICATION_FAILURE", NOW, relying_party, "AB12-CD34", context)


def test_placeholders_of_an_error_url_are_filled_in_and_encoded() -> None:
    assert filled(TEMPLATE, happening()) == (
        "https://idp.uni.example/error?c=IDENTIFICATION_FAILURE&t=1795348800&r=https%3A%2F%2Fsp.example%2Fa%3Fb%3Dc%26d"
        "&i=AB12-CD34&x=mail%20subject-id"
    )


def test_what_there_is_nothing_for_keeps_its_placeholder_and_an_address_without_any_stays() -> None:
    assert filled("https://a.example/ERRORURL_CODE/ERRORURL_CTX", happening(None)) == (
        "https://a.example/IDENTIFICATION_FAILURE/ERRORURL_CTX"
    )
    assert filled("https://a.example/help", happening()) == "https://a.example/help"


def test_a_value_that_looks_like_a_placeholder_is_not_filled_in_again() -> None:
    assert filled("https://a.example/?r=ERRORURL_RP", happening(relying_party="ERRORURL_TID")) == (
        "https://a.example/?r=ERRORURL_TID"
    )


def registry_of(entity: Entity) -> Registry:
    return Registry([entity])


def test_whom_to_ask_is_the_help_desk_before_others_and_never_who_handles_incidents() -> None:
    contacts = (
        Contact("other", emails=("security@uni.example",)),
        Contact("technical", emails=("tech@uni.example",)),
        Contact("support", emails=("not an address?bcc=x@evil.example", "help@uni.example")),
    )
    entity = Entity(IDP, idp=IdpRole(error_url=TEMPLATE), contacts=contacts)
    home = home_of(IDP, registry_of(entity), NOW)
    assert home == Home(IDP, IDP, "help@uni.example", TEMPLATE)
    assert home_of(IDP, registry_of(Entity(IDP, idp=IdpRole(), contacts=contacts[:1])), NOW) == Home(IDP, IDP)
    assert home_of("https://unknown.example", registry_of(entity), NOW) == Home(
        "https://unknown.example", "https://unknown.example"
    )
