"""axe-core finds nothing on any page, at desktop and phone width, light and dark; and no page is forgotten."""

from pathlib import Path

import pytest

from tests.e2e.axe import violations
from tests.e2e.conftest import start_chromium
from tests.e2e.noting import all_templates, noted
from tests.e2e.screenshots import WIDTHS
from tests.e2e.strict_home import strict_home
from tests.e2e.tour import tour
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.e2e

OVERFLOWS = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.mark.parametrize(("size", "dark"), [("desktop", False), ("desktop", True), ("phone", False), ("phone", True)])
def test_no_page_breaks_a_rule_of_accessibility(
    demo: RunningDemo, notes: Path, tmp_path: Path, size: str, dark: bool
) -> None:
    driver = start_chromium(tmp_path / "profile", dark=dark)
    metrics = {"width": WIDTHS[size], "height": 900, "deviceScaleFactor": 1, "mobile": False}
    found, too_wide = {}, []
    try:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        with strict_home(tmp_path, notes) as strict:
            for name in tour(driver, demo, strict):
                found[name] = violations(driver)
                if driver.execute_script(OVERFLOWS):
                    too_wide.append(name)
    finally:
        driver.quit()
    assert {name: broken for name, broken in found.items() if broken} == {}
    assert too_wide == []
    # Every page there is was among them. A service that keeps a page ready takes its template once.
    assert all_templates() - noted(notes) == set()


def test_a_page_that_breaks_rules_is_found_out(demo: RunningDemo, tmp_path: Path) -> None:
    driver = start_chromium(tmp_path / "profile")
    try:
        page = "<html><title>x</title><main><h1>x</h1><img src='data:,'><input name='a'></main></html>"
        driver.get(f"data:text/html,{page}")
        rules = {line.partition(":")[0] for line in violations(driver)}
    finally:
        driver.quit()
    assert {"html-has-lang", "image-alt", "label"} <= rules
