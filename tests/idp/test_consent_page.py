"""The consent page at sign-on, and a person's own list: what she sees, what she answers, what then leaves."""

import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from lxml import html

from idp.consent.settings import ConsentPageSettings
from ostiary.attributes import make_attribute
from ostiary.consent.choices import Mode
from ostiary.consent.store import Choices, EnforcedChoices, choice_key
from ostiary.federation.model import (
    AttributeConsumingService,
    Display,
    LocalizedText,
    Logo,
    RequestedAttribute,
)
from ostiary.saml import names
from ostiary.saml.attribute_names import wire_name
from ostiary.saml.protocol import Response
from ostiary.saml.signature import verify_element
from ostiary.saml.xml import parse_xml

PATH = "/saml/sso/consent"
BASE = "http://localhost:8001"
CATEGORY = "http://refeds.org/category/research-and-scholarship"
DOT = "data:image/png;base64,iVBORw0KGgo="


def changed_sp(home, resource, **changes) -> None:
    """The resource's metadata of this moment, with another SP role or other entity attributes."""
    position = [entity.entity_id for entity in home.entities].index(resource.entity.entity_id)
    home.entities[position] = replace(home.entities[position], **changes)


def presented(library, **display) -> dict[str, object]:
    shown = {
        "names": (LocalizedText("The <Old> Library", "en"), LocalizedText("De Bibliotheek", "nl")),
        "descriptions": (LocalizedText("Books & maps since 1512.", "en"), LocalizedText("Boeken.", "nl")),
        "privacy_statement_urls": (LocalizedText("https://library.example.net/privacy", "en"),),
        **display,
    }
    return {"display": Display(**shown)}


def requesting(*required: str, index: int = 0, **more) -> AttributeConsumingService:
    asked = tuple(RequestedAttribute(wire_name(name), required=True) for name in required)
    return AttributeConsumingService(index, (LocalizedText("service", "en"),), asked, **more)


@pytest.fixture
def make_consenting(make_populated_home, library):
    """The organisation with consent, in which the mail address is required by the library; Ada is there."""

    def make(**settings):
        asks = ConsentPageSettings.model_validate({"mode": "required", **settings})
        made = make_populated_home(consent=asks)
        made.attribute_source.choices = EnforcedChoices(Choices(made.engine, writer="aa"), asks)
        role = replace(library.entity.sp, **presented(library), attribute_consuming=(requesting("mail"),))
        changed_sp(made, library, sp=role)
        return made

    return make


@pytest.fixture
def consenting(make_consenting):
    return make_consenting()


def document(page) -> html.HtmlElement:
    return html.document_fromstring(page.get_data(as_text=True))


def text_of(page) -> str:
    return re.sub(r"\s+", " ", " ".join(document(page).get_element_by_id("main").itertext()))


def consent_form(page) -> html.FormElement:
    [form] = [form for form in document(page).forms if "shown" in form.fields]
    return form


def boxes(page) -> dict[str, bool]:
    """The attributes that may be left out, each with whether it is ticked."""
    found = consent_form(page).xpath(".//input[@name='release']")
    return {box.get("value"): box.get("checked") is not None for box in found}


def is_consent(page) -> bool:
    return page.status_code == 200 and 'name="shown"' in page.get_data(as_text=True)


def ask(home, resource, **changes):
    """The consent page (or whatever comes) after the login."""
    return home.follow(home.log_in(home.follow(home.get(resource.redirect(**changes)))))


def again(home, resource, **changes):
    return home.follow(home.get(resource.redirect(**changes)))


def fields_of(page, **changes) -> list[tuple[str, str]]:
    """What a browser sends when she presses the first button; None leaves a field out, a list sends it several times."""
    form = consent_form(page)
    sent = [(name, value) for name, value in form.form_values() if name != "answer"] + [("answer", "accept")]
    sent = [(name, value) for name, value in sent if name not in changes]
    for name, value in changes.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                sent.append((name, one))
    return sent


