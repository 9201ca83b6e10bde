"""The pages for administrators of the Attribute Authority, one after the other."""

from collections.abc import Iterator
from urllib.parse import quote

from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.e2e.walk import click, enter_password, fill_in, forget_cookies, wait_for_element, wait_for_text
from tests.running_demo import RunningDemo

_WRONG = "policies: [{id: odd, for: {anyone: true}, rules: [{permit: [displayNam, mail]}]}]"


def tour_administration(driver: webdriver.Chrome, demo: RunningDemo) -> Iterator[str]:
    """As alice of Northgate, who administers; and as bob, who does not."""
    northgate = demo.ready["idp"][0]
    authority = northgate["aa"]["soap"].partition("/saml/")[0]
    policies = demo.state / "northgate" / "release.yaml"
    for username, password in (("bob", "bob-reads-books"), ("alice", "alice-opens-doors")):
        forget_cookies(driver)
        driver.get(f"{authority}/admin")
        enter_password(driver, username, password)
        wait_for_text(driver, "for those who administer" if username == "bob" else "What leaves this organisation")
        yield "admin-denied" if username == "bob" else "admin"
    driver.get(f"{authority}/admin?q=atlantis")
    yield "admin-nothing"
    driver.get(f"{authority}/admin/test")
    yield "admin-test"
    fill_in(driver, resource="https://instrument.example/shar", person="nobody-of-this-name")
    wait_for_text(driver, "Nobody of this organisation")
    yield "admin-test-wrong"
    driver.get(f"{authority}/admin/test")
    fill_in(driver, resource="https://instrument.example/shar", person="bob")
    wait_for_text(driver, "Everything that is known")
    yield "admin-told"
    driver.get(f"{authority}/admin/dry-run?file={quote(str(policies))}")
    yield "admin-dry-run"
    _write(driver, "policies: [")
    wait_for_element(driver, "#policies-error")
    yield "admin-dry-run-wrong"
    _write(driver, _WRONG)
    wait_for_text(driver, "What would change")
    yield "admin-tried"
    driver.get(f"{authority}/admin/history")
    yield "admin-history"
    click(driver, By.CSS_SELECTOR, ".choices a")
    wait_for_text(driver, "In force since")
    yield "admin-change"


def _write(driver: webdriver.Chrome, text: str) -> None:
    area = driver.find_element(By.ID, "policies")
    area.clear()
    area.send_keys(text)
    click(driver, By.CSS_SELECTOR, "main form button.primary")
