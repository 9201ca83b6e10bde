"""The portal: which resources stand there, in which groups, and where their links lead."""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from idp.portal.catalogue import MAXIMUM_SHOWN, entries, grouped, search
from idp.portal.settings import PortalDocument, PortalResource, PortalSettings
from ostiary.config import Sources, load_settings
from ostiary.errors import ConfigurationError
from ostiary.federation.model import Display, Endpoint, Entity, IdpRole, LocalizedText, SpRole
from ostiary.saml import names

LIBRARY = "https://library.example.net/sp"
LAB = "https://lab.example.com/sp"
CATEGORY = "http://refeds.org/category/research-and-scholarship"
PNG = b"\x89PNG\r\n"


def resource(entity_id: str, name: str = "", *, description: str = "", categories: tuple[str, ...] = (), **texts):
    shown = Display(
        names=(LocalizedText(name, "en"),) if name else (),
        descriptions=(LocalizedText(description, "en"),) if description else (),
        **texts,
    )
    attributes = ((names.ENTITY_CATEGORY, categories),) if categories else ()
    return Entity(entity_id, sp=SpRole(display=shown), entity_attributes=attributes)


KNOWN = (
    resource("https://b.example", "Beta"),
    resource("https://a.example", "alpha", description="Telescopes", categories=(CATEGORY,)),
    resource("https://c.example"),
    Entity("https://home.example", idp=IdpRole()),
)


def titles(portal: PortalSettings, described=(), language: str = "en", known=KNOWN) -> list[str]:
    return [entry.title for entry in entries(portal, [(one, "") for one in described], known, language)]


def described(entity_id: str, **more) -> PortalResource:
    return PortalResource.model_validate({"entity_id": entity_id, **more})


def test_resources_of_metadata_stand_by_their_title_and_home_organisations_do_not() -> None:
    assert titles(PortalSettings()) == ["alpha", "Beta", "https://c.example"]


def test_what_is_hidden_by_name_or_category_is_not_there() -> None:
    assert titles(PortalSettings(hide=("https://b.example", CATEGORY))) == ["https://c.example"]


def test_a_category_alone_may_be_shown() -> None:
    assert titles(PortalSettings(only=(CATEGORY,))) == ["alpha"]


def test_metadata_may_be_left_out_altogether() -> None:
    portal = PortalSettings(all_in_metadata=False)
    assert titles(portal) == []
    assert titles(portal, [described("https://b.example")]) == ["Beta"]


def test_described_resources_come_in_the_order_of_their_groups_then_all_others() -> None:
    shown = entries(
        PortalSettings(),
        [
            (described("https://c.example", title="Zeta", group="Work"), ""),
            (described("https://b.example", group="Books"), ""),
            (described("https://c.example", title="Eta", group="Work", target="https://c.example/eta"), "data:,"),
        ],
        KNOWN,
        "en",
    )
    found = {group: [entry.title for entry in members] for group, members in grouped(shown).items()}
    assert found == {"Work": ["Eta", "Zeta"], "Books": ["Beta"], "": ["alpha"]}
    assert list(found) == ["Work", "Books", ""]
    assert [(entry.target, entry.logo) for entry in shown[:2]] == [("https://c.example/eta", "data:,"), (None, "")]


def test_what_is_described_and_not_in_metadata_is_not_there() -> None:
    assert titles(PortalSettings(), [described("https://gone.example", title="Gone")]) == [
        "alpha",
        "Beta",
        "https://c.example",
    ]


def test_what_is_described_and_hidden_is_not_there() -> None:
    assert "Beta" not in titles(PortalSettings(hide=("https://b.example",)), [described("https://b.example")])


def test_texts_come_in_the_language_that_is_read_else_in_english() -> None:
    known = (resource("https://a.example", "Library"),)
    site = [described("https://a.example", title={"en": "Books", "nl": "Boeken"})]
    assert titles(PortalSettings(), site, "nl-BE", known) == ["Boeken"]
    assert titles(PortalSettings(), site, "fr", known) == ["Books"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", ["alpha", "Beta", "https://c.example"]),
        ("ALPHA", ["alpha"]),
        ("telescopes alp", ["alpha"]),
        ("telescopes beta", []),
        ("c.example", ["https://c.example"]),
        ("  ", ["alpha", "Beta", "https://c.example"]),
        (".*", []),
    ],
)
def test_a_search_finds_what_has_every_word(wanted: str, found: list[str]) -> None:
    shown = entries(PortalSettings(), [], KNOWN, "en")
    assert [entry.title for entry in search(shown, wanted)] == found