def send(home, page, **changes):
    data: dict[str, list[str]] = {}
    for name, value in fields_of(page, **changes):
        data.setdefault(name, []).append(value)
    return home.client.post(urlsplit(consent_form(page).action).path, data=data, base_url=BASE)


def sent_to(home, page, resource) -> dict[str, tuple[str, ...]]:
    return {attribute.name: attribute.texts() for attribute in home.accept(page, resource).assertion.attributes}


def status_in(page, signer) -> tuple[str, str | None]:
    import base64

    octets = base64.b64decode(document(page).forms[0].fields["SAMLResponse"])
    status = Response.from_proof(verify_element(parse_xml(octets), [signer.public])).status
    return status.code, status.detail


def refused(home, page, code: str, status: int = 400) -> None:
    text = page.get_data(as_text=True)
    assert page.status_code == status, text
    number = re.search(r"[0-9A-F]{4}-[0-9A-F]{4}", text)
    assert number is not None
    line = next(line for line in home.log.getvalue().splitlines() if number.group() in line)
    assert f'"code": "{code}"' in line or f'"code":"{code}"' in line


# --- what she sees


def test_the_first_visit_shows_who_asks_for_what_purpose_and_every_value(consenting, library) -> None:
    page = ask(consenting, library)
    assert is_consent(page)
    text = text_of(page)
    for words in (
        "What The <Old> Library will learn about you",
        "Books & maps since 1512.",
        "Mail address",
        "ada@example.org",
        "Required",
        "Role at the organisation",
        "member@example.org",
        "Your choice",
    ):
        assert words in text
    assert document(page).xpath("//a[@href='https://library.example.net/privacy']")
    assert boxes(page) == {"eduPersonScopedAffiliation": True}


def test_the_page_speaks_her_language_where_the_resource_does(consenting, library) -> None:
    page = ask(consenting, library)
    dutch = consenting.client.get(
        f"{PATH}?ticket={consent_form(page).fields['ticket']}", base_url=BASE, headers={"Accept-Language": "nl"}
    )
    assert is_consent(dutch)


def test_every_control_has_its_label_and_every_group_its_name(consenting, library) -> None:
    main = document(ask(consenting, library))
    for control in main.xpath("//input[not(@type='hidden')]"):
        assert main.xpath(f"//label[@for='{control.get('id')}']"), control.get("id")
        for described in (control.get("aria-describedby") or "").split():
            assert main.xpath(f"//*[@id='{described}']")
    assert all(group.find("legend") is not None for group in main.xpath("//fieldset"))
    assert len(main.xpath("//h1")) == 1
    identifiers = main.xpath("//@id")
    assert len(identifiers) == len(set(identifiers))


def test_the_page_is_stored_nowhere_and_runs_no_script(consenting, library) -> None:
    page = ask(consenting, library)
    assert page.headers["Cache-Control"] == "no-store"
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "img-src 'self' data:;" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("logos", "urls", "shown", "origin"),
    [
        ("embedded", [DOT], DOT, ""),
        ("embedded", ["https://library.example.net/logo.png"], None, ""),
        ("embedded", ["data:image/png2,x"], None, ""),
        ("embedded", ["data:image/png," + "x" * 100_000], None, ""),
        ("none", [DOT], None, ""),
        (
            "fetched",
            ["https://Library.example.net:8443/logo.png"],
            "https://Library.example.net:8443/logo.png",
            " https://library.example.net:8443",
        ),
        ("fetched", ["http://library.example.net/logo.png"], None, ""),
        ("fetched", ["https://x;script-src 'unsafe-inline'/logo.png"], None, ""),
        ("fetched", ["https://user@library.example.net/logo.png"], None, ""),
        ("fetched", ["https://[broken/logo.png", DOT], DOT, ""),
    ],
)
def test_a_logo_is_fetched_only_where_the_organisation_allows_it(
    make_consenting, library, logos, urls, shown, origin
) -> None:
    home = make_consenting(logos=logos)
    pictures = tuple(Logo(url, 800, 400) for url in urls)
    changed_sp(home, library, sp=replace(library.entity.sp, **presented(library, logos=pictures)))
    page = ask(home, library)
    found = document(page).xpath("//main//img")
    assert [image.get("src") for image in found] == ([shown] if shown else [])
    assert [(image.get("width"), image.get("height"), image.get("alt")) for image in found] == (
        [("240", "120", "")] if shown else []
    )
    assert f"img-src 'self' data:{origin};" in page.headers["Content-Security-Policy"]


