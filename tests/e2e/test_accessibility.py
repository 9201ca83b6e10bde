"""axe-core finds nothing on any page of the demo, at desktop and phone width, light and dark."""

from pathlib import Path

import pytest

from tests.e2e.axe import violations
from tests.e2e.conftest import start_chromium
from tests.e2e.screenshots import WIDTHS
from tests.e2e.tour import tour
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(("size", "dark"), [("desktop", False), ("desktop", True), ("phone", False), ("phone", True)])
def test_no_page_breaks_a_rule_of_accessibility(demo: RunningDemo, tmp_path: Path, size: str, dark: bool) -> None:
    driver = start_chromium(tmp_path / "profile", dark=dark)
    metrics = {"width": WIDTHS[size], "height": 900, "deviceScaleFactor": 1, "mobile": False}
    found = {}
    try:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for name in tour(driver, demo):
            found[name] = violations(driver)
    finally:
        driver.quit()
    assert len(found) >= 12
    assert {name: broken for name, broken in found.items() if broken} == {}


def test_a_page_that_breaks_rules_is_found_out(demo: RunningDemo, tmp_path: Path) -> None:
    driver = start_chromium(tmp_path / "profile")
    try:
        page = "<html><title>x</title><main><h1>x</h1><img src='data:,'><input name='a'></main></html>"
        driver.get(f"data:text/html,{page}")
        rules = {line.partition(":")[0] for line in violations(driver)}
    finally:
        driver.quit()
    assert {"html-has-lang", "image-alt", "label"} <= rules
