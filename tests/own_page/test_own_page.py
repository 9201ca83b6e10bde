"""The person's own pages: what she sees, what she sets, and what then leaves."""

import json
import re
from datetime import timedelta
from urllib.parse import unquote

import pytest

from attribute_authority.connectors.fixed import StaticConnector
from attribute_authority.connectors.sources import Source
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolver
from ostiary.consent.choices import Mode
from ostiary.errors import Unavailable
from ostiary.policy.release.precedence import Precedence
from tests.own_page.conftest import ADA, LAB, LIBRARY, NOW, PAGES, PAYROLL, box_of, boxes, document, text_of

HERE = f"/my/resource?id={LIBRARY}"
RECOMMENDED = {
    "eduPersonScopedAffiliation": ("member@home.example", "staff@home.example"),
    "mail": ("ada@home.example",),
    "displayName": ("Ada Lovelace",),
    "schacHomeOrganization": ("home.example",),
}


def unticked(page, *labels: str) -> list[str]:
    """What is sent when she takes the ticks from these boxes."""
    away = {box_of(page, label) for label in labels}
    found = document(page).xpath("//input[@name='send'][@checked]/@value")
    return [box for box in found if box not in away]


def ticked(page, *labels: str) -> list[str]:
    return [*document(page).xpath("//input[@name='send'][@checked]/@value"), *(box_of(page, label) for label in labels)]


# --- what she sees


def test_the_list_shows_every_website_that_was_told_something_and_what(ada) -> None:
    ada.was_told(LAB, at=NOW - timedelta(days=2))
    ada.was_told(LIBRARY, "mail", "eduPersonScopedAffiliation", at=NOW - timedelta(days=1))
    ada.was_told(PAGES, at=NOW)
    page = ada.get("/my")
    links = document(page).xpath("//ul[@class='choices']//a")
    assert [re.sub(r"\s+", " ", " ".join(link.itertext())).strip() for link in links] == [
        "The Library Last time 2026-11-21 12:00:00 UTC : Mail address, Role at the organisation",
        "The Lab Last time 2026-11-20 12:00:00 UTC : only that somebody of your organisation is there",
    ]
    assert "ada@home.example" not in page.get_data(as_text=True)


def test_somebody_of_whom_nothing_was_told_is_told_so(ada) -> None:
    assert "No website was told anything about you yet." in ada.text("/my")


def test_nobody_sees_what_was_told_about_another(ada) -> None:
    ada.was_told(LIBRARY, "mail")
    ada.who[0] = "p2"
    assert "The Library" not in ada.text("/my")
    assert "The Library" not in ada.text("/my/history")


def test_a_resource_shows_what_it_would_learn_with_her_own_values_and_why(ada) -> None:
    page = ada.get(HERE)
    text = text_of(page)
    for words in (
        "What The Library learns about you",
        "What The Library is for.",
        "Mail address It says that it needs this ada@home.example Your organisation recommends to send this.",
        "Name It asks for this Ada Lovelace",
        "User name at home ada Your organisation advises against sending this. Its rule: library",
        "Home organisation Always sent home.example Your organisation has to send this, so nobody can turn it off.",
        "The law asks for it.",
        "One thing is not sent, whatever you choose employeeNumber Not sent 1815 Your organisation never sends this there.",
        "Nobody outside needs it.",
        "0 of 60 are sent.",
    ):
        assert words in text, words
    assert document(page).xpath("//a[@href='https://library.example/privacy']")
    found = {label.removesuffix(" It says that it needs this"): on for label, on in boxes(page).items()}
    assert found == {
        "member@home.example": True,
        "staff@home.example": True,
        "Mail address": True,
        "Name It asks for this": True,
        "User name at home": False,
    }


def test_looking_writes_no_line_that_something_was_released(ada) -> None:
    ada.get(HERE)
    assert "attributes_released" not in ada.log.getvalue()


