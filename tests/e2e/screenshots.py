"""Takes pictures of the demo's pages. Without arguments: those that the README shows, into docs/pictures. With ``--all DIRECTORY``: every
page, at desktop and phone width, light and dark, for looking at."""

import argparse
import tempfile
from pathlib import Path

from selenium import webdriver

from tests.e2e.conftest import start_chromium
from tests.e2e.walk import choose_home, enter_password, wait_for_site
from tests.running_demo import RunningDemo

README_PICTURES = ("discovery", "login", "library", "denied")
WIDTHS = {"desktop": 1100, "phone": 360}


class Photographer:
    """Walks through the demo with one browser and takes a picture of each page on the way."""

    def __init__(
        self, driver: webdriver.Chrome, directory: Path, suffix: str, width: int, wanted: tuple[str, ...] | None
    ) -> None:
        self._driver = driver
        self._directory = directory
        self._suffix = suffix
        self._width = width
        self._wanted = wanted

    def take(self, name: str) -> None:
        if self._wanted is not None and name not in self._wanted:
            return
        metrics = {"width": self._width, "height": 300, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        height = self._driver.execute_script("return document.documentElement.scrollHeight")
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**metrics, "height": max(height, 400)})
        self._driver.save_screenshot(str(self._directory / f"{name}{self._suffix}.png"))

    def walk(self, demo: RunningDemo) -> None:
        driver = self._driver
        library, instrument = demo.ready["sp"]
        northgate = demo.ready["idp"][0]
        handlers = library["acs"].removesuffix("acs")
        driver.get(library["url"].removesuffix("library/"))
        self.take("start")
        driver.get(library["url"])
        self.take("discovery")
        driver.get(driver.current_url + "&q=south")
        self.take("discovery-search")
        driver.get(library["url"])
        choose_home(driver, northgate["entity_id"])
        self.take("login")
        enter_password(driver, "bob", "not his password")
        self.take("login-wrong")
        enter_password(driver, "bob", "bob-reads-books")
        wait_for_site(driver, library["url"])
        self.take("library")
        driver.get(handlers + "session")
        self.take("session")
        driver.get(instrument["url"])
        choose_home(driver, northgate["entity_id"])
        wait_for_site(driver, instrument["url"])
        self.take("denied")
        driver.get(northgate["sso"].partition("/saml/")[0] + "/")
        self.take("idp-home")
        driver.get(handlers + "finish?ticket=used")
        self.take("error")
        driver.get(handlers + "logout")
        self.take("logout")
        driver.delete_all_cookies()
        driver.get(instrument["url"])
        choose_home(driver, demo.ready["idp"][1]["entity_id"])
        enter_password(driver, "dora", "dora-tunes-lasers")
        wait_for_site(driver, instrument["url"])
        self.take("instrument")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="DIRECTORY")
    everything: Path | None = parser.parse_args().all
    directory = everything or Path("docs/pictures")
    directory.mkdir(parents=True, exist_ok=True)
    variants = [("", "desktop", False)]
    if everything is not None:
        variants = [(f"-{size}-{'dark' if dark else 'light'}", size, dark) for size in WIDTHS for dark in (False, True)]
    with tempfile.TemporaryDirectory() as temporary:
        demo = RunningDemo(Path(temporary))
        try:
            for number, (suffix, size, dark) in enumerate(variants):
                driver = start_chromium(Path(temporary) / f"profile{number}", dark=dark)
                wanted = None if everything is not None else README_PICTURES
                try:
                    Photographer(driver, directory, suffix, WIDTHS[size], wanted).walk(demo)
                finally:
                    driver.quit()
        finally:
            demo.stop()


if __name__ == "__main__":
    main()
