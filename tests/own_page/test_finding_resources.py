"""Which resource an address, a host name or words mean: the very host, else what is near for the person to choose, never a look-alike."""

import pytest

from attribute_authority.own_page.finding import Closeness, Finder
from ostiary.federation.model import Display, Endpoint, Entity, IdpRole, LocalizedText, SpRole
from ostiary.saml import names


def resource(entity_id: str, *endpoints: str, name: str = "") -> Entity:
    display = Display(names=(LocalizedText(name, "en"),)) if name else Display()
    consumers = tuple(Endpoint(names.HTTP_POST, url, index=index) for index, url in enumerate(endpoints))
    return Entity(entity_id, sp=SpRole(display=display, assertion_consumers=consumers))


LIBRARY = resource("https://library.example.org/shar", "https://login.books.example.org:8443/acs", name="The Library")
OTHER = resource("https://library.example.org/other", name="Another Library")
URN = resource("urn:example:instrument", "https://instrument.example.net/acs", name="Microscope")
NUMBERS = resource("https://192.0.2.7/shar")
IDP = Entity("https://idp.example.org/idp", idp=IdpRole())
EVERYBODY = (LIBRARY, URN, NUMBERS, IDP)


def found(typed: str, *entities: Entity) -> tuple[Closeness | None, list[str]]:
    answer = Finder().find(typed, entities or EVERYBODY)
    return answer.closeness, [entity.entity_id for entity in answer.resources]


@pytest.mark.parametrize(
    ("typed", "closeness", "entity"),
    [
        ("https://library.example.org/shar", Closeness.ENTITY_ID, LIBRARY),
        ("urn:example:instrument", Closeness.ENTITY_ID, URN),
        (" https://library.example.org/some/page?x=1#y ", Closeness.ORIGIN, LIBRARY),
        ("HTTPS://LIBRARY.example.ORG.", Closeness.ORIGIN, LIBRARY),
        ("https://login.books.example.org:8443/anything", Closeness.ORIGIN, LIBRARY),
        ("https://login.books.example.org/", Closeness.HOST, LIBRARY),
        ("http://library.example.org", Closeness.HOST, LIBRARY),
        ("library.example.org", Closeness.HOST, LIBRARY),
        ("instrument.example.net/login", Closeness.HOST, URN),
        ("192.0.2.7", Closeness.HOST, NUMBERS),
        ("www.library.example.org", Closeness.NEAR, LIBRARY),
        ("books.example.org", Closeness.NEAR, LIBRARY),
        ("example.net", Closeness.NEAR, URN),
        ("0.2.7", Closeness.WORDS, NUMBERS),
        ("microscope", Closeness.WORDS, URN),
        ("library THE", Closeness.WORDS, LIBRARY),
    ],
)
def test_what_is_meant_is_found(typed, closeness, entity) -> None:
    assert found(typed) == (closeness, [entity.entity_id])


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "evil-library.example.org",
        "https://evillibrary.example.org/",
        "library.example.org.evil.example",
        "https://library.example.org@evil.example/",
        "https://library.example.org:password@evil.example/",
        "https://evil.example/library.example.org",
        "https://evil.example\\library.example.org",
        "https://library.example.org%2eevil.example/",
        "javascript://library.example.org/%0aalert(1)",
        "https://idp.example.org/idp",
        "168.192.0.2.7",
        "https://[::1",
        "https://library.example.org/%2e%2e/",
        "x" * 1024,
        "evil.example／.library.example.org",
    ],
)
def test_what_is_not_meant_is_not_found(typed) -> None:
    assert found(typed) == (None, [])


def test_the_name_of_a_top_level_domain_is_near_to_nobody() -> None:
    assert found("org", resource("https://library.org/shar")) == (Closeness.WORDS, ["https://library.org/shar"])
    assert Finder().find("https://org/", (LIBRARY,)).closeness is None


def test_letters_that_only_look_alike_are_other_letters() -> None:
    cyrillic = "https://lіbrary.example.org/"
    assert found(cyrillic) == (None, [])
    umlaut = resource("https://xn--bcher-kva.example/shar")
    assert found("https://bücher.example/", umlaut) == (Closeness.ORIGIN, ["https://xn--bcher-kva.example/shar"])


def test_only_one_that_fits_exactly_is_certain() -> None:
    finder = Finder()
    assert finder.find("library.example.org", EVERYBODY).certain is LIBRARY
    both = finder.find("library.example.org", (LIBRARY, OTHER))
    assert both.certain is None
    assert [entity.name("en") for entity in both.resources] == ["Another Library", "The Library"]
    assert finder.find("www.library.example.org", EVERYBODY).certain is None
    assert finder.find("microscope", EVERYBODY).certain is None


def test_not_more_is_shown_than_a_page_takes() -> None:
    many = tuple(resource(f"https://sp{number:03}.example.org/shar") for number in range(60))
    answer = Finder().find("example.org", many)
    assert (len(answer.resources), answer.left_out) == (50, 10)
