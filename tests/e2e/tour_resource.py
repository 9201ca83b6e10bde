"""The part of the tour at the `StrictResource`: where are you from, who is not let in, forms that wait, sessions that end, and what
operators see."""

from collections.abc import Iterator

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from ostiary.command.demo.people import NORTHGATE
from tests.e2e.strict_home import StrictHome
from tests.e2e.walk import (
    PATIENCE,
    agree_if_asked,
    click,
    enter_password,
    open_until,
    page_text,
    wait_for_element,
    wait_for_site,
    wait_for_text,
)

_HOME = f"button[name=entityID][value='{NORTHGATE.entity_id}']"


def tour_resource(driver: webdriver.Chrome, home: StrictHome) -> Iterator[str]:
    """As `tour`. Nobody may have been here before."""
    resource = home.resource
    driver.get(f"{resource.url}/library/")
    yield "embedded-discovery"
    driver.get(f"{driver.current_url}&q=atlantis")
    yield "embedded-discovery-nothing"
    driver.back()
    click(driver, By.CSS_SELECTOR, _HOME)
    enter_password(driver, "carol", "carol-left-long-ago")
    agree_if_asked(driver, resource.url)
    wait_for_site(driver, f"{resource.url}/library/")
    # The sessions of these two end soon; they are looked at last.
    for path in ("reading-room", "catalogue"):
        _enter(driver, f"{resource.url}/{path}/")
        wait_for_element(driver, "#short")
    _enter(driver, f"{resource.url}/thesis/")
    wait_for_text(driver, "Something about you is missing")
    yield "incomplete"
    driver.get(f"{resource.url}/ostiary/session")
    wait_for_text(driver, "No answer at the last attempt")
    yield "session-sources"
    driver.get(f"{resource.url}/library/vault")
    wait_for_element(driver, "form[action$='/again'] button")
    yield "denied-step-up"
    driver.get(f"{resource.url}/library/laboratory")
    yield "denied-everything"
    driver.get(f"{resource.url}/ostiary/status")
    yield "resource-status"
    resource.access.write_text("rules: [{id: nobody}]\n")
    driver.get(f"{resource.url}/broken")
    wait_for_text(driver, "application behind this page")
    yield "proxy-error"
    yield from _forms(driver, resource.url)
    open_until(driver, f"{resource.url}/ostiary/status", "A change was refused")
    yield "resource-status-refused"
    _open_until_it_ends_soon(driver, f"{resource.url}/catalogue/", "ostiary/expiring")
    yield "expiring-unused"
    _open_until_it_ends_soon(driver, f"{resource.url}/reading-room/")
    yield "expiring-soon"


def _enter(driver: webdriver.Chrome, url: str) -> None:
    driver.get(url)
    click(driver, By.CSS_SELECTOR, _HOME)
    wait_for_site(driver, url)


def _forms(driver: webdriver.Chrome, resource: str) -> Iterator[str]:
    """Forms that are sent without a session: one waits, the other one is too long for that."""
    _sign_out(driver, resource)
    driver.get(f"{resource}/")
    click(driver, By.ID, "short")
    wait_for_element(driver, _HOME)
    yield "embedded-discovery-remembered"
    click(driver, By.CSS_SELECTOR, _HOME)
    wait_for_text(driver, "Your form is still here")
    yield "form"
    driver.get(driver.current_url)
    wait_for_text(driver, "This form is no longer here")
    yield "form-gone"
    _sign_out(driver, resource)
    driver.get(f"{resource}/")
    click(driver, By.ID, "long")
    wait_for_text(driver, "Your form was not sent")
    yield "form-lost"


def _sign_out(driver: webdriver.Chrome, resource: str) -> None:
    driver.get(f"{resource}/ostiary/logout")
    click(driver, By.CSS_SELECTOR, "button[value=here]")
    wait_for_text(driver, "signed out")


def _open_until_it_ends_soon(driver: webdriver.Chrome, place: str, page: str = "") -> None:
    """Loads a page until it says so of the session there, a new one if that has ended already."""

    def says_so(_: webdriver.Chrome) -> bool:
        driver.get(place + page)
        said = page_text(driver)
        if "You have been signed out here" in said or "Where are you from?" in said:
            _enter(driver, place)
            wait_for_element(driver, "#short")
        return "Your session ends soon" in said

    WebDriverWait(driver, 2 * PATIENCE).until(says_so)