@pytest.mark.parametrize("path", ["/my", HERE, "/my/default", "/my/history", "/my/revoke", "/my/find?q=zzz"])
def test_every_page_has_one_heading_and_a_label_for_each_control(ada, path) -> None:
    ada.was_told(LIBRARY, "mail")
    main = document(ada.get(path))
    assert len(main.xpath("//h1")) == 1
    for control in main.xpath("//input[not(@type='hidden')]"):
        assert main.xpath(f"//label[@for='{control.get('id')}']"), control.get("id")
    for element in main.xpath("//*[@aria-describedby or @aria-labelledby]"):
        for named in f"{element.get('aria-describedby') or ''} {element.get('aria-labelledby') or ''}".split():
            assert main.xpath(f"//*[@id='{named}']"), named
    identifiers = main.xpath("//@id")
    assert len(identifiers) == len(set(identifiers))


def test_a_resource_that_nobody_knows_is_no_page(ada) -> None:
    assert ada.get("/my/resource?id=https://nobody.example/sp").status_code == 404
    assert ada.get(f"/my/resource?id={PAGES}").status_code == 404


def test_one_that_left_the_federation_is_still_shown_to_whom_it_knew(ada) -> None:
    ada.was_told(LAB, "mail")
    del ada.entities[1]
    assert "does not know this website any more" in ada.text(f"/my/resource?id={LAB}")


# --- what she sets


def test_what_she_turns_off_stays_and_what_she_turns_on_goes(ada) -> None:
    page = ada.get(HERE)
    kept = [*unticked(page, "Mail address"), box_of(page, "User name at home")]
    after = ada.follow(ada.send(page, "/my/resource", send=kept))
    assert "Your settings are kept." in text_of(after)
    assert ada.released() == {**{name: RECOMMENDED[name] for name in RECOMMENDED if name != "mail"}, "uid": ("ada",)}
    assert boxes(after)["User name at home"] is True
    assert ada.released(LAB) == {"eduPersonScopedAffiliation": RECOMMENDED["eduPersonScopedAffiliation"]}


def test_of_an_attribute_with_several_values_one_can_stay(ada) -> None:
    page = ada.get(HERE)
    ada.send(page, "/my/resource", send=unticked(page, "staff@home.example"))
    assert ada.released() == {**RECOMMENDED, "eduPersonScopedAffiliation": ("member@home.example",)}
    assert boxes(ada.get(HERE))["staff@home.example"] is False


def test_many_values_have_a_page_of_their_own(ada) -> None:
    path = f"/my/values?id={LIBRARY}&attribute=isMemberOf"
    page = ada.get(path)
    assert len(boxes(page, "/my/values")) == 50
    chosen = [box_of(page, "group-03", "/my/values")]
    after = ada.follow(ada.send(page, "/my/values", send=chosen, answer="these"))
    assert "1 of 60 are sent." in text_of(after)
    later = ada.get(path + "&begin=50")
    assert list(boxes(later, "/my/values")) == [f"group-{number}" for number in range(50, 60)]
    ada.send(later, "/my/values", send=[box_of(later, "group-51", "/my/values")], answer="these")
    assert ada.released()["isMemberOf"] == ("group-03", "group-51")
    ada.send(ada.get(path), "/my/values", send=[], answer="all")
    assert ada.released()["isMemberOf"] == ADA["isMemberOf"]
    ada.send(ada.get(path), "/my/values", send=[], answer="none")
    assert "isMemberOf" not in ada.released()


def test_what_is_mandatory_goes_and_what_is_forbidden_stays_whatever_is_sent(ada) -> None:
    page = ada.get(HERE)
    ada.send(page, "/my/resource", send=[])
    assert ada.released() == {"schacHomeOrganization": ("home.example",)}
    ada.send(ada.get(HERE), "/my/resource", send=list(ticked(ada.get(HERE), *boxes(ada.get(HERE)))))
    assert "employeeNumber" not in ada.released()


def test_a_box_that_the_page_does_not_have_is_refused_and_nothing_kept(ada) -> None:
    page = ada.get(HERE)
    assert ada.send(page, "/my/resource", send=["99"]).status_code == 400
    assert ada.choices.latest("p1", LIBRARY) is None


def test_what_changed_while_she_was_reading_is_not_taken_for_an_answer(ada) -> None:
    page = ada.get(HERE)
    answer = ada.send(page, "/my/resource", shown="0" * 64)
    assert (answer.status_code, "nothing was kept" in text_of(answer)) == (409, True)
    assert ada.choices.latest("p1", LIBRARY) is None


