"""The part of the tour at the `StrictHome`: ways to log in, second factors, terms of use, and passwords that have to be changed."""

from collections.abc import Iterator

import pyotp
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

from ostiary.clock import SystemClock
from tests.e2e.strict_home import StrictHome
from tests.e2e.walk import (
    click,
    enter_password,
    fill_in,
    forget_cookies,
    link_in_next_letter,
    wait_for_element,
    wait_for_text,
)

_ACCEPT = "button[name=answer][value=accept]"
_WORDS = "four words of his"


def tour_strict(driver: webdriver.Chrome, home: StrictHome) -> Iterator[str]:
    """As `tour`. Nobody but carol may have been here before."""
    forget_cookies(driver)
    driver.get(f"{home.url}/")
    yield "home-nobody"
    driver.get(f"{home.url}/logout")
    yield "idp-logout-nobody"
    driver.get(f"{home.url}/there-is-no-such-page")
    yield "idp-error-404"
    driver.get(f"{home.url}/saml/sso/login?ticket=used")
    yield "idp-error-ticket"
    driver.get(f"{home.url}/terms")
    yield "terms-to-read"
    yield from _ways_to_log_in(driver, home)
    yield from _first_factor(driver)
    yield from _own_factors(driver, home)
    yield from _asked_for_factor(driver, home)
    yield from _password_to_change(driver, home)


def _ways_to_log_in(driver: webdriver.Chrome, home: StrictHome) -> Iterator[str]:
    driver.get(f"{home.url}/portal")
    login = driver.current_url
    yield "login-ways"
    enter_password(driver, "zoe", "in the directory that is down")
    wait_for_element(driver, ".banner.warning")
    yield "login-directory-down"
    for path, name, shown in (
        ("negotiate", "kerberos", "input[name=password]"),
        ("certificate", "certificate", ".banner.refusal"),
        ("front-end", "front-end", ".banner.refusal"),
    ):
        driver.get(login)
        click(driver, By.CSS_SELECTOR, f"a[href*='/login/{path}']")
        wait_for_element(driver, shown)
        if f"/login/{path}" not in driver.current_url:
            raise RuntimeError(f"{driver.current_url} is not the login by {name}")
        yield f"login-{name}"
    driver.get(login)
    enter_password(driver, "alice", "alice-opens-doors")


def _first_factor(driver: webdriver.Chrome) -> Iterator[str]:
    """From the login to the page that she wanted."""
    wait_for_text(driver, "you have none yet")
    yield "factors-enrol"
    yield from _authenticator_app(driver)
    click(driver, By.CSS_SELECTOR, ".actions a.primary")
    wait_for_element(driver, _ACCEPT)
    yield "terms"
    click(driver, By.CSS_SELECTOR, _ACCEPT)
    wait_for_element(driver, "form[role=search]")
    yield "portal-empty"


def _authenticator_app(driver: webdriver.Chrome) -> Iterator[str]:
    click(driver, By.CSS_SELECTOR, "a[href*='/factors/totp']")
    wait_for_element(driver, "code.secret")
    yield "factors-app"
    fill_in(driver, code="000000")
    wait_for_element(driver, ".banner.refusal")
    yield "factors-app-wrong"
    app = pyotp.TOTP(driver.find_element(By.CSS_SELECTOR, "code.secret").text.replace(" ", ""))
    fill_in(driver, code=app.at(SystemClock().now()))
    wait_for_element(driver, "ol.codes")
    yield "factors-codes"


def _own_factors(driver: webdriver.Chrome, home: StrictHome) -> Iterator[str]:
    driver.get(f"{home.url}/account/factors")
    yield "factors"
    click(driver, By.CSS_SELECTOR, "section details summary")
    yield "factors-change"
    click(driver, By.CSS_SELECTOR, "section details button.danger")
    wait_for_element(driver, "input[name=sure]")
    yield "factors-remove"
    driver.get(f"{home.url}/account/factors")
    options = VirtualAuthenticatorOptions()
    options.transport, options.has_resident_key = "internal", True
    options.has_user_verification = options.is_user_verified = True
    driver.add_virtual_authenticator(options)
    click(driver, By.CSS_SELECTOR, "form[data-passkey=create] button")
    wait_for_text(driver, "Passkey")
    # It would take the offer of the next login page by itself.
    driver.remove_virtual_authenticator()
    driver.get(f"{home.url}/account/factors")
    yield "factors-two"
    driver.get(f"{home.url}/account/consents")
    yield "consents-nothing"
    driver.get(f"{home.url}/account/sessions")
    yield "sessions-nothing-used"


def _asked_for_factor(driver: webdriver.Chrome, home: StrictHome) -> Iterator[str]:
    forget_cookies(driver)
    driver.get(f"{home.url}/portal")
    enter_password(driver, "alice", "alice-opens-doors")
    wait_for_text(driver, "One more step")
    yield "second-factor"
    driver.find_element(By.ID, "code").send_keys("000000")
    click(driver, By.XPATH, "//form[.//input[@id='code']]//button")
    wait_for_element(driver, "#code-error")
    yield "second-factor-wrong"
    click(driver, By.TAG_NAME, "summary")
    driver.find_element(By.ID, "recovery-code").send_keys("AAAA-AAAA-AAAA-AAAA")
    click(driver, By.CSS_SELECTOR, "details button")
    wait_for_element(driver, "#recovery-code-error")
    yield "second-factor-recovery-wrong"
    forget_cookies(driver)


def _password_to_change(driver: webdriver.Chrome, home: StrictHome) -> Iterator[str]:
    driver.get(f"{home.url}/portal")
    enter_password(driver, "bob", "bob-reads-books")
    wait_for_element(driver, "input[name=current]")
    yield "password-must-change"
    fill_in(driver, current="bob-reads-books", password=_WORDS, again="something else")
    wait_for_element(driver, "#again-error")
    yield "password-must-change-wrong"
    fill_in(driver, current="bob-reads-books", password=_WORDS, again=_WORDS)
    click(driver, By.CSS_SELECTOR, _ACCEPT)
    wait_for_element(driver, "form[role=search]")
    driver.get(f"{home.url}/account/password")
    fill_in(driver, current=_WORDS, password=f"new {_WORDS}", again=f"new {_WORDS}")
    wait_for_text(driver, "Your password is changed")
    yield "password-changed"
    driver.get(f"{home.url}/account/factors")
    yield "factors-none"
    driver.get(f"{home.url}/account/forgotten")
    before = len(list(home.mail.glob("*.eml")))
    fill_in(driver, who="carol")
    driver.get(link_in_next_letter(driver, home.mail, before))
    fill_in(driver, password=_WORDS, again=_WORDS)
    wait_for_text(driver, "Your password is set")
    yield "password-reset"
    driver.get(f"{home.url}/logout")
    click(driver, By.CSS_SELECTOR, "button[value=here]")
    wait_for_text(driver, "You are signed out")
    yield "idp-signed-out"
