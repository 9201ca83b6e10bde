"""Beside the search: editing what is remembered, hints, whom to ask, languages, and several nodes."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

from ostiary.federation.model import Contact, Entity, LocalizedText
from ostiary.saml.keys import Signer
from tests.wayf.conftest import HIDDEN, LIBRARY, LODZ, URL, UTRECHT, ZURICH, Wayf, cookies_of, federation, home

ARABIC = """\
pages:
  discovery:
    title: من أين أنت؟
    not_listed:
      title: مؤسستي غير مدرجة
"""


def soup(wayf: Wayf, **params: str) -> BeautifulSoup:
    return BeautifulSoup(wayf.discover(**params).text, "html.parser")


def only(page: BeautifulSoup, selector: str) -> Tag:
    (found,) = page.select(selector)
    return found


def words(tag: Tag) -> str:
    return " ".join(tag.get_text(" ", strip=True).split())


# --- editing what is remembered


def test_one_of_the_remembered_can_be_forgotten_and_the_others_stay(wayf: Wayf) -> None:
    for choice in (LODZ, UTRECHT, ZURICH):
        wayf.choose(choice, remember="yes")
    form = only(soup(wayf), "#edit form")
    assert form["action"] == "/forget"
    buttons = form.select("button[name=forget]")
    assert [one["value"] for one in buttons] == [ZURICH, UTRECHT, LODZ]
    answer = wayf.get("/forget", entityID=LIBRARY, forget=UTRECHT)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/discovery?entityID=https%3A%2F%2Flibrary.example%2Fsp&edit=yes"
    page = soup(wayf, edit="yes")
    assert [one["value"] for one in page.select("#edit button[name=forget]")] == [ZURICH, LODZ]
    assert only(page, "#edit").has_attr("open")
    assert not only(soup(wayf), "#edit").has_attr("open")


def test_each_button_says_which_organisation_it_forgets(wayf: Wayf) -> None:
    wayf.choose(UTRECHT, remember="yes")
    page = soup(wayf)
    names = [words(only(page, f"#{part}")) for part in str(only(page, "#edit .kept button")["aria-labelledby"]).split()]
    assert names == ["Forget", "Utrecht University"]


def test_forgetting_the_last_one_ends_the_cookie(wayf: Wayf) -> None:
    wayf.choose(UTRECHT, remember="yes")
    (cookie,) = cookies_of(wayf.get("/forget", entityID=LIBRARY, forget=UTRECHT), "home")
    assert "Max-Age=0" in cookie
    assert soup(wayf).select("#edit") == []


def test_forgetting_what_is_not_remembered_changes_nothing(wayf: Wayf) -> None:
    wayf.choose(UTRECHT, remember="yes")
    wayf.get("/forget", entityID=LIBRARY, forget=ZURICH)
    assert "Continue with Utrecht University" in wayf.discover().text


def test_the_page_says_what_is_remembered_and_where(wayf: Wayf) -> None:
    wayf.choose(UTRECHT, remember="yes")
    text = words(only(soup(wayf), "main"))
    assert "Only this browser remembers, in a cookie for this site" in text
    assert "A cookie with the organisation, no more." in text


# --- my organisation is not listed


def with_help(*contacts: Contact, page: str = "") -> Entity:
    library = federation()[0]
    assert library.sp is not None
    pages = (LocalizedText(page, "en"),) if page else ()
    display = replace(library.sp.display, information_urls=pages)
    return replace(library, sp=replace(library.sp, display=display), contacts=contacts)


def test_whom_to_ask_is_the_resource_and_the_federation(make_wayf_with: Callable[..., Wayf]) -> None:
    wayf = make_wayf_with(
        federation_help={"name": "The Federation", "email": "help@f.example", "url": "https://f.example"}
    )
    wayf.know(
        with_help(
            Contact("technical", emails=("tech@library.example",)), Contact("support", emails=("desk@library.example",))
        )
    )
    box = only(soup(wayf), "#not-listed")
    assert not box.has_attr("open")
    assert [one["href"] for one in box.select("a")] == [
        "mailto:desk@library.example",
        "mailto:help@f.example",
        "https://f.example",
    ]
    assert "The Federation, the federation: help@f.example · https://f.example" in words(box)


def test_a_resource_without_contact_is_asked_by_its_page(wayf: Wayf) -> None:
    wayf.know(with_help(page="https://library.example/about"))
    assert [one["href"] for one in only(soup(wayf), "#not-listed").select("a")] == ["https://library.example/about"]


@pytest.mark.parametrize(
    "address", ["desk@library.example?bcc=x@evil.example", "desk", "<b>@x.example", "a b@x.example"]
)
def test_a_contact_that_is_no_plain_address_is_not_shown(wayf: Wayf, address: str) -> None:
    wayf.know(with_help(Contact("support", emails=(address,))))
    assert only(soup(wayf), "#not-listed").select("a") == []


def test_who_finds_nothing_sees_the_help_at_once(wayf: Wayf) -> None:
    assert only(soup(wayf, q="atlantis"), "#not-listed").has_attr("open")


def test_guests_have_a_choice_where_the_site_has_one_for_them(make_wayf_with: Callable[..., Wayf]) -> None:
    wayf = make_wayf_with(
        guests=[LODZ, "https://gone.example/idp"], resources={"https://other.example/sp": {"guests": []}}
    )
    wayf.know(replace(federation()[0], entity_id="https://other.example/sp"))
    assert [one["value"] for one in soup(wayf).select("#not-listed button")] == [LODZ]
    assert soup(wayf, entityID="https://other.example/sp").select("#not-listed button") == []


def test_a_guests_provider_that_hides_from_discovery_is_a_choice_all_the_same(
    make_wayf_with: Callable[..., Wayf],
) -> None:
    wayf = make_wayf_with(guests=[HIDDEN])
    assert [one["value"] for one in soup(wayf).select("#not-listed button")] == [HIDDEN]
    assert "Hidden University" not in wayf.offered()
    assert wayf.choose(HIDDEN).status_code == 302
    wayf = make_wayf_with(guests=[HIDDEN], offer={"exclude": {"entities": [HIDDEN]}})
    assert wayf.choose(HIDDEN).status_code == 400


# --- hints


def test_organisations_of_the_person_s_network_come_first(make_wayf_with: Callable[..., Wayf]) -> None:
    wayf = make_wayf_with(trusted_proxies=1)
    wayf.know(home(UTRECHT, ("en", "Utrecht University"), scope="uu.example", hints={"ip_hints": ("192.0.2.0/24",)}))

    def first(address: str) -> str:
        answer = wayf.discover(headers={"X-Forwarded-For": address})
        strong = BeautifulSoup(answer.text, "html.parser").select_one("#results strong")
        return strong.get_text() if strong is not None else ""

    assert first("192.0.2.77") == "Utrecht University"
    assert first("198.51.100.1") == "Ending University"
    # Only the last address is from the proxy that is trusted.
    assert first("192.0.2.77, 198.51.100.1") == "Ending University"


def test_a_site_may_go_without_network_hints(make_wayf_with: Callable[..., Wayf]) -> None:
    wayf = make_wayf_with(use_network_hints=False)
    wayf.know(home(UTRECHT, ("en", "Utrecht University"), scope="uu.example", hints={"ip_hints": ("127.0.0.0/8",)}))
    assert wayf.offered()[0] == "Ending University"


def test_the_places_of_the_offered_are_there_for_the_browser_to_compare(make_wayf_with: Callable[..., Wayf]) -> None:
    wayf = make_wayf_with(offer={"exclude": {"entities": [LODZ]}})
    wayf.know(
        home(
            UTRECHT,
            ("en", "Utrecht University"),
            scope="uu.example",
            hints={"geolocation_hints": ("geo:nonsense", "geo:52.09,5.12;u=500")},
        ),
        home(LODZ, ("en", "Łódź"), scope="lodz.example", hints={"geolocation_hints": ("geo:51.77,19.45",)}),
    )
    box = only(soup(wayf), "#nearest")
    assert box.has_attr("hidden")
    answer = wayf.client.get(str(box["data-places"]), base_url=URL)
    assert answer.json == [[UTRECHT, "Utrecht University", "uu.example", 52.09, 5.12]]
    assert wayf.get("/places", entityID="https://nobody.example").status_code == 400


def test_only_this_page_may_ask_the_browser_where_it_is(wayf: Wayf) -> None:
    assert "geolocation=(self)" in wayf.discover().headers["Permissions-Policy"]
    assert "geolocation=()" in wayf.get("/").headers["Permissions-Policy"]


# --- languages


@pytest.fixture
def speaking(make_wayf_with: Callable[..., Wayf], tmp_path: Path) -> Wayf:
    """A service whose site has added some Dutch and some Arabic."""
    for language, text in (("nl", "pages: {discovery: {title: Waar komt u vandaan?}}\n"), ("ar", ARABIC)):
        (tmp_path / "texts" / language).mkdir(parents=True)
        (tmp_path / "texts" / language / "site.yaml").write_text(text)
    return make_wayf_with(branding={"texts": str(tmp_path / "texts")})


def test_languages_are_offered_by_their_own_names_and_the_request_goes_along(speaking: Wayf) -> None:
    page = soup(speaking, q="uni", returnIDParam="idp")
    links = page.select(".languages a")
    offered = {str(one["hreflang"]): words(one) for one in links}
    assert offered.items() >= {"en": "English", "nl": "Nederlands", "ar": "العربية"}.items()
    dutch = next(str(one["href"]) for one in links if one["hreflang"] == "nl")
    answer = speaking.client.get(dutch, base_url=URL)
    assert answer.headers["Content-Language"] == "nl"
    chosen = BeautifulSoup(answer.text, "html.parser")
    assert "Universiteit Utrecht" in words(only(chosen, "#results"))
    assert "Utrecht University" not in words(only(chosen, "#results"))
    carried = {one["name"]: one["value"] for one in chosen.select("#choose input[type=hidden]")}
    assert carried == {"entityID": LIBRARY, "returnIDParam": "idp", "ui_locales": "nl"}
    assert only(chosen, "#q")["value"] == "uni"


def test_the_chosen_language_is_remembered_but_only_if_she_chose_it_here(speaking: Wayf) -> None:
    foreign = speaking.discover({"Sec-Fetch-Site": "cross-site"}, ui_locales="nl")
    assert (foreign.headers["Content-Language"], cookies_of(foreign, "lang")) == ("nl", [])
    assert speaking.discover().headers["Content-Language"] == "en"
    (cookie,) = cookies_of(speaking.discover({"Sec-Fetch-Site": "same-origin"}, ui_locales="nl"), "lang")
    assert cookie.partition("=")[2] == "nl; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=31536000"
    assert speaking.discover().headers["Content-Language"] == "nl"
    assert speaking.discover(entityID="https://nobody.example").headers["Content-Language"] == "nl"
    assert speaking.discover(ui_locales="ar").headers["Content-Language"] == "ar"


def test_a_language_that_nobody_speaks_here_changes_nothing(speaking: Wayf) -> None:
    answer = speaking.discover({"Sec-Fetch-Site": "same-origin"}, ui_locales="tlh")
    assert (answer.headers["Content-Language"], cookies_of(answer, "lang")) == ("en", [])


def test_a_page_in_a_language_from_right_to_left_says_so_and_keeps_names_apart(speaking: Wayf) -> None:
    assert "dir" not in only(soup(speaking), "html").attrs
    page = soup(speaking, ui_locales="ar")
    html = only(page, "html")
    assert (html["lang"], html["dir"]) == ("ar", "rtl")
    assert only(page, "#q")["dir"] == "auto"
    assert all(one.find("bdi") is not None for one in page.select("#results strong"))


def test_with_one_language_there_is_nothing_to_choose(wayf: Wayf) -> None:
    languages = wayf.app.extensions["ostiary"].pages.catalogue.languages
    assert bool(soup(wayf).select(".languages")) is (len(languages) > 1)


def test_no_style_of_the_page_knows_left_from_right() -> None:
    static = Path(__file__).parents[2] / "ostiary/web/static"
    for name in ("style.css", "discovery.css"):
        rules = (static / name).read_text("utf-8")
        assert (
            re.findall(
                r"(?:text-align|float): (?:left|right)|(?:margin|padding|border)-(?:left|right)|[{; ](?:left|right):",
                rules,
            )
            == []
        )


# --- several nodes


def test_two_nodes_answer_alternately_and_share_nothing(signer: Signer, tmp_path: Path) -> None:
    nodes = [Wayf(signer, tmp_path), Wayf(signer, tmp_path)]
    applications = [node.app.test_client(use_cookies=False) for node in nodes]
    jar: dict[str, str] = {}
    turn = 0

    def get(path: str) -> str:
        nonlocal turn
        turn += 1
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}
        answer = applications[turn % 2].get(path, base_url=URL, headers=sent)
        for cookie in answer.headers.getlist("Set-Cookie"):
            name, _, rest = cookie.partition("=")
            jar[name] = rest.partition(";")[0]
        return answer.headers.get("Location") or answer.text

    query = f"entityID={LIBRARY}"
    assert "Continue with" not in get(f"/discovery?{query}")
    get(f"/choose?{query}&choice={UTRECHT}&remember=yes")
    assert "Continue with Utrecht University" in get(f"/discovery?{query}")
    get(f"/choose?{query}&choice={ZURICH}&remember=yes")
    assert "Continue with Technische Universität Zürich" in get(f"/discovery?{query}")
    get(f"/forget?{query}&forget={ZURICH}")
    assert "Continue with Utrecht University" in get(f"/discovery?{query}")
    for _ in range(4):
        assert get(f"/discovery?{query}&isPassive=true").startswith("https://library.example/other/ds?entityID=")
    assert "keep sending you to each other" in get(f"/discovery?{query}&isPassive=true")
