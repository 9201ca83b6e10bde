"""Every page of the demo in one browser, one after the other: for looking at them and for checking them."""

from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from ostiary.web.maintenance import Maintenance, write_flag
from tests.e2e.walk import (
    PATIENCE,
    agree_if_asked,
    choose_home,
    click,
    enter_password,
    page_text,
    wait_for_site,
    wait_for_text,
)
from tests.running_demo import RunningDemo


def tour(driver: webdriver.Chrome, demo: RunningDemo) -> Iterator[str]:
    """Goes from page to page and names each when it is shown."""
    library, instrument = demo.ready["sp"]
    northgate = demo.ready["idp"][0]
    handlers = library["acs"].removesuffix("acs")
    driver.get(library["url"].removesuffix("library/"))
    yield "start"
    driver.get(library["url"])
    yield "discovery"
    driver.get(driver.current_url + "&q=south")
    yield "discovery-search"
    driver.get(library["url"])
    choose_home(driver, northgate["entity_id"])
    yield "login"
    enter_password(driver, "bob", "not his password")
    yield "login-wrong"
    enter_password(driver, "bob", "bob-reads-books")
    wait_for_site(driver, library["url"])
    yield "library"
    driver.get(handlers + "session")
    yield "session"
    driver.get(instrument["url"])
    choose_home(driver, northgate["entity_id"])
    wait_for_site(driver, instrument["url"])
    yield "denied"
    driver.get(northgate["sso"].partition("/saml/")[0] + "/")
    yield "idp-home"
    yield from _accounts(driver, northgate["sso"].partition("/saml/")[0], demo.state / "northgate" / "mail")
    driver.get(handlers + "finish?ticket=used")
    yield "error"
    driver.get(handlers + "logout")
    yield "logout"
    driver.delete_all_cookies()
    driver.get(instrument["url"])
    choose_home(driver, demo.ready["idp"][1]["entity_id"])
    enter_password(driver, "dora", "dora-tunes-lasers")
    # So that the next tour is asked, too.
    click(driver, By.ID, "mode-ask_always")
    yield "consent"
    agree_if_asked(driver, instrument["url"])
    wait_for_site(driver, instrument["url"])
    yield "instrument"
    southbank = demo.ready["idp"][1]["sso"].partition("/saml/")[0]
    driver.get(f"{southbank}/account/consents")
    yield "consents"
    driver.get(f"{southbank}/portal")
    yield "portal"
    driver.get(f"{southbank}/account/sessions")
    yield "sessions"
    driver.get(f"{southbank}/status")
    yield "status"
    flag = demo.state / "southbank" / "maintenance.yaml"
    write_flag(flag, Maintenance(message={"en": "We move to new machines."}))
    _open_until(driver, southbank, "We move to new machines.")
    yield "maintenance"
    flag.unlink()
    _open_until(driver, southbank, "You are signed in")
    driver.get(f"{southbank}/logout")
    yield "idp-logout"
    click(driver, By.CSS_SELECTOR, "button[value=everywhere]")
    wait_for_text(driver, "You are signed out everywhere")
    yield "idp-logout-everywhere"


def _accounts(driver: webdriver.Chrome, idp: str, mail: Path) -> Iterator[str]:
    """What people do with their own accounts; nobody's password is changed."""
    driver.get(f"{idp}/account/password")
    yield "account-password"
    _fill_in(driver, current="not her password", password="four words of hers", again="four words of hers")
    wait_for_text(driver, "That is not your present password.")
    yield "account-password-wrong"
    driver.get(f"{idp}/account/forgotten")
    yield "account-forgotten"
    # One person gets three letters an hour.
    number = len(list(mail.glob("*.eml")))
    _fill_in(driver, who=("alice", "bob", "carol")[number % 3])
    wait_for_text(driver, "Look into your mailbox")
    yield "account-forgotten-sent"
    driver.get(_link_in_next_letter(driver, mail, number))
    yield "account-reset"
    driver.get(f"{idp}/account/register")
    yield "account-register"
    _fill_in(driver, name="Grace Hopper", mail=f"grace{number}@navy.example")
    wait_for_text(driver, "We have sent a letter")
    yield "account-register-sent"
    driver.get(_link_in_next_letter(driver, mail, number + 1))
    yield "account-register-confirm"
    _fill_in(driver, password="four words of hers", again="four words of hers")
    wait_for_text(driver, "Your registration waits")
    yield "account-register-waits"


def _fill_in(driver: webdriver.Chrome, **typed: str) -> None:
    for name, text in typed.items():
        driver.find_element(By.NAME, name).send_keys(text)
    click(driver, By.CSS_SELECTOR, "main form button.primary")


def _link_in_next_letter(driver: webdriver.Chrome, mail: Path, before: int) -> str:
    """The link in the letter that makes them more than ``before``: letters come after the answer."""
    WebDriverWait(driver, PATIENCE).until(lambda _: len(list(mail.glob("*.eml"))) > before)
    newest = max(mail.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    words = str(message_from_bytes(newest.read_bytes(), policy=default).get_content()).split()
    return next(word for word in words if "://" in word)


def _open_until(driver: webdriver.Chrome, url: str, words: str) -> None:
    """Loads a page again until it says so: services look at their files every few seconds."""

    def says_so(_: webdriver.Chrome) -> bool:
        driver.get(url)
        return words in page_text(driver)

    WebDriverWait(driver, PATIENCE, poll_frequency=1).until(says_so)
