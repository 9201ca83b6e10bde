"""Second factors in Chromium: passkeys with its virtual authenticator, set up, signing in alone, after a password, and refused when another
website passes a challenge on; an authenticator app and recovery codes without JavaScript."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions
from selenium.webdriver.support.ui import WebDriverWait

from ostiary.clock import SystemClock
from tests.e2e.conftest import start_chromium
from tests.e2e.walk import (
    agree_if_asked,
    choose_home,
    click,
    enter_password,
    page_text,
    press_continue,
    wait_for_site,
    wait_for_text,
)
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.e2e

NORTHGATE, SOUTHBANK = 0, 1
PASSKEY_BUTTON = "form[data-passkey] button"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A federation of its own: whoever has a second factor is asked for it everywhere from then on."""
    running = RunningDemo(tmp_path_factory.mktemp("passkeys"))
    yield running
    running.stop()


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Chromium with an authenticator in the device that verifies its user, as phones and laptops have it."""
    started = start_chromium(tmp_path / "profile")
    options = VirtualAuthenticatorOptions()
    options.protocol = "ctap2"
    options.transport = "internal"
    options.has_resident_key = True
    options.has_user_verification = True
    options.is_user_verified = True
    started.add_virtual_authenticator(options)
    yield started
    started.quit()


@pytest.fixture
def plain_driver(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Chromium without JavaScript."""
    started = start_chromium(tmp_path / "plain", javascript=False)
    yield started
    started.quit()


def idp_of(demo: RunningDemo, home: int = NORTHGATE) -> str:
    return str(demo.ready["idp"][home]["sso"].partition("/saml/")[0])


def password_of(demo: RunningDemo, name: str, home: int = NORTHGATE) -> str:
    return str(next(user["password"] for user in demo.ready["idp"][home]["users"] if user["username"] == name))


def library_of(demo: RunningDemo) -> str:
    return str(demo.ready["sp"][0]["url"])


def sign_in_to_own_page(driver: webdriver.Chrome, demo: RunningDemo, name: str, home: int = NORTHGATE) -> None:
    driver.get(f"{idp_of(demo, home)}/account/factors")
    enter_password(driver, name, password_of(demo, name, home))
    wait_for_text(driver, "Your second factors")


def set_up_passkey(driver: webdriver.Chrome, demo: RunningDemo, name: str) -> None:
    sign_in_to_own_page(driver, demo, name)
    click(driver, By.CSS_SELECTOR, PASSKEY_BUTTON)
    wait_for_text(driver, "Your second factor is set up.")
    click(driver, By.LINK_TEXT, "I have kept them")
    wait_for_text(driver, "You have 10 codes left.")


def to_login_page(driver: webdriver.Chrome, demo: RunningDemo, home: int = NORTHGATE) -> None:
    driver.get(library_of(demo))
    wait_for_site(driver, demo.ready["wayf"]["url"])
    choose_home(driver, demo.ready["idp"][home]["entity_id"])


def press_passkey(driver: webdriver.Chrome) -> None:
    wait_for_text(driver, "passkey")
    click(driver, By.CSS_SELECTOR, PASSKEY_BUTTON)


def forget_sessions(driver: webdriver.Chrome) -> None:
    """As a browser that was closed; passkeys are the device's and stay."""
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})


def without_offers_in_fields(driver: webdriver.Chrome) -> None:
    """As a browser that does not know conditional mediation."""
    source = "PublicKeyCredential.isConditionalMediationAvailable = async () => false;"
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})


def wait_for_library(driver: webdriver.Chrome, demo: RunningDemo) -> None:
    agree_if_asked(driver, library_of(demo))
    wait_for_site(driver, library_of(demo))
    wait_for_text(driver, "What was told about you")


def test_a_passkey_is_set_up_and_signs_in_alone_and_after_a_password(
    driver: webdriver.Chrome, demo: RunningDemo
) -> None:
    set_up_passkey(driver, demo, "alice")
    forget_sessions(driver)
    to_login_page(driver, demo)
    # Chromium offers it in the field for the user name, and its virtual authenticator takes the offer. Where not, there is the button.
    try:
        WebDriverWait(driver, 8).until(lambda _: driver.current_url.startswith(library_of(demo)))
    except TimeoutException:
        press_passkey(driver)
    wait_for_library(driver, demo)

    forget_sessions(driver)
    without_offers_in_fields(driver)
    to_login_page(driver, demo)
    press_passkey(driver)
    wait_for_library(driver, demo)

    forget_sessions(driver)
    to_login_page(driver, demo)
    enter_password(driver, "alice", password_of(demo, "alice"))
    wait_for_text(driver, "One more step")
    press_passkey(driver)
    wait_for_library(driver, demo)