def test_without_the_token_nothing_changes(ada) -> None:
    page = ada.get(HERE)
    assert ada.send(page, "/my/resource", csrf_token=None, send=[]).status_code == 403
    assert ada.get("/my/stop").status_code == 405
    assert ada.released() == RECOMMENDED


def test_taking_back_sends_nothing_more_even_where_she_had_set_nothing(ada) -> None:
    after = ada.follow(ada.send(ada.get(HERE), "/my/stop"))
    assert "You took back everything for this website." in text_of(after)
    assert ada.released() == {"schacHomeOrganization": ("home.example",)}
    again = ada.follow(ada.send(ada.get(HERE), "/my/forget"))
    assert "Your general rule counts." in text_of(again)
    assert ada.released() == RECOMMENDED


def test_everything_is_taken_back_at_once_and_she_is_asked_from_then_on(ada) -> None:
    for entity_id in (LIBRARY, LAB):
        page = ada.get(f"/my/resource?id={entity_id}")
        ada.send(page, "/my/resource")
    page = ada.get("/my/revoke")
    assert "for 2 websites" in text_of(page)
    after = ada.follow(ada.send(page, "/my/revoke", ask="yes", answer="revoke"))
    assert "Nothing before you are asked." in text_of(after)
    assert ada.released(LAB) == {}
    assert ada.released(PAYROLL) == {}


def test_where_there_is_nothing_to_take_back_the_page_says_so_and_claims_nothing(ada) -> None:
    page = ada.get("/my/revoke")
    assert "There is nothing to take back." in text_of(page)
    assert not page.text.count('method="post"')
    ada.send(ada.get(HERE), "/my/resource")
    page = ada.get("/my/revoke")
    ada.send(ada.get(HERE), "/my/forget")
    after = ada.follow(ada.send(page, "/my/revoke", ask=None, answer="revoke"))
    assert "You took everything back" not in text_of(after)
    assert ada.released() == RECOMMENDED


def test_what_the_resource_needs_comes_first_and_nothing_moves_when_it_is_set(ada) -> None:
    def names() -> list[str]:
        found = re.findall(r'<(?:label for|p class="name" id)="send-\d+">([^<]+)', ada.get(HERE).text)
        return [name.strip() for name in found]

    before = names()
    assert before[0] == "Mail address"
    ada.send(ada.get(HERE), "/my/resource", send=[])
    assert names() == before


def test_her_general_rule_counts_where_she_set_nothing(ada) -> None:
    page = ada.get("/my/default")
    ada.send(page, "/my/default", rule="minimal")
    assert ada.released() == {"mail": ("ada@home.example",), "schacHomeOrganization": ("home.example",)}
    ada.send(ada.get("/my/default"), "/my/default", rule="ask")
    assert ada.released() == {"schacHomeOrganization": ("home.example",)}
    assert ada.send(page, "/my/default", rule="everything").status_code == 400
    assert ada.rules.said_by("p1") == "ask"


# --- within what the organisation leaves to people


def test_where_people_may_only_withhold_nothing_can_be_added(make_person) -> None:
    ada = make_person(Precedence(people_may=frozenset({"withhold"})))
    page = ada.get(HERE)
    assert "User name at home" not in boxes(page)
    assert "User name at home Not sent ada" in text_of(page)


def test_where_people_may_only_add_nothing_can_be_kept_back(make_person) -> None:
    ada = make_person(Precedence(people_may=frozenset({"release"}), new_resources=("recommended",)))
    page = ada.get(HERE)
    assert boxes(page) == {"User name at home": False}
    assert "leaves no choice about it" in text_of(page)
    assert "Take back" not in text_of(page)
    ada.send(page, "/my/resource", send=[box_of(page, "User name at home")])
    assert ada.released() == {**RECOMMENDED, "uid": ("ada",)}


def test_what_nobody_may_add_is_not_offered(make_person) -> None:
    ada = make_person(Precedence(never_release=frozenset({"uid"})))
    assert "User name at home" not in boxes(ada.get(HERE))


def test_only_the_general_rules_that_the_organisation_offers_can_be_chosen(make_person) -> None:
    ada = make_person(Precedence(new_resources=("minimal", "ask")))
    page = ada.get("/my/default")
    assert document(page).xpath("//input[@type='radio']/@value") == ["minimal", "ask"]
    assert document(page).xpath("//input[@type='radio'][@checked]/@value") == ["minimal"]
    assert ada.send(page, "/my/default", rule="recommended").status_code == 403


