"""A person says where she is from: types, picks, returns, is remembered, edits and forgets; with and without JavaScript, at phone width, by
keyboard alone, from right to left. axe-core finds nothing in any state."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.e2e.axe import violations
from tests.e2e.conftest import start_chromium
from tests.e2e.discovery_site import CAIRO, GUEST, UTRECHT, DiscoverySite, discovery_site
from tests.e2e.screenshots import WIDTHS
from tests.e2e.test_accessibility import OVERFLOWS
from tests.e2e.walk import PATIENCE, click, page_text, wait_for_element, wait_for_text

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DiscoverySite]:
    with discovery_site(tmp_path_factory.mktemp("discovery")) as running:
        yield running


def at_width(driver: webdriver.Chrome, size: str) -> None:
    metrics = {"width": WIDTHS[size], "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def patiently(driver: webdriver.Chrome, holds: Callable[[], object]) -> None:
    """Waits; the list of results is exchanged while it is looked at."""
    WebDriverWait(driver, PATIENCE, ignored_exceptions=(WebDriverException, IndexError)).until(lambda _: holds())


def names_found(driver: webdriver.Chrome) -> list[str]:
    return [one.text for one in driver.find_elements(By.CSS_SELECTOR, "#results strong")]


def search(driver: webdriver.Chrome, words: str, *, javascript: bool) -> None:
    box = driver.find_element(By.ID, "q")
    box.clear()
    box.send_keys(words)
    if not javascript:
        click(driver, By.CSS_SELECTOR, "#search button")


def wait_for_names(driver: webdriver.Chrome, expected: list[str]) -> None:
    patiently(driver, lambda: names_found(driver) == expected)


def pick(driver: webdriver.Chrome, entity_id: str) -> None:
    click(driver, By.CSS_SELECTOR, f"#results button[value='{entity_id}']")


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_person_types_picks_returns_is_remembered_edits_and_forgets(
    chromium: webdriver.Chrome, site: DiscoverySite, javascript: bool, size: str
) -> None:
    at_width(chromium, size)
    chromium.get(site.resource)
    assert "The Reading Room would like to know" in page_text(chromium)
    search(chromium, "Utrecht", javascript=javascript)
    wait_for_names(chromium, ["Utrecht University"])
    pick(chromium, UTRECHT)
    wait_for_text(chromium, f"You are from {UTRECHT}")
    assert chromium.current_url.startswith(f"{site.resource}/back?page=1&entityID=")

    chromium.get(site.resource)
    click(chromium, By.XPATH, "//button[contains(., 'Continue with Utrecht University')]")
    wait_for_text(chromium, f"You are from {UTRECHT}")

    chromium.get(site.resource)
    wait_for_text(chromium, "You have just come back from The Reading Room")
    search(chromium, "cairo", javascript=javascript)
    wait_for_names(chromium, ["Cairo University"])
    pick(chromium, CAIRO)
    wait_for_text(chromium, f"You are from {CAIRO}")

    chromium.get(site.resource)
    assert "Continue with Cairo University" in page_text(chromium)
    click(chromium, By.CSS_SELECTOR, "#edit > summary")
    click(chromium, By.CSS_SELECTOR, f"#edit button[value='{CAIRO}']")
    wait_for_text(chromium, "Continue with Utrecht University")
    assert chromium.find_elements(By.CSS_SELECTOR, f"#edit button[value='{CAIRO}']") == []
    click(chromium, By.XPATH, "//button[contains(., 'Forget all of them')]")
    wait_for_element(chromium, "#q:focus")
    assert "Last time you came from" not in page_text(chromium)
    chromium.get(site.resource)
    assert "Last time you came from" not in page_text(chromium)


def test_who_does_not_want_to_be_remembered_is_not(
    chromium: webdriver.Chrome, site: DiscoverySite, javascript: bool
) -> None:
    chromium.get(site.resource)
    click(chromium, By.ID, "remember")
    search(chromium, "utrecht", javascript=javascript)
    wait_for_names(chromium, ["Utrecht University"])
    if not javascript:
        # A new page asks anew.
        click(chromium, By.ID, "remember")
    pick(chromium, UTRECHT)
    wait_for_text(chromium, f"You are from {UTRECHT}")
    chromium.get(site.resource)
    assert "Last time you came from" not in page_text(chromium)


def test_whose_organisation_is_not_listed_finds_help_and_may_be_a_guest(
    chromium: webdriver.Chrome, site: DiscoverySite, javascript: bool
) -> None:
    chromium.get(site.resource)
    search(chromium, "atlantis", javascript=javascript)
    wait_for_text(chromium, "Nothing found for “atlantis”.")
    patiently(chromium, lambda: chromium.find_element(By.ID, "not-listed").get_attribute("open"))
    links = [one.get_attribute("href") for one in chromium.find_elements(By.CSS_SELECTOR, "#not-listed a")]
    assert links == ["mailto:desk@reading.example", "mailto:help@federation.example"]
    click(chromium, By.CSS_SELECTOR, f"#not-listed button[value='{GUEST}']")
    wait_for_text(chromium, f"You are from {GUEST}")


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    driver = start_chromium(tmp_path / "scripted")
    yield driver
    driver.quit()


def press(driver: webdriver.Chrome, *keys: str) -> None:
    for key in keys:
        driver.switch_to.active_element.send_keys(key)


def test_the_keyboard_alone_is_enough(scripted: webdriver.Chrome, site: DiscoverySite) -> None:
    scripted.get(site.resource)
    wait_for_element(scripted, "#q:focus")
    press(scripted, "aarhus university")
    patiently(
        scripted,
        lambda: all(name.startswith("Aarhus") for name in names_found(scripted)) and len(names_found(scripted)) > 1,
    )
    second = scripted.find_elements(By.CSS_SELECTOR, "#results button")[1].get_attribute("value")
    press(scripted, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    wait_for_text(scripted, f"You are from {second}")

    scripted.get(site.resource)
    scripted.execute_script("document.getElementById('edit').querySelector('summary').focus()")
    press(scripted, Keys.ENTER, Keys.TAB, Keys.ENTER)
    wait_for_element(scripted, "#q:focus")
    assert "Last time you came from" not in page_text(scripted)


def test_while_she_types_the_page_stays_and_says_what_was_found(
    scripted: webdriver.Chrome, site: DiscoverySite
) -> None:
    scripted.get(site.resource)
    scripted.execute_script("window.stays = true")
    live = scripted.find_element(By.CSS_SELECTOR, "#results [role=status]")
    before = live.text
    search(scripted, "utrehct", javascript=True)
    wait_for_names(scripted, ["Utrecht University"])
    assert (before.partition(" organisations")[0], live.text) == ("15 of 603", "One organisation.")
    assert scripted.execute_script("return window.stays")


def test_the_nearest_are_found_in_the_browser_and_her_position_does_not_leave_it(
    scripted: webdriver.Chrome, site: DiscoverySite
) -> None:
    scripted.execute_cdp_cmd("Browser.grantPermissions", {"origin": site.wayf, "permissions": ["geolocation"]})
    position = {"latitude": 51.9244, "longitude": 4.4777, "accuracy": 50}
    scripted.execute_cdp_cmd("Emulation.setGeolocationOverride", position)
    scripted.get(site.resource)
    click(scripted, By.CSS_SELECTOR, "#nearest button")
    wait_for_text(scripted, "The nearest organisations that say where they are")
    nearest = [one.text for one in scripted.find_elements(By.CSS_SELECTOR, "#nearest strong")]
    assert nearest == ["Utrecht University", "Cairo University"]
    asked = scripted.execute_script("return performance.getEntriesByType('resource').map(one => one.name).join(' ')")
    assert "/places?" in asked
    assert not any(part in asked for part in ("51.9", "4.47", "latitude"))
    click(scripted, By.CSS_SELECTOR, f"#nearest li button[value='{UTRECHT}']")
    wait_for_text(scripted, f"You are from {UTRECHT}")


def test_without_javascript_nobody_is_offered_what_would_not_work(
    chromium: webdriver.Chrome, site: DiscoverySite, javascript: bool
) -> None:
    chromium.get(site.resource)
    assert chromium.find_element(By.CSS_SELECTOR, "#nearest").is_displayed() is javascript


def states(driver: webdriver.Chrome, site: DiscoverySite) -> Iterator[str]:
    """Goes from one state of the page to the next and names each."""
    driver.get(site.resource)
    yield "first"
    search(driver, "institute", javascript=True)
    patiently(driver, lambda: "Institute" in names_found(driver)[0])
    yield "found"
    search(driver, "atlantis", javascript=True)
    wait_for_text(driver, "Nothing found")
    yield "nothing"
    for choice in ("utrecht", "cairo"):
        driver.get(f"{site.wayf}/discovery?entityID={site.resource}/sp&q={choice}")
        click(driver, By.CSS_SELECTOR, "#results button")
        wait_for_text(driver, "You are from")
    driver.get(site.resource)
    yield "remembered"
    click(driver, By.CSS_SELECTOR, "#edit > summary")
    click(driver, By.CSS_SELECTOR, "#not-listed > summary")
    yield "editing"
    click(driver, By.CSS_SELECTOR, ".languages > summary")
    yield "languages"
    click(driver, By.CSS_SELECTOR, ".languages a[hreflang=ar]")
    wait_for_element(driver, "html[dir=rtl]")
    click(driver, By.CSS_SELECTOR, "#edit > summary")
    yield "from-right-to-left"


@pytest.mark.parametrize(("size", "dark"), [("desktop", False), ("phone", True)])
def test_no_state_of_the_page_breaks_a_rule_of_accessibility(
    site: DiscoverySite, tmp_path: Path, size: str, dark: bool
) -> None:
    driver = start_chromium(tmp_path / "profile", dark=dark)
    found, too_wide = {}, []
    try:
        at_width(driver, size)
        for name in states(driver, site):
            found[name] = violations(driver)
            if driver.execute_script(OVERFLOWS):
                too_wide.append(name)
    finally:
        driver.quit()
    assert {name: broken for name, broken in found.items() if broken} == {}
    assert too_wide == []
    assert len(found) == 7


def test_in_arabic_the_page_reads_from_the_right(scripted: webdriver.Chrome, site: DiscoverySite) -> None:
    scripted.get(f"{site.wayf}/discovery?entityID={site.resource}/sp&ui_locales=ar")
    places = scripted.execute_script(
        """const middle = element => { const box = element.getBoundingClientRect(); return (box.left + box.right) / 2; };
        const row = document.querySelector('#results li');
        return [middle(document.querySelector('#q')), middle(document.querySelector('#search button')),
                row.querySelector('bdi').getBoundingClientRect().right, row.getBoundingClientRect().right,
                document.querySelector('.home').getBoundingClientRect().left];"""
    )
    field, button, name, row, mark = places
    assert field > button
    assert row - name < 40
    assert mark > 400