def test_a_logo_in_her_language_comes_first(make_consenting, library) -> None:
    home = make_consenting()
    logos = (Logo(DOT + "1", 9, 9, "nl"), Logo(DOT + "2", 9, 9), Logo(DOT + "3", 9, 9, "en"))
    changed_sp(home, library, sp=replace(library.entity.sp, **presented(library, logos=logos)))
    assert document(ask(home, library)).xpath("//main//img/@src") == [DOT + "3"]


def test_a_privacy_address_that_would_run_a_script_is_no_link(consenting, library) -> None:
    urls = (LocalizedText("javascript:alert(1)", "en"),)
    role = replace(library.entity.sp, **presented(library, privacy_statement_urls=urls))
    changed_sp(consenting, library, sp=role)
    page = ask(consenting, library)
    assert "javascript:" not in page.get_data(as_text=True)


def test_many_values_are_folded_away_but_all_there(consenting, library) -> None:
    groups = [f"/vo/group{number}" for number in range(14)]
    consenting.attribute_source.attributes = (make_attribute("isMemberOf", groups),)
    page = ask(consenting, library)
    assert "4 more values" in text_of(page)
    assert all(group in text_of(page) for group in groups)


def test_what_is_required_is_what_the_service_that_was_asked_for_requires(consenting, library) -> None:
    services = (requesting("mail", index=1), requesting("eduPersonScopedAffiliation", index=7, is_default=True))
    changed_sp(consenting, library, sp=replace(library.entity.sp, attribute_consuming=services))
    assert set(boxes(ask(consenting, library))) == {"mail"}
    element = library.request().to_xml()
    element.set("AttributeConsumingServiceIndex", "1")
    page = consenting.follow(consenting.get(library.redirect_element(element)))
    assert set(boxes(page)) == {"eduPersonScopedAffiliation"}


def test_the_subject_identifier_that_metadata_asks_for_is_required(consenting, library) -> None:
    consenting.attribute_source.attributes = (make_attribute("pairwise-id", ["abc@example.org"]),)
    changed_sp(
        consenting,
        library,
        entity_attributes=(("urn:oasis:names:tc:SAML:profiles:subject-id:req", ("pairwise-id",)),),
    )
    assert boxes(ask(consenting, library)) == {}


# --- what she answers


def test_after_she_agrees_everything_goes_and_she_is_not_asked_again(consenting, library) -> None:
    answer = send(consenting, ask(consenting, library))
    both = {"mail": ("ada@example.org",), "eduPersonScopedAffiliation": ("member@example.org",)}
    assert sent_to(consenting, answer, library) == both
    assert sent_to(consenting, again(consenting, library, id="_request2"), library) == both


def test_what_she_leaves_out_does_not_go(consenting, library) -> None:
    answer = send(consenting, ask(consenting, library), release=None)
    assert sent_to(consenting, answer, library) == {"mail": ("ada@example.org",)}
    [event] = consenting.events("consent.given")
    assert event.facts == {
        "for": "https://library.example.net/sp",
        "mode": "ask_when_changed",
        "allowed": ["mail"],
        "withheld": ["eduPersonScopedAffiliation"],
    }
    assert event.person == consenting.people["ada"]


def test_what_she_left_out_before_is_not_ticked_when_she_is_asked_again(consenting, library) -> None:
    send(consenting, ask(consenting, library), release=None)
    consenting.attribute_source.attributes += (make_attribute("displayName", ["Ada"]),)
    page = again(consenting, library, id="_request2")
    assert boxes(page) == {"eduPersonScopedAffiliation": False, "displayName": True}
    assert "It would learn something that you were not asked about before: Name." in text_of(page)


