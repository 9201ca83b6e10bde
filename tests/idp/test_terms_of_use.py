"""The terms of use: asked for once per version, whoever signs in and wherever she is going."""

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from lxml import html
from sqlalchemy import MetaData, select

from idp.settings import IdpSettings
from idp.terms.settings import TermsOfUseSettings, parts_of
from idp.terms.store import Acceptances
from idp.terms.tables import terms_acceptance
from ostiary.config import load_settings
from ostiary.errors import ConfigurationError
from ostiary.saml import names
from ostiary.saml.protocol import Response
from ostiary.saml.signature import verify_element
from ostiary.saml.xml import parse_xml
from ostiary.storage.engine import reading

PATH = "/saml/sso/terms"
BASE = "http://localhost:8001"
ENGLISH = "# Fair use\n\nBe kind to <others>\nand to machines.\n\nThat is all."
DUTCH = "# Eerlijk gebruik\n\nWees aardig."
LONG = "x" * 300


@pytest.fixture
def texts(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "terms.en.txt").write_text(ENGLISH)
    (tmp_path / "terms.nl.txt").write_text(DUTCH)
    return {"en": tmp_path / "terms.en.txt", "nl": tmp_path / "terms.nl.txt"}


@pytest.fixture
def make_bound(make_populated_home, make_home, texts):
    """The organisation with terms of use of a version."""

    def make(version: str = "2026-09", *, populated: bool = True):
        terms = TermsOfUseSettings(version=version, texts=texts)
        return (make_populated_home if populated else make_home)(terms_of_use=terms)

    return make


@pytest.fixture
def bound(make_bound):
    return make_bound()


def document(page) -> html.HtmlElement:
    return html.document_fromstring(page.get_data(as_text=True))


def text_of(page) -> str:
    return re.sub(r"\s+", " ", " ".join(document(page).get_element_by_id("main").itertext()))


def is_terms(page) -> bool:
    return page.status_code == 200 and "I accept" in page.get_data(as_text=True)


def ask(home, resource, **changes):
    return home.follow(home.log_in(home.follow(home.get(resource.redirect(**changes)))))


def again(home, resource):
    return home.follow(home.get(resource.redirect(id="_request2")))


def send(home, page, **changes):
    form = document(page).forms[-1]
    data = {name: [value] for name, value in form.fields.items() if value is not None}
    data["answer"] = ["accept"]
    for name, value in changes.items():
        data.pop(name, None)
        if value is not None:
            data[name] = value if isinstance(value, list) else [value]
    return home.client.post(urlsplit(form.action).path, data=data, base_url=BASE)


def accepted(home) -> list[tuple[str, str, str, str]]:
    wanted = select(terms_acceptance)
    with reading(home.engine) as connection:
        rows = connection.execute(wanted).all()
    return [(row.principal, row.version, row.language, row.digest) for row in rows]


def test_they_stand_between_the_login_and_the_answer(bound, library) -> None:
    page = ask(bound, library)
    assert is_terms(page)
    assert "Be kind to <others> and to machines." in text_of(page)
    assert [heading.text for heading in document(page).xpath("//main//section/h2")] == ["Fair use"]
    assert bound.events("handle.minted") == []
    assert bound.accept(send(bound, page), library).assertion.attributes


def test_who_accepted_them_is_not_asked_again(bound, library) -> None:
    send(bound, ask(bound, library))
    assert "SAMLResponse" in again(bound, library).get_data(as_text=True)


def test_what_she_accepted_is_kept_and_audited(bound, library) -> None:
    send(bound, ask(bound, library))
    digest = hashlib.sha256(ENGLISH.encode()).hexdigest()
    assert accepted(bound) == [(bound.people["ada"], "2026-09", "en", digest)]
    [event] = bound.events("terms.accepted")
    assert event.person == bound.people["ada"]
    assert event.facts == {"version": "2026-09", "language": "en", "digest": digest}


def test_a_new_version_is_asked_for_and_the_old_acceptance_stays(bound, make_bound, library) -> None:
    send(bound, ask(bound, library))
    newer = make_bound("2027-01", populated=False)
    page = ask(newer, library)
    assert is_terms(page)
    send(newer, page)
    assert [version for _, version, _, _ in accepted(newer)] == ["2026-09", "2027-01"]


def test_they_are_shown_in_her_language(bound, library) -> None:
    ticket = document(ask(bound, library)).forms[-1].fields["ticket"]
    page = bound.client.get(f"{PATH}?ticket={ticket}", base_url=BASE, headers={"Accept-Language": "nl"})
    # The pages themselves may not speak it (yet): then the terms are in English too.
    assert "Be kind" in text_of(page) or "Wees aardig" in text_of(page)
    send(bound, page, shown=hashlib.sha256(DUTCH.encode()).hexdigest())
    assert [language for _, _, language, _ in accepted(bound)] == ["nl"]


