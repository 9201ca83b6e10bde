"""The demo federation and Chromium, started for the session and stopped after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.e2e.noting import MODULE
from tests.running_demo import RunningDemo


@pytest.fixture(scope="session")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Which templates the demo has used."""
    return tmp_path_factory.mktemp("notes") / "templates"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, notes: Path) -> Iterator[RunningDemo]:
    running = RunningDemo(tmp_path_factory.mktemp("demo"), module=(MODULE, str(notes)))
    yield running
    running.stop()


def start_chromium(profile: Path, *, javascript: bool = True, dark: bool = False) -> webdriver.Chrome:
    """Debian's Chromium, headless, with a fresh profile; a cookie without SameSite counts as Lax, as it is by default."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--window-size=1100,900",
        "--lang=en",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    if dark:
        options.add_argument("--blink-settings=preferredColorScheme=0")
    if not javascript:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(20)
    return driver


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def javascript(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def chromium(tmp_path: Path, javascript: bool) -> Iterator[webdriver.Chrome]:
    driver = start_chromium(tmp_path / "profile", javascript=javascript)
    yield driver
    driver.quit()