def test_who_sends_nothing_goes_back_with_request_denied(consenting, library, idp_signer) -> None:
    answer = send(consenting, ask(consenting, library), answer="refuse")
    assert status_in(answer, idp_signer) == (names.RESPONDER, names.REQUEST_DENIED)
    [event] = consenting.events("consent.refused")
    assert (event.person, dict(event.facts)) == (
        consenting.people["ada"],
        {"for": "https://library.example.net/sp"},
    )
    assert consenting.events("handle.minted") == []
    assert is_consent(again(consenting, library, id="_request2"))


def test_a_passive_request_is_told_that_she_would_have_to_be_asked(consenting, library, idp_signer) -> None:
    ask(consenting, library)
    answer = again(consenting, library, id="_request2", is_passive=True)
    assert status_in(answer, idp_signer) == (names.RESPONDER, names.NO_PASSIVE)


@pytest.mark.parametrize("mode", list(Mode))
def test_when_she_is_asked_again_is_her_choice(consenting, library, mode) -> None:
    send(consenting, ask(consenting, library), mode=mode.value)
    assert is_consent(again(consenting, library, id="_request2")) is (mode is Mode.ASK_ALWAYS)
    consenting.attribute_source.attributes = (make_attribute("mail", ["ada@new.example"]),)
    page = again(consenting, library, id="_request3")
    assert is_consent(page) is (mode is not Mode.REMEMBER)
    if mode is Mode.REMEMBER:
        assert sent_to(consenting, page, library) == {"mail": ("ada@new.example",)}
    else:
        assert "Something about you has changed: Mail address." in text_of(page)


def test_who_wants_to_be_asked_always_is_asked_once_in_each_sign_on(consenting, library) -> None:
    for number in range(3):
        page = ask(consenting, library) if number == 0 else again(consenting, library, id=f"_request{number}")
        assert is_consent(page)
        assert "SAMLResponse" in send(consenting, page, mode="ask_always").get_data(as_text=True)


def test_another_purpose_is_asked_about_and_another_language_is_not(consenting, library) -> None:
    send(consenting, ask(consenting, library))
    path = library.redirect(id="_request2")
    dutch = consenting.client.get(path, base_url=BASE, headers={"Accept-Language": "nl"})
    assert "SAMLResponse" in dutch.get_data(as_text=True)
    described = (LocalizedText("Advertising.", "en"), LocalizedText("Boeken.", "nl"))
    changed_sp(consenting, library, sp=replace(library.entity.sp, **presented(library, descriptions=described)))
    page = again(consenting, library, id="_request3")
    assert is_consent(page)
    assert "It describes itself" in text_of(page)


def test_an_answer_grows_old_where_the_organisation_says_so(make_consenting, library) -> None:
    home = make_consenting(ask_again_after="1h")
    send(home, ask(home, library), mode="remember")
    home.clock.move(timedelta(minutes=59))
    assert not is_consent(again(home, library, id="_request2", issue_instant=home.clock.at))
    home.clock.move(timedelta(minutes=1))
    assert is_consent(again(home, library, id="_request3", issue_instant=home.clock.at))


def test_a_double_click_is_one_answer(consenting, library) -> None:
    page = ask(consenting, library)
    first, second = send(consenting, page), send(consenting, page)
    assert sent_to(consenting, first, library) == sent_to(consenting, second, library)
    assert len(consenting.events("consent.given")) == 1


def test_what_changed_while_she_read_is_shown_before_it_goes(consenting, library) -> None:
    page = ask(consenting, library)
    consenting.attribute_source.attributes += (make_attribute("displayName", ["Ada"]),)
    shown = send(consenting, page)
    assert is_consent(shown)
    assert "What is to be sent changed while you were reading" in text_of(shown)
    assert consenting.events("consent.given") == []
    assert set(sent_to(consenting, send(consenting, shown), library)) == {
        "mail",
        "eduPersonScopedAffiliation",
        "displayName",
    }