def test_where_consent_is_required_the_rule_is_to_ask_and_her_setting_is_her_answer(make_person) -> None:
    ada = make_person(mode="required")
    assert "there is nothing to choose here" in ada.text("/my/default")
    page = ada.get(HERE)
    assert "You are asked when you sign in there." in text_of(page)
    assert not any(boxes(page).values())
    ada.send(page, "/my/resource", send=[box_of(page, "Mail address")])
    assert ada.released() == {"mail": ("ada@home.example",), "schacHomeOrganization": ("home.example",)}


def test_where_the_organisation_alone_decides_there_is_nothing_to_set(make_person) -> None:
    ada = make_person(never_for=(LIBRARY,))
    page = ada.get(HERE)
    assert "your organisation alone decides" in text_of(page)
    assert document(page).xpath("//form") == []
    ada.rules.say("p1", "ask", at=NOW, by="p1")
    assert ada.released() == RECOMMENDED


# --- finding, history, download


@pytest.mark.parametrize(
    ("typed", "leads_to"),
    [
        (LIBRARY, LIBRARY),
        ("library.example", LIBRARY),
        ("HTTPS://Library.Example/catalogue?q=1#top", LIBRARY),
        ("lab.example/acs", LAB),
    ],
)
def test_an_address_leads_to_its_resource(ada, typed, leads_to) -> None:
    answer = ada.client.get("/my/find", query_string={"q": typed}, base_url="http://localhost:8002")
    location = unquote(answer.headers["Location"])
    assert (answer.status_code, location) == (303, f"http://localhost:8002/my/resource?id={leads_to}")


def test_several_that_fit_are_for_her_to_choose_from(ada) -> None:
    text = ada.text("/my/find?q=the")
    assert "Which one do you mean?" in text
    assert "The Lab" in text
    assert "The Library" in text
    assert "These pages" not in text
    assert "close" in ada.text("/my/find?q=www.library.example")
    assert "No website that your organisation knows" in ada.text("/my/find?q=evil-library.example")


def test_the_history_has_the_newest_first_page_by_page(ada) -> None:
    for number in range(55):
        ada.was_told(LIBRARY, "mail", at=NOW + timedelta(minutes=number), query=number == 54)
    ada.rules.say("p1", "minimal", at=NOW, by="p1")
    page = ada.get("/my/history")
    rows = document(page).xpath("//ol/li")
    assert len(rows) == 50
    assert "You chose another general rule Only what it needs" in text_of(page)
    assert "Mail address (it asked later, by itself)" in text_of(page)
    [older] = document(page).xpath("//a[contains(@href, 'before=')]/@href")
    assert len(document(ada.get(older.removeprefix("http://localhost:8002"))).xpath("//ol/li")) == 6
    assert ada.get("/my/history?before=x").status_code == 400
    assert ada.get(f"/my/history?before={'9' * 20}").status_code == 400
    assert ada.get(f"/my/history?before={'9' * 18}").status_code == 200


def test_the_download_has_everything_about_her_and_nothing_about_others(ada) -> None:
    ada.was_told(LIBRARY, "mail")
    page = ada.get(HERE)
    ada.send(page, "/my/resource", send=unticked(page, "Mail address"))
    ada.rules.say("p1", "minimal", at=NOW, by="p1")
    answer = ada.get("/my/download")
    assert answer.content_type == "application/json; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="about-me-2026-11-22.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    found = json.loads(answer.get_data())
    assert found["person"] == "p1"
    assert {
        "attribute": "mail",
        "values": ["ada@home.example"],
        "from": {"definition": {"attribute": "mail"}},
    } in found["known"]
    assert found["general_rule"] == {
        "chosen": "minimal",
        "in_force": "minimal",
        "history": [{"rule": "minimal", "since": "2026-11-22T12:00:00Z", "until": None}],
    }
    [choice] = found["choices"]
    assert {one["attribute"]: one["may_go"] for one in choice["attributes"]} == {
        "eduPersonScopedAffiliation": True,
        "mail": False,
        "displayName": True,
    }
    assert found["told"] == [
        {"at": "2026-11-22T12:00:00Z", "resource": LIBRARY, "attributes": ["mail"], "how": "sign-on"}
    ]
    assert [one["what"] for one in found["changes"]] == ["consent.rule_set", "consent.set"]
    assert found["lasting_names"] == [{"resource": LIBRARY, "name": "x-p1"}]
    ada.who[0] = "p2"
    assert json.loads(ada.get("/my/download").get_data())["told"] == []


