"""A person says on a page of the application itself where she is from; without JavaScript the link leads her the ordinary way."""

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.shadowroot import ShadowRoot
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from ostiary.command.demo.people import NORTHGATE
from tests.e2e.axe import violations
from tests.e2e.screenshots import WIDTHS
from tests.e2e.walk import PATIENCE, agree_if_asked, choose_home, enter_password, press_continue, wait_for_site
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.e2e


def inside(driver: webdriver.Chrome) -> ShadowRoot:
    return driver.find_element(By.TAG_NAME, "ostiary-login").shadow_root


def found(driver: webdriver.Chrome, selector: str) -> WebElement:
    def there(_: webdriver.Chrome) -> WebElement | None:
        return next(iter(inside(driver).find_elements(By.CSS_SELECTOR, selector)), None)

    element = WebDriverWait(driver, PATIENCE).until(there)
    if not isinstance(element, WebElement):
        raise LookupError(selector)
    return element


@pytest.mark.parametrize("javascript", [True], ids=["with JavaScript"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_she_types_picks_logs_in_and_is_remembered(chromium: webdriver.Chrome, demo: RunningDemo, size: str) -> None:
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": WIDTHS[size], "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    page = demo.ready["sp"][1]["url"]
    start = page.rpartition("/instrument/")[0] + "/"
    chromium.get(start)
    field = found(chromium, "input[type=search]")
    asked = chromium.execute_script("return performance.getEntriesByType('resource').length")
    field.send_keys("nobody.in.particular@northgate.example")
    hit = found(chromium, "li button")
    assert hit.text == "Northgate University northgate.example"
    addresses = chromium.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert all(address.startswith(start) for address in addresses)
    assert not any("nobody.in.particular" in address for address in addresses[asked:])
    assert violations(chromium) == []
    found(chromium, "input[type=checkbox]").click()
    field.send_keys(Keys.ARROW_DOWN)
    chromium.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for_site(chromium, demo.ready["idp"][0]["sso"].partition("/sso")[0])
    enter_password(chromium, "alice", "alice-opens-doors")
    agree_if_asked(chromium, page)
    wait_for_site(chromium, page)
    chromium.get(start)
    assert found(chromium, "button.first").text == "Continue with Northgate University"
    assert violations(chromium) == []


@pytest.mark.parametrize("javascript", [False], ids=["without JavaScript"])
def test_without_javascript_the_link_leads_to_the_login(chromium: webdriver.Chrome, demo: RunningDemo) -> None:
    page = demo.ready["sp"][1]["url"]
    chromium.get(page.rpartition("/instrument/")[0] + "/")
    chromium.find_element(By.CSS_SELECTOR, "ostiary-login a").click()
    choose_home(chromium, NORTHGATE.entity_id)
    enter_password(chromium, "alice", "alice-opens-doors")
    agree_if_asked(chromium, page)
    press_continue(chromium)
    wait_for_site(chromium, page)