def test_where_nothing_goes_nobody_is_asked(consenting, library) -> None:
    consenting.attribute_source.attributes = ()
    assert sent_to(consenting, ask(consenting, library), library) == {}


# --- what the organisation chooses


def test_without_consent_policies_alone_decide(make_consenting, library) -> None:
    home = make_consenting(mode="off")
    assert set(sent_to(home, ask(home, library), library)) == {"mail", "eduPersonScopedAffiliation"}


@pytest.mark.parametrize("exempt", ["https://library.example.net/sp", CATEGORY])
def test_exempt_resources_ask_nobody(make_consenting, library, exempt) -> None:
    home = make_consenting(never_for=[exempt])
    home.attribute_source.choices = None
    changed_sp(home, library, entity_attributes=((names.ENTITY_CATEGORY, (CATEGORY,)),))
    assert "SAMLResponse" in ask(home, library).get_data(as_text=True)


def test_some_resources_ask_at_every_visit_whatever_she_chose(make_consenting, library) -> None:
    home = make_consenting(always_for=["https://library.example.net/sp"])
    page = ask(home, library)
    assert "Here you are asked at every visit" in text_of(page)
    assert "SAMLResponse" in send(home, page, mode="remember").get_data(as_text=True)
    assert is_consent(again(home, library, id="_request2"))


def test_where_she_is_only_told_there_is_nothing_to_leave_out(make_consenting, library) -> None:
    home = make_consenting(mode="inform")
    page = ask(home, library)
    assert boxes(page) == {}
    assert "This will be sent" in text_of(page)
    assert "Required" not in text_of(page)
    assert set(sent_to(home, send(home, page), library)) == {"mail", "eduPersonScopedAffiliation"}
    assert not is_consent(again(home, library, id="_request2"))


# --- hostile input

LONG = "x" * 300


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"answer": None}, "consent.answer"),
        ({"answer": ""}, "consent.answer"),
        ({"answer": "maybe"}, "consent.answer"),
        ({"answer": ["accept", "refuse"]}, "http.parameter_repeated"),
        ({"answer": LONG}, "http.parameter_too_long"),
        ({"mode": None}, "http.parameter_missing"),
        ({"mode": "never"}, "consent.mode"),
        ({"mode": ["remember", "ask_always"]}, "http.parameter_repeated"),
        ({"mode": LONG}, "http.parameter_too_long"),
        ({"shown": None}, "http.parameter_missing"),
        ({"shown": LONG}, "http.parameter_too_long"),
        ({"shown": ["a", "b"]}, "http.parameter_repeated"),
        ({"release": "eduPersonPrincipalName"}, "consent.attribute"),
        ({"release": ""}, "consent.attribute"),
        ({"release": LONG}, "consent.attribute"),
        ({"release": ["a"] * 70}, "http.too_many_parameters"),
        ({"ticket": None}, "http.parameter_missing"),
        ({"ticket": "forged"}, "sso.ticket"),
        ({"ticket": LONG}, "http.parameter_too_long"),
        ({"ticket": ["a", "b"]}, "http.parameter_repeated"),
    ],
)
def test_a_forged_answer_is_refused_and_nothing_is_kept(consenting, library, changes, code) -> None:
    page = ask(consenting, library)
    refused(consenting, send(consenting, page, **changes), code)
    assert consenting.events("consent") == []
    assert consenting.events("handle.minted") == []


def test_an_answer_about_something_else_is_shown_the_page_again(consenting, library) -> None:
    page = send(consenting, ask(consenting, library), shown="0" * 64)
    assert is_consent(page)
    assert consenting.events("consent.given") == []


def test_an_answer_without_the_forms_token_is_refused(consenting, library) -> None:
    page = ask(consenting, library)
    refused(consenting, send(consenting, page, csrf_token=None), "csrf.token", 403)
    assert consenting.events("consent.given") == []