def test_who_does_not_accept_goes_back_with_request_denied(bound, library, idp_signer) -> None:
    answer = send(bound, ask(bound, library), answer="refuse")
    octets = base64.b64decode(document(answer).forms[0].fields["SAMLResponse"])
    status = Response.from_proof(verify_element(parse_xml(octets), [idp_signer.public])).status
    assert (status.code, status.detail) == (names.RESPONDER, names.REQUEST_DENIED)
    assert accepted(bound) == []
    [event] = bound.events("terms.refused")
    assert event.facts == {"version": "2026-09"}


def test_they_are_asked_for_on_the_way_to_her_own_pages_too(bound) -> None:
    page = bound.follow(bound.log_in(bound.follow(bound.get("/account/consents"))))
    assert is_terms(page)
    assert "What you agreed to" in text_of(bound.follow(send(bound, page)))


def test_a_double_click_accepts_once(bound, library) -> None:
    page = ask(bound, library)
    first, second = send(bound, page), send(bound, page)
    assert "SAMLResponse" in first.get_data(as_text=True)
    assert "SAMLResponse" in second.get_data(as_text=True)
    assert len(accepted(bound)) == len(bound.events("terms.accepted")) == 1


def test_accepting_twice_at_once_is_kept_once(bound) -> None:
    acceptances = Acceptances(bound.engine, writer="idp")
    for _ in range(2):
        acceptances.accept("p1", "v", language="en", digest="d" * 64, at=bound.clock.at)
    assert len(accepted(bound)) == 1
    assert len(bound.events("terms.accepted")) == 1


def test_anybody_may_read_them(bound) -> None:
    page = bound.get("/terms")
    assert page.status_code == 200
    assert "Be kind" in text_of(page)
    assert not document(page).forms


def test_without_terms_nobody_is_asked(home, library) -> None:
    assert "SAMLResponse" in ask(home, library).get_data(as_text=True)
    assert home.get("/terms").status_code == 404


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"answer": None}, 400),
        ({"answer": "perhaps"}, 400),
        ({"answer": ["accept", "accept"]}, 400),
        ({"answer": LONG}, 400),
        ({"shown": None}, 400),
        ({"shown": LONG}, 400),
        ({"shown": ["a", "b"]}, 400),
        ({"ticket": None}, 400),
        ({"ticket": "forged"}, 400),
        ({"ticket": LONG}, 400),
        ({"csrf_token": None}, 403),
    ],
)
def test_a_forged_answer_is_refused_and_nothing_is_kept(bound, library, changes, status) -> None:
    page = ask(bound, library)
    assert send(bound, page, **changes).status_code == status
    assert accepted(bound) == []
    assert bound.events("handle.minted") == []


def test_a_text_that_was_never_shown_can_not_be_accepted(bound, library) -> None:
    page = send(bound, ask(bound, library), shown="0" * 64)
    assert is_terms(page)
    assert "The terms changed while you were reading" in text_of(page)
    assert accepted(bound) == []


@pytest.mark.parametrize("query", ["", "?ticket=", "?ticket=forged", "?ticket=a&ticket=b", "?ticket=" + "x" * 65])
def test_the_page_needs_its_ticket(bound, query) -> None:
    assert bound.get(PATH + query).status_code == 400


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "0 bytes"), (b" \n ", "3 bytes"), (b"\xff\xfe", "utf-8"), (b"x" * 200_001, "200001 bytes")],
)
def test_a_text_that_can_not_be_used_stops_the_start(texts, content, found) -> None:
    texts["nl"].write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        TermsOfUseSettings(version="1", texts=texts).read()
    assert refused.value.code == "terms.text"
    assert str(texts["nl"]) == refused.value.file
    assert found in refused.value.found


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("{version: '1', texts: {nl: terms.nl.txt}}", "config.no_english"),
        ("{version: '1', texts: {en: nothing.txt}}", "config.path_file"),
        ("{texts: {en: terms.en.txt}}", "config.missing_key"),
        ("{version: '', texts: {en: terms.en.txt}}", "config.wrong_value"),
    ],
)
def test_settings_that_make_no_sense_are_refused(configuration, texts, written, code) -> None:
    configuration.write_text(configuration.read_text() + f"terms_of_use: {written}\n")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(configuration, IdpSettings)
    assert refused.value.code == code


def test_paragraphs_are_told_apart_by_empty_lines() -> None:
    assert parts_of("# A title\r\n\r\none\r\nline\n\n\n\n#no title\n") == (
        (True, "A title"),
        (False, "one line"),
        (False, "#no title"),
    )


def test_the_migration_makes_exactly_the_table(bound) -> None:
    with reading(bound.engine) as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or name == terms_acceptance.name}
        )
        own = MetaData(naming_convention=terms_acceptance.metadata.naming_convention)
        terms_acceptance.to_metadata(own)
        assert compare_metadata(context, own) == []
