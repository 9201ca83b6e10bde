"""A few home organisations, as small as a search can be tried on."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ostiary.federation.directory import Directory, Nearby
from ostiary.federation.directory.offered import Offer
from ostiary.federation.model import Display, Endpoint, Entity, IdpRole, LocalizedText, Scope
from ostiary.federation.registry import Registry
from ostiary.saml import names

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


def home(
    host: str,
    *display_names: tuple[str, str],
    keywords: str = "",
    scopes: tuple[str, ...] = (),
    ends: datetime | None = None,
    networks: tuple[str, ...] = (),
    place: str = "",
    hints: tuple[str, ...] = (),
    **more: Any,
) -> Entity:
    """An IdP at ``https://idp.<host>``; without ``scopes``, ``host`` is the one."""
    display = Display(
        names=tuple(LocalizedText(text, lang) for lang, text in display_names),
        keywords=(LocalizedText(keywords, "en"),) if keywords else (),
        domain_hints=hints,
        ip_hints=networks,
        geolocation_hints=(place,) if place else (),
    )
    role = IdpRole(
        display=display,
        single_sign_on=(Endpoint(names.HTTP_REDIRECT, f"https://idp.{host}/sso"),),
        scopes=tuple(Scope(scope) for scope in scopes or (host,)),
        valid_until=ends,
    )
    return Entity(f"https://idp.{host}", idp=role, **more)


class Search:
    """A directory, asked as the pages ask."""

    def __init__(self, *entities: Entity) -> None:
        self.directory = Directory(Registry(entities), NOW)

    def __call__(
        self,
        text: str,
        *,
        language: str = "en",
        most: int = 50,
        now: datetime = NOW,
        offer: Offer | None = None,
        nearby: Nearby | None = None,
    ) -> list[str]:
        """The hosts that are found, in order, without ``https://idp.``."""
        found = self.directory.search(text, now, language=language, most=most, offer=offer, nearby=nearby)
        return [one.entity_id.removeprefix("https://idp.") for one in found.shown]


@pytest.fixture
def search_among() -> Callable[..., Search]:
    return Search


MUNICH = home("tum.example", ("de", "Technische Universität München"), ("en", "Technical University of Munich"))
TROMSO = home("uit.example", ("en", "UiT The Arctic University"), ("no", "Universitetet i Tromsø"))
AMSTERDAM = home("uva.example", ("nl", "Universiteit van Amsterdam"), ("en", "University of Amsterdam"))
MOSCOW = home("msu.example", ("ru", "Московский университет"), ("en", "Lomonosov"))
ATHENS = home("athens.example", ("el", "Πανεπιστήμιο Αθηνών"))
CAIRO = home("cairo.example", ("ar", "جَامِعَة القاهرة"))
TOKYO = home("tokyo.example", ("ja", "東京大学がっこう"))
LODZ = home("lodz.example", ("pl", "Uniwersytet Łódzki"), keywords="textile film school")
NAMELESS = home("nameless.example", scopes=("nameless.example", "stud.nameless.example"))


@pytest.fixture(scope="session")
def search() -> Search:
    """All of them."""
    return Search(MUNICH, TROMSO, AMSTERDAM, MOSCOW, ATHENS, CAIRO, TOKYO, LODZ, NAMELESS)
