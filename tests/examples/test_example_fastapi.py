"""examples/fastapi, which is what docs/protect-a-fastapi-application.md goes through: pages, data, a WebSocket."""

import json
from collections.abc import Iterator

import pytest
import websocket

from tests.browser import Browser, HttpTransport
from tests.examples.places import Place, serving


@pytest.fixture(scope="module")
def measurements(places: dict[str, Place]) -> Iterator[Place]:
    with places["fastapi"].running(*serving("fastapi")) as place:
        yield place


def live(place: Place, browser: Browser, origin: str) -> websocket.WebSocket:
    """A WebSocket as a page of ``origin`` opens it in that browser."""
    cookies = "; ".join(f"{name}={value}" for (_, name), value in browser.cookies.items())
    url = f"ws://127.0.0.1:{place.port}/measurements/live"
    return websocket.create_connection(url, cookie=cookies, origin=origin, timeout=10)


def test_the_first_page_is_for_everybody(measurements: Place) -> None:
    page = Browser(HttpTransport()).get(measurements.url)
    assert (page.status, "Anybody may read this page." in page.text) == (200, True)


def test_who_signs_in_at_home_gets_pages_data_and_the_websocket(measurements: Place) -> None:
    browser, page = measurements.log_in("/measurements/")
    assert (page.status, page.url) == (200, f"{measurements.url}/measurements/")
    assert "Hello, member@northgate.example of https://northgate.example/idp." in page.text
    latest = browser.request("GET", f"{measurements.url}/measurements/latest", headers={"Accept": "application/json"})
    assert 15 <= json.loads(latest.body)["celsius"] <= 25
    socket = live(measurements, browser, measurements.url)
    assert socket.recv().endswith(" °C")
    socket.shutdown()


def test_a_websocket_is_refused_to_nobody_to_whom_the_rules_refuse_and_to_pages_of_other_sites(
    measurements: Place,
) -> None:
    browser, _ = measurements.log_in("/measurements/")
    carol, page = measurements.log_in("/measurements/", "carol")
    assert page.status == 403
    nobody = Browser(HttpTransport())
    for who, origin in ((nobody, measurements.url), (carol, measurements.url), (browser, "https://evil.example")):
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            live(measurements, who, origin)


def test_a_program_without_a_session_is_told_so(measurements: Place) -> None:
    nobody = Browser(HttpTransport())
    url = f"{measurements.url}/measurements/latest"
    assert nobody.request("GET", url, headers={"Accept": "application/json"}).status == 401


def test_the_tests_of_the_example_need_nothing_of_all_this(measurements: Place) -> None:
    assert "4 passed" in measurements.run("python -m pytest -p no:cacheprovider")
