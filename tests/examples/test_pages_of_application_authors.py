"""docs/protect-a-...-application.md: their files are those of the examples, and everything that they tell to type is run."""

import re
from pathlib import Path

import pytest
import yaml

from tests.examples.places import (
    DEMO,
    EXAMPLES,
    INSTALL,
    NOT_COPIED,
    PREPARE,
    ROOT,
    TESTING,
    Place,
    commands,
    preparing,
    readme,
    run_here,
    serving,
)

PAGES = ("flask", "django", "fastapi")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?:# |\{# )([\w./]+\.\w+)(?: #\})?\n")
# The reader's own environment; tests/e2e/test_the_lean_installation.py makes one.
ENVIRONMENT = ("python3 -m venv .venv", ". .venv/bin/activate")


def text_of(example: str) -> str:
    return (ROOT / "docs" / f"protect-a-{example}-application.md").read_text()


def files_of(example: str) -> dict[str, str]:
    """The files that the page shows, by the name in their first line."""
    found = {}
    for language, text in BLOCK.findall(text_of(example)):
        if language != "sh":
            name = NAMED.match(text)
            assert name is not None, f"a block does not say in its first line which file it is:\n{text}"
            found[name[1]] = text[name.end() :]
    return found


@pytest.mark.parametrize("example", PAGES)
def test_the_page_shows_every_file_of_the_example_as_it_is(example: str) -> None:
    there = {
        str(path.relative_to(EXAMPLES / example)): path.read_text()
        for path in (EXAMPLES / example).rglob("*")
        if path.is_file() and not any(part in NOT_COPIED for part in path.relative_to(EXAMPLES / example).parts)
    }
    del there["README.md"]
    assert files_of(example) == {name: text for name, text in there.items() if text}


@pytest.mark.parametrize("example", PAGES)
def test_what_the_page_tells_to_type_is_what_is_run(example: str, places: dict[str, Place]) -> None:
    told = commands(text_of(example))
    assert told[:2] == list(ENVIRONMENT)
    assert re.fullmatch(r"pip install [a-z0-9 ]+ '\.\./ostiary\[all\]'", told[2])
    checks = [command for command in told if command.startswith(("ostiary policy check ", "ostiary explain "))]
    tests = [command for command in told if command in TESTING]
    assert (len(checks), len(tests)) == (3, 1)
    # All others are the README's, which the tests of the example run, in the same order.
    others = [command for command in told[3:] if command not in checks]
    assert others == [command for command in commands(readme(example)) if not command.startswith(INSTALL)]
    assert sorted(others) == sorted([*preparing(example), PREPARE, DEMO, *serving(example), *tests])
    for command in checks:
        run_here(command, places[example].directory)


@pytest.mark.parametrize("example", PAGES)
def test_what_is_quoted_as_a_message_is_one(example: str) -> None:
    rows = re.findall(r"^\| (.+?) \|", text_of(example).partition("## What can go wrong")[2], re.MULTILINE)
    quoted = [text for row in rows for text in re.findall(r'"([^"]+)"', row)]
    assert len(quoted) >= 8
    told = "\n".join(
        text
        for directory in ("ostiary", "sp_shire", "wayf")
        for file in (ROOT / directory).rglob("texts/en/*.yaml")
        for text in _texts(yaml.safe_load(file.read_text()))
    )
    missing = [text for text in quoted if text not in told]
    assert missing == (["Invalid HTTP_HOST header"] if example == "django" else [])


def _texts(content: object) -> list[str]:
    if isinstance(content, dict):
        return [text for value in content.values() for text in _texts(value)]
    return [str(content)]


@pytest.mark.parametrize("readme_file", sorted(EXAMPLES.glob("*/README.md")), ids=lambda path: path.parent.name)
def test_a_readme_is_short_and_begins_as_all_do(readme_file: Path) -> None:
    text = readme_file.read_text()
    assert len(text.splitlines()) <= 40
    assert [command for command in commands(text) if not command.startswith(INSTALL)][1:4:2] == [PREPARE, DEMO]


def test_every_example_stands_in_the_list_and_every_readme_in_it() -> None:
    directories = {path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name[0] != "."}
    listed = set(re.findall(r"\]\(([\w-]+)/", (EXAMPLES / "README.md").read_text()))
    assert listed == directories
    assert {path.parent.name for path in EXAMPLES.glob("*/README.md")} == directories - {"unchanged-application"}


def test_what_the_page_of_web_servers_shows_is_what_the_examples_of_them_do() -> None:
    shown = dict(BLOCK.findall((ROOT / "docs" / "forward-auth.md").read_text()))
    for language, file in (("nginx", "nginx/nginx.conf"), ("caddyfile", "caddy/Caddyfile")):
        lines = {line.strip() for line in (EXAMPLES / file).read_text().splitlines()}
        missing = [line for line in shown[language].splitlines() if line.strip() not in lines]
        assert missing == (["members.example.org {"] if language == "caddyfile" else [])
    routes = yaml.safe_load((EXAMPLES / "traefik" / "routes.yaml").read_text())
    assert yaml.safe_load(shown["yaml"])["http"]["middlewares"] == routes["http"]["middlewares"]