def test_another_browser_can_not_answer(consenting, library) -> None:
    page = ask(consenting, library)
    ticket = consent_form(page).fields["ticket"]
    other = consenting.make_client()
    refused(consenting, other.get(f"{PATH}?ticket={ticket}", base_url=BASE), "sso.other_browser")


@pytest.mark.parametrize("query", ["", "?ticket=", "?ticket=a&ticket=b", "?ticket=forged", "?ticket=" + "x" * 65])
def test_the_page_needs_its_ticket(consenting, query) -> None:
    assert consenting.get(PATH + query).status_code == 400


def test_asking_for_the_head_uses_nothing_up(consenting, library) -> None:
    page = ask(consenting, library)
    path = f"{PATH}?ticket={consent_form(page).fields['ticket']}"
    assert consenting.client.head(path, base_url=BASE).status_code == 405
    assert is_consent(consenting.get(path))


def test_after_her_session_ended_she_has_to_log_in_first(consenting, library) -> None:
    page = ask(consenting, library)
    consenting.clock.move(timedelta(minutes=1))
    home_page = document(consenting.get("/"))
    [logout] = [form for form in home_page.forms if "logout" in form.action]
    consenting.post(urlsplit(logout.action).path, dict(logout.fields))
    answer = consenting.follow(send(consenting, page))
    assert 'name="password"' in answer.get_data(as_text=True)
    assert consenting.events("consent.given") == []


# --- her own list


def listed(home):
    return home.follow(home.get("/account/consents"))


def list_form(page, name: str) -> html.FormElement:
    return next(form for form in document(page).forms if form.action.endswith(name))


def submit(home, form: html.FormElement, **changes):
    sent = [(name, value) for name, value in form.form_values() if name not in changes]
    data: dict[str, list[str]] = {}
    for name, value in sent:
        data.setdefault(name, []).append(value)
    for name, value in changes.items():
        if value is not None:
            data[name] = value if isinstance(value, list) else [value]
    return home.client.post(urlsplit(form.action).path, data=data, base_url=BASE)


def test_the_list_says_what_she_agreed_to_for_whom_and_when(consenting, library) -> None:
    send(consenting, ask(consenting, library), release=None)
    text = text_of(listed(consenting))
    for words in ("The <Old> Library", "2026-11-22 12:00:00 UTC", "Mail address", "Role at the organisation"):
        assert words in text
    form = list_form(listed(consenting), "/change")
    assert [box.get("checked") for box in form.xpath(".//input[@name='release']")] == [None]


def test_the_list_needs_a_login_and_comes_back_after_it(consenting) -> None:
    page = listed(consenting)
    assert 'name="password"' in page.get_data(as_text=True)
    after = consenting.follow(consenting.log_in(page))
    assert "You have not agreed to anything yet" in text_of(after)


def test_where_nobody_is_asked_the_list_does_not_say_that_she_will_be(make_consenting) -> None:
    home = make_consenting(mode="off")
    after = text_of(home.follow(home.log_in(listed(home))))
    assert "does not ask you at present" in after
    assert "You will be asked" not in after


def test_she_can_allow_more_and_choose_when_to_be_asked(consenting, library) -> None:
    send(consenting, ask(consenting, library), release=None)
    form = list_form(listed(consenting), "/change")
    done = consenting.follow(submit(consenting, form, release="eduPersonScopedAffiliation", mode="remember"))
    assert "Your changes are kept" in text_of(done)
    answer = again(consenting, library, id="_request2")
    assert set(sent_to(consenting, answer, library)) == {"mail", "eduPersonScopedAffiliation"}
    [event] = consenting.events("consent.changed")
    assert event.facts["mode"] == "remember"


def test_she_can_leave_out_more_but_not_what_is_required(consenting, library) -> None:
    send(consenting, ask(consenting, library))
    submit(consenting, list_form(listed(consenting), "/change"), release=None)
    assert sent_to(consenting, again(consenting, library, id="_request2"), library) == {"mail": ("ada@example.org",)}