def test_what_was_set_on_the_page_keeps_when_to_be_asked_again(ada) -> None:
    ada.send(ada.get(HERE), "/my/resource")
    found = ada.choices.latest("p1", LIBRARY)
    assert found is not None
    assert found.mode is Mode.ASK_WHEN_CHANGED


# --- parts of a resource


PARTS = """
policies:
  - id: reading
    description: Who reads has to be a member.
    for: {requesters: [https://library.example/shar]}
    rules: [{id: r, permit: [eduPersonScopedAffiliation]}]
  - id: lending
    description: The desk greets you.
    for: {requesters: [https://library.example/shar]}
    target: [https://library.example/desk]
    rules: [{id: r, permit: [displayName]}]
  - id: foreign
    for: {requesters: [https://library.example/shar]}
    target: [https://elsewhere.example/desk]
    rules: [{id: r, permit: [uid]}]
  - id: quiet
    strength: forbidden
    for: {requesters: [https://library.example/shar]}
    target: [https://library.example/desk]
    rules: [{id: r, deny: [mail]}]
"""


def test_what_goes_to_one_part_alone_is_shown_with_that_part_and_can_be_turned_off(make_person) -> None:
    ada = make_person(policies=PARTS)
    page = ada.get(HERE)
    text = text_of(page)
    assert "The desk greets you. Only for the pages below: https://library.example/desk" in text
    assert "Its rule: Who reads has to be a member. member@home.example" in text
    found = boxes(page)
    assert (found["Name It asks for this"], found["User name at home"]) == (True, False)
    assert found["Mail address It says that it needs this"] is False
    assert ada.released(target="https://library.example/desk/7")["displayName"] == ("Ada Lovelace",)
    added = [*unticked(page, "Name"), box_of(page, "Mail address")]
    ada.send(page, "/my/resource", send=added)
    assert set(ada.released(target="https://library.example/desk/7")) == {"eduPersonScopedAffiliation"}
    assert set(ada.released(target="https://library.example/shelf")) == {"eduPersonScopedAffiliation", "mail"}
    # For the pages of which nobody says anything, what any of them forbids stays.
    assert set(ada.released()) == {"eduPersonScopedAffiliation"}


# --- what else may happen


def test_what_can_not_be_looked_up_just_now_is_missing_and_what_she_set_about_it_stays(make_person) -> None:
    ada = make_person()
    ada.send(ada.get(HERE), "/my/resource", send=unticked(ada.get(HERE), "Mail address"))

    class Broken:
        def attributes(self, principal, at):
            raise Unavailable("aa.connector_failed", expected="an answer", found="none")

        def close(self) -> None:
            pass

    known = {name: values for name, values in ADA.items() if name != "mail"}
    sources = [
        Source("fixed", StaticConnector(known, {})),
        Source("directory", Broken(), required=False),
    ]
    definitions = [Definition(name, name) for name in ADA]
    ada.authority._resolver = Resolver(sources, definitions, issuer="https://idp.home.example")
    page = ada.get(HERE)
    assert "could not be looked up just now" in text_of(page)
    assert "Mail address It says that it needs this" not in boxes(page)
    ada.send(page, "/my/resource")
    found = ada.choices.latest("p1", LIBRARY)
    assert found is not None
    assert "mail" in found.names(allowed=False)
    # A download that has half of what is known would look like all of it.
    assert ada.get("/my/download").status_code == 503


def test_conditions_look_at_where_she_is_now(make_person) -> None:
    at_home = """
policies:
  - id: building
    description: Only from inside the building.
    for: {requesters: [https://library.example/shar]}
    when: {network: [127.0.0.0/8]}
    rules: [{id: r, permit: [displayName]}]
"""
    ada = make_person(policies=at_home)
    assert boxes(ada.get(HERE))["Name It asks for this"] is True
    outside = ada.client.get(HERE, base_url="http://localhost:8002", environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert boxes(outside)["Name It asks for this"] is False
