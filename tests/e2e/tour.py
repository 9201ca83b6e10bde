"""Every page in one browser, one after the other: for looking at them and for checking them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from selenium import webdriver
from selenium.webdriver.common.by import By

from attribute_authority.settings import QUERY_PATH
from ostiary.web.maintenance import Maintenance, write_flag
from tests.e2e.strict_home import StrictHome
from tests.e2e.tour_administration import tour_administration
from tests.e2e.tour_resource import tour_resource
from tests.e2e.tour_strict import tour_strict
from tests.e2e.tour_vo import tour_vo
from tests.e2e.walk import (
    choose_home,
    click,
    enter_password,
    fill_in,
    forget_cookies,
    link_in_next_letter,
    open_until,
    wait_for_element,
    wait_for_site,
    wait_for_text,
)
from tests.running_demo import RunningDemo


def tour(driver: webdriver.Chrome, demo: RunningDemo, strict: StrictHome) -> Iterator[str]:
    """Goes from page to page and names each when it is shown. ``strict`` is new."""
    yield from _resources(driver, demo, strict)
    yield from _own_pages(driver, demo)
    yield from tour_resource(driver, strict)
    yield from _after_maintenance(driver, demo)
    yield from tour_administration(driver, demo)
    yield from tour_vo(driver, demo)
    yield from tour_strict(driver, strict)


def _resources(driver: webdriver.Chrome, demo: RunningDemo, strict: StrictHome) -> Iterator[str]:
    """From a resource to the home organisation and back."""
    library, instrument = demo.ready["sp"]
    northgate = demo.ready["idp"][0]
    handlers = library["acs"].removesuffix("acs")
    driver.get(library["url"].removesuffix("library/"))
    yield "start"
    wayf = demo.ready["wayf"]["url"]
    driver.get(urljoin(wayf, "/"))
    yield "wayf-start"
    driver.get(wayf)
    yield "wayf-error"
    driver.get(urljoin(wayf, "/status"))
    yield "wayf-status"
    driver.get(strict.metadata)
    yield "metadata-service"
    driver.get(f"{strict.metadata}/status")
    yield "metadata-service-status"
    driver.get(library["url"])
    yield "discovery"
    discovery = driver.current_url
    for name, words in (("search", "south"), ("nothing", "atlantis")):
        driver.get(f"{discovery}&q={words}")
        yield f"discovery-{name}"
    driver.get(library["url"])
    choose_home(driver, northgate["entity_id"])
    yield "login"
    enter_password(driver, "bob", "not his password")
    yield "login-wrong"
    # What leads on without being pressed stays to be looked at.
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    enter_password(driver, "bob", "bob-reads-books")
    wait_for_element(driver, "#auto-post button")
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    yield "auto-post"
    click(driver, By.CSS_SELECTOR, "#auto-post button")
    wait_for_site(driver, library["url"])
    yield "library"
    driver.get(handlers + "session")
    yield "session"
    driver.get(handlers + "expiring")
    yield "expiring"
    driver.get(instrument["url"])
    yield "discovery-remembered"
    choose_home(driver, northgate["entity_id"])
    wait_for_site(driver, instrument["url"])
    yield "denied"
    driver.get(f"{handlers}login?forceAuthn=true&target=/library/")
    choose_home(driver, northgate["entity_id"])
    wait_for_element(driver, "input[name=password]")
    yield "login-again"
    driver.get(f"{_idp(northgate)}/")
    yield "idp-home"
    yield from _accounts(driver, _idp(northgate), demo.state / "northgate" / "mail")
    driver.get(handlers + "finish?ticket=used")
    yield "error"
    driver.get(handlers + "logout")
    yield "logout"
    click(driver, By.CSS_SELECTOR, "button[value=here]")
    wait_for_text(driver, "signed out")
    yield "logout-here"
    driver.get(handlers + "expiring?why=idle")
    yield "session-ended"
    driver.get(handlers + "logout")
    yield "logout-nobody"


def _what_leaves(driver: webdriver.Chrome, authority: str, resource: str) -> Iterator[str]:
    """The pages of the Attribute Authority for whoever is signed in at home."""
    driver.get(f"{authority}/my")
    wait_for_site(driver, authority)
    yield "my"
    for name, path in (
        ("resource", f"resource?id={resource}"),
        ("values", f"values?id={resource}&attribute=eduPersonScopedAffiliation"),
        ("find", "find?q=example"),
        ("find-nothing", "find?q=atlantis"),
        ("rule", "default"),
        ("history", "history"),
        ("revoke", "revoke"),
    ):
        driver.get(f"{authority}/my/{path}")
        yield f"my-{name}"


def _own_pages(driver: webdriver.Chrome, demo: RunningDemo) -> Iterator[str]:
    """Consent, and what people have at their home organisation."""
    instrument, home = demo.ready["sp"][1], demo.ready["idp"][1]
    southbank = _idp(home)
    for answer in ("refuse", "accept"):
        forget_cookies(driver)
        driver.get(instrument["url"])
        choose_home(driver, home["entity_id"])
        enter_password(driver, "dora", "dora-tunes-lasers")
        # So that the next tour is asked, too.
        click(driver, By.ID, "mode-ask_always")
        if answer == "accept":
            yield "consent"
        click(driver, By.CSS_SELECTOR, f"button[name=answer][value={answer}]")
        wait_for_site(driver, instrument["url"].partition("/instrument")[0])
        yield "instrument" if answer == "accept" else "consent-refused"
    driver.get(f"{southbank}/account/consents")
    yield "consents"
    yield from _what_leaves(driver, home["aa"]["soap"].removesuffix(QUERY_PATH), instrument["entity_id"])
    driver.get(f"{southbank}/portal")
    yield "portal"
    driver.get(f"{southbank}/portal?q=atlantis")
    yield "portal-nothing"
    driver.get(f"{southbank}/account/sessions")
    yield "sessions"
    driver.get(f"{southbank}/status")
    yield "status"
    flag = demo.state / "southbank" / "maintenance.yaml"
    write_flag(flag, Maintenance(message={"en": "We move to new machines."}))
    open_until(driver, southbank, "We move to new machines.")
    yield "maintenance"
    flag.unlink()


def _after_maintenance(driver: webdriver.Chrome, demo: RunningDemo) -> Iterator[str]:
    southbank = _idp(demo.ready["idp"][1])
    open_until(driver, southbank, "You are signed in")
    driver.get(f"{southbank}/logout")
    yield "idp-logout"
    click(driver, By.CSS_SELECTOR, "button[value=everywhere]")
    wait_for_text(driver, "You are signed out everywhere")
    yield "idp-logout-everywhere"


def _idp(home: dict[str, Any]) -> str:
    return str(home["sso"].partition("/saml/")[0])


def _accounts(driver: webdriver.Chrome, idp: str, mail: Path) -> Iterator[str]:
    """What people do with their own accounts; nobody's password is changed."""
    driver.get(f"{idp}/account/password")
    yield "account-password"
    fill_in(driver, current="not her password", password="four words of hers", again="four words of hers")
    wait_for_text(driver, "That is not your present password.")
    yield "account-password-wrong"
    driver.get(f"{idp}/account/forgotten")
    yield "account-forgotten"
    # One person gets three letters an hour.
    number = len(list(mail.glob("*.eml")))
    fill_in(driver, who=("alice", "bob", "carol")[number % 3])
    wait_for_text(driver, "Look into your mailbox")
    yield "account-forgotten-sent"
    driver.get(link_in_next_letter(driver, mail, number))
    yield "account-reset"
    driver.get(f"{idp}/account/register")
    yield "account-register"
    fill_in(driver, name="Grace Hopper", mail=f"grace{number}@navy.example")
    wait_for_text(driver, "We have sent a letter")
    yield "account-register-sent"
    driver.get(link_in_next_letter(driver, mail, number + 1))
    yield "account-register-confirm"
    fill_in(driver, password="four words of hers", again="four words of hers")
    wait_for_text(driver, "Your registration waits")
    yield "account-register-waits"
