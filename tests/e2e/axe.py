"""axe-core in the page that a browser shows: which accessibility rules (WCAG 2.2 A and AA, and good practice) it breaks."""

from pathlib import Path

from selenium import webdriver

PLACE = Path(__file__).parents[2] / ".venv/axe/node_modules/axe-core/axe.min.js"

# A script that the driver runs is not bound by the page's Content Security Policy.
_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then(found => done(found.violations), problem => done(String(problem)));
"""


def violations(driver: webdriver.Chrome) -> list[str]:
    """One line for each element that breaks a rule: the rule, the element, what is wrong with it. Raises `RuntimeError`."""
    driver.execute_script(PLACE.read_text("utf-8"))
    found = driver.execute_async_script(_RUN)
    if isinstance(found, str):
        raise RuntimeError(f"axe-core did not run: {found}")
    return [
        f"{rule['id']}: {node['html'][:200]}: {' '.join(str(node.get('failureSummary', '')).split())}"
        for rule in found
        for node in rule["nodes"]
    ]
