"""What a person does in a browser: opens a page, chooses her home organisation, logs in."""

from email import message_from_bytes
from email.policy import default
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 20


def wait_for_site(driver: webdriver.Chrome, prefix: str) -> None:
    """Until the address begins so."""
    WebDriverWait(driver, PATIENCE).until(lambda _: driver.current_url.startswith(prefix))


def choose_home(driver: webdriver.Chrome, entity_id: str) -> None:
    """Presses the button of a home organisation on the discovery page."""
    selector = f"button[name=choice][value='{entity_id}']"
    WebDriverWait(driver, PATIENCE).until(
        expected_conditions.element_to_be_clickable((By.CSS_SELECTOR, selector))
    ).click()


def enter_password(driver: webdriver.Chrome, username: str, password: str) -> None:
    """Fills in the login form and submits it."""
    WebDriverWait(driver, PATIENCE).until(expected_conditions.presence_of_element_located((By.NAME, "password")))
    driver.find_element(By.NAME, "username").clear()
    driver.find_element(By.NAME, "username").send_keys(username)
    driver.find_element(By.NAME, "password").send_keys(password)
    driver.find_element(By.CSS_SELECTOR, "form button.primary").click()


def agree_if_asked(driver: webdriver.Chrome, prefix: str) -> bool:
    """Sends what the home organisation's page suggests, where it asks; until the address begins with ``prefix`` or the page is there that
    leads to it. Returns whether it asked."""
    button = (By.CSS_SELECTOR, "button[name=answer][value=accept]")

    def arrived(_: webdriver.Chrome) -> str:
        if driver.current_url.startswith(prefix) or driver.find_elements(By.ID, "auto-post"):
            return "there"
        return "asked" if driver.find_elements(*button) else ""

    asked = WebDriverWait(driver, PATIENCE).until(arrived) == "asked"
    if asked:
        click(driver, *button)
    return asked


def press_continue(driver: webdriver.Chrome) -> None:
    """Without JavaScript the page with the signed Response waits for its button to be pressed."""
    WebDriverWait(driver, PATIENCE).until(
        expected_conditions.element_to_be_clickable((By.CSS_SELECTOR, "#auto-post button"))
    ).click()


def page_text(driver: webdriver.Chrome) -> str:
    """What the page says; tried again while one page gives way to the next."""
    return str(_patiently(driver).until(lambda _: driver.find_element(By.TAG_NAME, "body").text))


def wait_for_text(driver: webdriver.Chrome, words: str) -> None:
    """Until the page says so."""
    _patiently(driver).until(lambda _: words in driver.find_element(By.TAG_NAME, "body").text)


def open_until(driver: webdriver.Chrome, url: str, words: str) -> None:
    """Loads a page again until it says so: services look at their files every few seconds."""

    def says_so(_: webdriver.Chrome) -> bool:
        driver.get(url)
        return words in page_text(driver)

    WebDriverWait(driver, PATIENCE, poll_frequency=1).until(says_so)


def click(driver: webdriver.Chrome, by: str, value: str) -> None:
    """Clicks the element once it is there."""

    def clicked(_: webdriver.Chrome) -> bool:
        driver.find_element(by, value).click()
        return True

    _patiently(driver).until(clicked)


def wait_for_element(driver: webdriver.Chrome, selector: str) -> None:
    """Until the page has one."""
    _patiently(driver).until(lambda _: driver.find_element(By.CSS_SELECTOR, selector))


def forget_cookies(driver: webdriver.Chrome) -> None:
    """Those of every site, as a browser that was closed."""
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})


def fill_in(driver: webdriver.Chrome, **typed: str) -> None:
    """Fills in the form of a page by the names of its fields, and submits it."""
    for name, text in typed.items():
        driver.find_element(By.NAME, name).send_keys(text)
    click(driver, By.CSS_SELECTOR, "main form:not([hidden]) button.primary")


def link_in_next_letter(driver: webdriver.Chrome, mail: Path, before: int) -> str:
    """The link in the letter that makes them more than ``before``: letters come after the answer."""
    WebDriverWait(driver, PATIENCE).until(lambda _: len(list(mail.glob("*.eml"))) > before)
    newest = max(mail.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    words = str(message_from_bytes(newest.read_bytes(), policy=default).get_content()).split()
    return next(word for word in words if "://" in word)


def _patiently(driver: webdriver.Chrome) -> WebDriverWait[webdriver.Chrome]:
    # Chromium's driver says in several ways that an element went with its page.
    return WebDriverWait(driver, PATIENCE, ignored_exceptions=(WebDriverException,))
