"""Takes pictures of the demo's pages. Without arguments: those that the README shows, into docs/pictures. With ``--all DIRECTORY``: every
page, at desktop and phone width, light and dark, for looking at."""

import argparse
import tempfile
from pathlib import Path

from selenium import webdriver

from tests.e2e.conftest import start_chromium
from tests.e2e.strict_home import StrictHome, strict_home
from tests.e2e.tour import tour
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

    def walk(self, demo: RunningDemo, strict: StrictHome) -> None:
        for name in tour(self._driver, demo, strict):
            self.take(name)


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
                    place = Path(temporary) / f"strict{number}"
                    with strict_home(place, place / "templates") as strict:
                        Photographer(driver, directory, suffix, WIDTHS[size], wanted).walk(demo, strict)
                finally:
                    driver.quit()
        finally:
            demo.stop()


if __name__ == "__main__":
    main()