def test_a_search_knows_names_in_other_languages_and_keywords() -> None:
    known = (
        replace(
            resource("https://a.example", "Library", keywords=(LocalizedText("reading", "en"),)),
            organization_names=(LocalizedText("Bibliothek Süd", "de"),),
        ),
    )
    shown = entries(PortalSettings(), [], known, "en")
    for wanted in ("SÜD", "reading", "library bibliothek"):
        assert len(search(shown, wanted)) == 1


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30))
def test_no_search_finds_what_is_not_shown(wanted: str) -> None:
    shown = entries(PortalSettings(), [], KNOWN, "en")
    assert set(search(shown, wanted)) <= set(shown)


# --- the document


def written(tmp_path: Path, content: str) -> PortalDocument:
    path = tmp_path / "portal.yaml"
    path.write_text(content)
    return load_settings(path, PortalDocument)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("resources: [{title: nameless}]", "config.missing_key"),
        ("resources: [{entity_id: 'https://a', titel: x}]", "config.mistyped_key"),
        ("resources: [{entity_id: 'https://a', title: {nl: alleen}}]", "config.no_english"),
        ("resources: [{entity_id: 'https://a', target: 'javascript:alert(1)'}]", "portal.target"),
        ("resources: [{entity_id: 'https://a', target: '/relative'}]", "portal.target"),
        ("resources: [{entity_id: 'https://a', starts_at: resource}]", "portal.no_target"),
        ("resources: [{entity_id: 'https://a', starts_at: elsewhere}]", "config.wrong_value"),
        ("resources: [{entity_id: 'https://a', logo: missing.png}]", "config.path_file"),
        ("resources: [{entity_id: 'https://a', logo: portal.yaml}]", "portal.logo"),
        ("resources: [{entity_id: ''}]", "config.wrong_value"),
    ],
)
def test_a_document_that_makes_no_sense_is_refused(tmp_path: Path, content: str, code: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        written(tmp_path, content)
    assert (refused.value.code, refused.value.line) == (code, 1)


def test_a_logo_is_carried_in_the_page(tmp_path: Path) -> None:
    (tmp_path / "logo.PNG").write_bytes(PNG)
    document = written(tmp_path, "resources: [{entity_id: 'https://a', logo: logo.PNG}]")
    assert document.resources[0].logo_url() == "data:image/png;base64,iVBORw0K"


@pytest.mark.parametrize("content", [b"", b"x" * 100_001])
def test_a_logo_of_no_use_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "logo.svg").write_bytes(content)
    document = written(tmp_path, "resources: [{entity_id: 'https://a', logo: logo.svg}]")
    with pytest.raises(ConfigurationError) as refused:
        document.resources[0].logo_url()
    assert refused.value.code == "portal.logo_file"