def test_what_she_takes_back_is_asked_again_and_says_so(consenting, library) -> None:
    send(consenting, ask(consenting, library))
    done = consenting.follow(submit(consenting, list_form(listed(consenting), "/revoke")))
    assert "You took that back" in text_of(done)
    assert "taken back on 2026-11-22 12:00:00 UTC" in text_of(done)
    assert len(consenting.events("consent.revoked")) == 1
    page = again(consenting, library, id="_request2")
    assert is_consent(page)
    assert "You took back what you had agreed to." in text_of(page)


def test_a_resource_that_left_the_federation_can_still_be_taken_back(consenting, library) -> None:
    send(consenting, ask(consenting, library))
    consenting.entities[:] = [entity for entity in consenting.entities if entity.entity_id != library.entity.entity_id]
    page = listed(consenting)
    assert "Your organisation no longer knows this resource" in text_of(page)
    assert consenting.follow(submit(consenting, list_form(page, "/revoke"))).status_code == 200
    assert len(consenting.events("consent.revoked")) == 1


SOMEBODY_ELSES = choice_key("f" * 32, "https://library.example.net/sp")


@pytest.mark.parametrize("where", ["/change", "/revoke"])
@pytest.mark.parametrize(
    ("key", "code", "status"),
    [
        (None, "http.parameter_missing", 400),
        (SOMEBODY_ELSES, "consent.unknown", 404),
        (["a", "b"], "http.parameter_repeated", 400),
        (LONG, "http.parameter_too_long", 400),
    ],
)
def test_only_her_own_choices_can_be_touched(consenting, library, where, key, code, status) -> None:
    Choices(consenting.engine, writer="idp")
    send(consenting, ask(consenting, library))
    form = list_form(listed(consenting), where)
    refused(consenting, submit(consenting, form, choice=key), code, status)
    assert len(consenting.events("consent")) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"mode": "never"}, "consent.mode"),
        ({"mode": None}, "http.parameter_missing"),
        ({"mode": LONG}, "http.parameter_too_long"),
        ({"release": "eduPersonPrincipalName"}, "consent.attribute"),
        ({"release": LONG}, "consent.attribute"),
        ({"release": ""}, "consent.attribute"),
    ],
)
def test_a_forged_change_is_refused(consenting, library, changes, code) -> None:
    send(consenting, ask(consenting, library))
    refused(consenting, submit(consenting, list_form(listed(consenting), "/change"), **changes), code)
    assert consenting.events("consent.changed") == []


@pytest.mark.parametrize("where", ["/change", "/revoke"])
def test_a_change_without_the_forms_token_is_refused(consenting, library, where) -> None:
    send(consenting, ask(consenting, library))
    form = list_form(listed(consenting), where)
    refused(consenting, submit(consenting, form, csrf_token=None), "csrf.token", 403)
    assert len(consenting.events("consent")) == 1


@pytest.mark.parametrize("where", ["/change", "/revoke"])
def test_without_a_session_a_change_leads_to_the_login_and_changes_nothing(consenting, library, where) -> None:
    send(consenting, ask(consenting, library))
    form = list_form(listed(consenting), where)
    [session] = [cookie for cookie in consenting.client._cookies.values() if "-session-" in cookie.key]
    consenting.client.delete_cookie(session.key, domain="localhost")
    answer = consenting.follow(submit(consenting, form))
    assert 'name="password"' in answer.get_data(as_text=True)
    assert len(consenting.events("consent")) == 1


@pytest.mark.parametrize("query", ["?done=<script>", "?done=other", "?done="])
def test_the_list_says_only_what_is_in_its_catalogue(consenting, library, query) -> None:
    send(consenting, ask(consenting, library))
    page = consenting.get("/account/consents" + query)
    assert page.status_code == 200
    assert "banner good" not in page.get_data(as_text=True)


def test_the_lists_parameter_is_bounded(consenting, library) -> None:
    send(consenting, ask(consenting, library))
    refused(consenting, consenting.get("/account/consents?done=" + LONG), "http.parameter_too_long")
    refused(consenting, consenting.get("/account/consents?done=a&done=b"), "http.parameter_repeated")