def test_whom_her_authenticator_does_not_verify_is_not_signed_in(driver: webdriver.Chrome, demo: RunningDemo) -> None:
    without_offers_in_fields(driver)
    set_up_passkey(driver, demo, "bob")
    forget_sessions(driver)
    driver.set_user_verified(False)
    to_login_page(driver, demo)
    press_passkey(driver)
    wait_for_text(driver, "That did not work.")
    assert driver.current_url.startswith(idp_of(demo))
    driver.set_user_verified(True)
    press_passkey(driver)
    wait_for_library(driver, demo)


ASK_FOR_OPTIONS = """
const done = arguments[0], form = document.querySelector("form[data-passkey]");
fetch(form.dataset.options, {method: "POST", body: new URLSearchParams(new FormData(form))})
  .then((answer) => answer.json()).then(done, (error) => done(String(error)));
"""
ASK_AUTHENTICATOR = """
const [options, done] = arguments;
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const shown = ({id, rawId, type, response}) => JSON.stringify({id, rawId: text(rawId), type, response: {
  clientDataJSON: text(response.clientDataJSON), authenticatorData: text(response.authenticatorData),
  signature: text(response.signature), userHandle: text(response.userHandle)}});
navigator.credentials.get({publicKey: {...options, challenge: bytes(options.challenge), allowCredentials: []}})
  .then((credential) => done(shown(credential)), (error) => done(String(error)));
"""
SEND = """
const form = document.querySelector("form[data-passkey]");
form.elements.namedItem("credential").value = arguments[0];
HTMLFormElement.prototype.submit.call(form);
"""


def test_a_challenge_that_another_website_passes_on_signs_nobody_in(
    driver: webdriver.Chrome, demo: RunningDemo
) -> None:
    """Browsers lend a passkey to every port of its host, so a service on another port can have the challenge signed: the origin tells."""
    without_offers_in_fields(driver)
    set_up_passkey(driver, demo, "carol")
    forget_sessions(driver)
    to_login_page(driver, demo)
    wait_for_text(driver, "Sign in with a passkey")
    login_page = driver.current_url
    options: dict[str, Any] = driver.execute_async_script(ASK_FOR_OPTIONS)
    assert options["rpId"] == "localhost"

    driver.get(f"{idp_of(demo, SOUTHBANK)}/")
    signed = driver.execute_async_script(ASK_AUTHENTICATOR, options)
    assert '"signature"' in signed

    driver.get(login_page)
    wait_for_text(driver, "Sign in with a passkey")
    driver.execute_script(SEND, signed)
    wait_for_text(driver, "Nobody could be signed in with that passkey.")
    log = demo.state.rglob("*.log")
    assert any("passkey.other_origin" in path.read_text() for path in log)
    driver.get(idp_of(demo))
    wait_for_text(driver, "Nobody is signed in")


def test_an_app_is_set_up_and_used_without_javascript_and_a_recovery_code_in_its_place(
    plain_driver: webdriver.Chrome, demo: RunningDemo
) -> None:
    driver = plain_driver
    sign_in_to_own_page(driver, demo, "dora", SOUTHBANK)
    assert "Passkeys need a browser that knows them" in page_text(driver)
    click(driver, By.LINK_TEXT, "Set up an app")
    wait_for_text(driver, "Or type this key into it:")
    secret = driver.find_element(By.CSS_SELECTOR, "code.secret").text.replace(" ", "")
    assert driver.find_element(By.CSS_SELECTOR, "svg.qr").size["width"] > 150
    app = pyotp.TOTP(secret)
    driver.find_element(By.NAME, "code").send_keys(app.at(SystemClock().now()))
    click(driver, By.CSS_SELECTOR, "form button.primary")
    wait_for_text(driver, "Your second factor is set up.")
    codes = re.findall(r"[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}", page_text(driver))
    assert len(codes) == 10

    forget_sessions(driver)
    to_login_page(driver, demo, SOUTHBANK)
    enter_password(driver, "dora", password_of(demo, "dora", SOUTHBANK))
    wait_for_text(driver, "One more step")
    # The next code, which is good already.
    driver.find_element(By.ID, "code").send_keys(app.at(SystemClock().now() + timedelta(seconds=30)))
    click(driver, By.CSS_SELECTOR, "form:not([hidden]) button.primary")
    agree_if_asked(driver, library_of(demo))
    press_continue(driver)
    wait_for_site(driver, library_of(demo))

    forget_sessions(driver)
    to_login_page(driver, demo, SOUTHBANK)
    enter_password(driver, "dora", password_of(demo, "dora", SOUTHBANK))
    wait_for_text(driver, "One more step")
    click(driver, By.TAG_NAME, "summary")
    driver.find_element(By.ID, "recovery-code").send_keys(codes[0])
    click(driver, By.CSS_SELECTOR, "details button")
    agree_if_asked(driver, library_of(demo))
    press_continue(driver)
    wait_for_site(driver, library_of(demo))
