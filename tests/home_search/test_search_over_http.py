"""What the discovery service answers to programs: to the script of its own page, and in the JSON of thiss-mdq."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha1
from pathlib import Path
from urllib.parse import quote

import pytest

from ostiary.federation.directory import Directory
from ostiary.federation.discovery_feed import MOST_DESCRIBED, Feed
from ostiary.federation.model import Display, LocalizedText, Logo
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.web.encodings import takes_gzip
from tests.home_search.conftest import NOW, home
from tests.signers import make_signer
from tests.wayf.conftest import LIBRARY, LODZ, UTRECHT, ZURICH, Wayf

HIDDEN = "https://idp.hidden.example/saml"


def hashed(entity_id: str) -> str:
    return "{sha1}" + sha1(entity_id.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Wayf]:
    signer = make_signer("wayf")
    return lambda **more: Wayf(signer, Path(tmp_path_factory.mktemp("wayf")), **more)


@pytest.fixture
def wayf(make: Callable[..., Wayf]) -> Wayf:
    return make()


# --- the script of the page


def test_while_she_types_she_is_shown_what_the_form_would_find(wayf: Wayf) -> None:
    answer = wayf.get("/suggest", entityID=LIBRARY, q="zurich")
    assert answer.json == {
        "status": "One organisation.",
        "help": "",
        "homes": [[ZURICH, "Technische Universität Zürich", "tuz.example"]],
    }
    assert wayf.offered(q="zurich") == ["Technische Universität Zürich"]
    assert answer.headers["Cache-Control"] == "private, max-age=60"
    assert answer.headers["Vary"] == "Accept-Language, Cookie"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_what_is_not_found_is_said_with_what_may_help(wayf: Wayf) -> None:
    answer = wayf.get("/suggest", entityID=LIBRARY, q="<xyzzy>").json
    assert answer is not None
    assert answer["status"] == "Nothing found for “<xyzzy>”."
    assert answer["help"].startswith("Try a shorter word")
    assert answer["homes"] == []


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"entityID": "https://nobody.example"},
        {"entityID": LIBRARY, "return": "https://evil.example"},
        {"entityID": LIBRARY, "q": "x" * 201},
    ],
)
def test_the_script_is_answered_only_for_a_request_that_is_in_order(wayf: Wayf, params: dict[str, str]) -> None:
    assert wayf.get("/suggest", **params).status_code == 400


def test_nothing_that_was_typed_is_logged(wayf: Wayf) -> None:
    for path in ("/suggest", "/discovery", "/entities"):
        wayf.get(path, entityID=LIBRARY, q="ada.lovelace@uu.example")
        wayf.get(path, entityID="https://nobody.example", q="ada.lovelace@uu.example")
    assert "https://nobody.example" in wayf.stream.getvalue()
    assert "lovelace" not in wayf.stream.getvalue()


def test_the_page_tells_its_script_where_to_ask(wayf: Wayf) -> None:
    assert 'data-suggest="/suggest" data-field="choice"' in wayf.discover().text


# --- the API


@pytest.mark.parametrize("path", ["/entities", "/entities/"])
@pytest.mark.parametrize("parameter", ["q", "query"])
def test_the_api_finds_what_the_page_finds(wayf: Wayf, path: str, parameter: str) -> None:
    answer = wayf.get(path, **{parameter: "polytechnic"})
    assert answer.mimetype == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "private, max-age=60"
    assert answer.json == [
        {
            "id": hashed(ZURICH),
            "entity_id": ZURICH,
            "entityID": ZURICH,
            "auth": "saml",
            "type": "idp",
            "hidden": "false",
            "title": "Technische Universität Zürich",
            "title_langs": {"de": "Technische Universität Zürich"},
            "keywords": "polytechnic Switzerland",
            "scope": "tuz.example",
            "domain": "tuz.example",
            "name_tag": "TUZ",
            "entity_icon_url": {"url": "https://tuz.example/logo.png", "width": "80", "height": "60"},
        }
    ]


def test_without_a_text_the_api_lists_all_who_may_be_chosen_once_made_and_compressed(wayf: Wayf) -> None:
    plain = wayf.get("/entities/")
    assert [one["entityID"] for one in plain.json or ()][1:] == [LODZ, ZURICH, UTRECHT]
    packed = wayf.get("/entities/", {"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] != plain.headers["ETag"]
    again = wayf.get("/entities/", {"If-None-Match": plain.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_feed_is_compressed_for_who_takes_it(wayf: Wayf) -> None:
    plain, packed = wayf.get("/feed"), wayf.get("/feed", {"Accept-Encoding": "br, gzip;q=0.5"})
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["Vary"] == "Accept-Encoding"


def test_for_an_sp_the_api_finds_only_whom_it_accepts(make: Callable[..., Wayf]) -> None:
    wayf = make(resources={LIBRARY: {"exclude": {"entities": [UTRECHT]}}})
    everywhere = [one["entityID"] for one in wayf.get("/entities", q="uni").json or ()]
    accepted = [one["entityID"] for one in wayf.get("/entities", q="uni", entityID=LIBRARY).json or ()]
    assert UTRECHT in everywhere
    assert accepted == [one for one in everywhere if one != UTRECHT]
    assert wayf.get("/entities", q="uni", entityID="https://nobody.example").status_code == 400


@pytest.mark.parametrize("ending", ["", ".json"])
@pytest.mark.parametrize("address", [hashed, str])
@pytest.mark.parametrize(
    ("entity_id", "kind", "hidden"), [(UTRECHT, "idp", "false"), (HIDDEN, "idp", "true"), (LIBRARY, "sp", "false")]
)
def test_one_entity_is_answered_by_its_name_or_its_hash(
    wayf: Wayf, address: Callable[[str], str], ending: str, entity_id: str, kind: str, hidden: str
) -> None:
    answer = wayf.get("/entities/" + quote(address(entity_id) + ending, safe=""))
    assert answer.status_code == 200
    found = answer.json or {}
    assert (found["entityID"], found["type"], found["hidden"]) == (entity_id, kind, hidden)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_one_entity_is_told_of_with_its_descriptions(wayf: Wayf) -> None:
    entity = home("more.example", ("en", "More"), place="geo:52.1,-5", registration_authority="https://fed.example")
    assert entity.idp is not None
    display = replace(
        entity.idp.display,
        descriptions=(LocalizedText("Mehr davon", "de"), LocalizedText("More of it", "en")),
        privacy_statement_urls=(LocalizedText("https://more.example/privacy", "en"),),
    )
    wayf.know(replace(entity, idp=replace(entity.idp, display=display)))
    found = wayf.get("/entities/" + quote(entity.entity_id, safe="")).json or {}
    assert found["descr"] == "More of it"
    assert found["descr_langs"] == {"de": "Mehr davon", "en": "More of it"}
    assert found["privacy_statement_url"] == "https://more.example/privacy"
    assert found["geo"] == {"lat": "52.1", "long": "-5.0"}
    assert found["registrationAuthority"] == "https://fed.example"


@pytest.mark.parametrize(
    "identifier", ["https://nobody.example", "{sha1}" + "0" * 40, "{sha1}00", "x" * 2000, "a//../b"]
)
def test_an_unknown_entity_is_an_empty_object(wayf: Wayf, identifier: str) -> None:
    answer = wayf.get("/entities/" + quote(identifier, safe=""))
    assert (answer.status_code, answer.data) == (404, b"{}")


# --- the feed of thousands


def test_the_feed_of_thousands_is_made_without_reading_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    display = Display(names=(LocalizedText("A", "en"),), descriptions=(LocalizedText("About", "en"),))
    registries = []
    for count in (MOST_DESCRIBED, MOST_DESCRIBED + 1):
        entities = [home(f"{number}.example", ("en", f"Home {number}")) for number in range(count)]
        first = entities[0].idp
        assert first is not None
        entities[0] = replace(entities[0], idp=replace(first, display=display))
        registries.append(Registry(entities))
    described, plain = (json.loads(Feed(Directory(one, NOW)).at(NOW).content) for one in registries)
    assert [sum("Descriptions" in entry for entry in feed) for feed in (described, plain)] == [1, 0]
    assert len(plain) == MOST_DESCRIBED + 1


def test_a_hidden_category_and_a_logo_of_ones_own_stand_in_the_json() -> None:
    from ostiary.federation.discovery_json import home_as_json
    from ostiary.federation.summary import Summary

    summary = Summary(
        "https://x.example",
        logos=(Logo("https://x.example/logo.png", 80, 60),),
        entity_attributes=((names.ENTITY_CATEGORY, ("https://c.example",)),),
    )
    assert home_as_json(summary)["entity_icon_url"]["url"] == "https://x.example/logo.png"
    own = home_as_json(summary, lambda found: f"https://wayf.example/logo/{found.entity_id[8:]}")
    assert own["entity_icon_url"] == {"url": "https://wayf.example/logo/x.example"}
    assert "entity_icon_url" not in home_as_json(summary, lambda _: None)
    assert own["entity_categories"] == ["https://c.example"]


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("GZIP, deflate, br", True),
        ("*", True),
        ("gzip;q=0.5", True),
        ("gzip; q = 0.5, identity;q=0.4", True),
        ("x-gzip", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.4, identity;q=0.5", False),
        ("gzip;q=much", False),
        ("*;q=0", False),
        ("," * 5000 + "gzip", False),
    ],
)
def test_gzip_is_sent_only_to_who_takes_it(header: str, taken: bool) -> None:
    assert takes_gzip(header) is taken