def test_the_files_that_the_portal_was_read_from_are_noted(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(PNG)
    (tmp_path / "portal.yaml").write_text("resources: [{entity_id: 'https://a', logo: logo.png}]")
    sources = Sources()
    PortalSettings(resources=tmp_path / "portal.yaml").described(sources)
    assert {path.name for path in sources.paths()} == {"logo.png", "portal.yaml"}


# --- the page


@pytest.fixture
def portal_file(tmp_path: Path) -> Path:
    path = tmp_path / "portal.yaml"
    path.write_text(
        f"resources:\n  - {{entity_id: '{LIBRARY}', group: Reading, target: 'https://library.example.net/a?b=c&d'}}\n"
    )
    return path


@pytest.fixture
def open_home(make_populated_home, portal_file):
    return make_populated_home(portal=PortalSettings(resources=portal_file))


def document(page) -> html.HtmlElement:
    return html.document_fromstring(page.get_data(as_text=True))


def text_of(page) -> str:
    return re.sub(r"\s+", " ", " ".join(document(page).get_element_by_id("main").itertext()))


def show(home, query: str = ""):
    """The portal, as Ada."""
    page = home.follow(home.get("/portal"))
    if 'name="password"' in page.get_data(as_text=True):
        page = home.follow(home.log_in(page))
    return home.get(f"/portal?{query}") if query else page


def links(page) -> dict[str, str]:
    return {
        re.sub(r"\s+", " ", link.xpath("string(.//strong)")): link.get("href")
        for link in document(page).xpath("//ul[@class='choices']//a")
    }


def test_only_members_see_it(open_home) -> None:
    page = open_home.follow(open_home.get("/portal"))
    assert 'name="password"' in page.get_data(as_text=True)
    assert "Reading" not in page.get_data(as_text=True)


def test_without_configuration_there_is_no_portal(home) -> None:
    assert home.get("/portal").status_code == 404


def test_each_link_is_a_sign_on_that_starts_at_home(open_home) -> None:
    found = links(show(open_home))
    assert list(found) == ["The <Old> Library", "https://lab.example.com/sp"]
    url = urlsplit(found["The <Old> Library"])
    assert f"{url.scheme}://{url.netloc}" == "http://localhost:8001"
    assert parse_qs(url.query) == {"providerId": [LIBRARY], "target": ["https://library.example.net/a?b=c&d"]}
    assert parse_qs(urlsplit(found["https://lab.example.com/sp"]).query) == {"providerId": [LAB]}


def test_a_resource_that_has_to_ask_is_linked_itself(open_home, portal_file) -> None:
    portal_file.write_text(
        f"resources: [{{entity_id: '{LAB}', title: Laboratory, starts_at: resource, target: 'https://lab.example.com/x'}}]\n"
    )
    open_home.clock.at = open_home.clock.at.replace(minute=1)
    assert links(show(open_home))["Laboratory"] == "https://lab.example.com/x"


def test_a_link_leads_into_the_resource_without_another_login(open_home, library) -> None:
    url = urlsplit(links(show(open_home))["The <Old> Library"])
    page = open_home.follow(open_home.get(f"{url.path}?{url.query}"))
    form = document(page).forms[0]
    assert "SAMLResponse" in form.fields
    assert form.action == library.acs


def test_groups_and_everything_else_have_headings(open_home) -> None:
    page = show(open_home)
    assert [heading.text for heading in document(page).xpath("//h2")] == ["Reading", "Other resources"]
    assert "Books & maps since 1512." in text_of(page)


def test_a_search_says_how_much_it_found(open_home) -> None:
    page = show(open_home, "q=old+BOOKS")
    assert list(links(page)) == ["The <Old> Library"]
    assert 'One for "old BOOKS".' in text_of(page)
    assert document(page).xpath("//input[@name='q']/@value") == ["old BOOKS"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("q=<script>alert(1)</script>", 200),
        ("q=" + "x" * 100, 200),
        ("q=" + "x" * 101, 400),
        ("q=a&q=b", 400),
        ("q=%ff", 400),
        ("q=%00", 400),
        ("q=", 200),
    ],
)
def test_what_is_searched_for_is_bounded_and_escaped(open_home, query: str, status: int) -> None:
    page = show(open_home, query)
    assert page.status_code == status
    assert "<script>alert" not in page.get_data(as_text=True)


def test_a_changed_file_is_followed_and_a_broken_one_is_not(open_home, portal_file) -> None:
    show(open_home)
    portal_file.write_text(f"resources: [{{entity_id: '{LAB}', title: The Laboratory, group: Measuring}}]\n")
    open_home.clock.at = open_home.clock.at.replace(minute=1)
    assert "Measuring" in text_of(show(open_home, "q="))
    portal_file.write_text("resources: [{entity_id: 5}, and rubbish]\n")
    open_home.clock.at = open_home.clock.at.replace(minute=2)
    assert "Measuring" in text_of(show(open_home, "q="))
    assert "portal_resources_refused" in open_home.log.getvalue()


def test_of_very_many_resources_only_some_are_shown_and_it_says_so(open_home) -> None:
    endpoint = (Endpoint(names.HTTP_POST, "https://x.example/acs", index=0),)
    open_home.entities += [
        Entity(f"https://sp{number:04}.example", sp=SpRole(assertion_consumers=endpoint))
        for number in range(MAXIMUM_SHOWN)
    ]
    page = show(open_home)
    assert len(links(page)) == MAXIMUM_SHOWN
    assert "2 more are not shown" in text_of(page)
    assert list(links(show(open_home, "q=sp0299"))) == ["https://sp0299.example"]


def test_every_control_has_its_label(open_home) -> None:
    page = document(show(open_home))
    for control in page.xpath("//main//input[not(@type='hidden')]"):
        assert page.xpath(f"//label[@for='{control.get('id')}']")
    assert len(page.xpath("//h1")) == 1
