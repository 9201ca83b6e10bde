"""Ostiary installed by pip into environments of their own: `ostiary[sp]` alone, and what the pages for application authors tell to type."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.places import INSTALL, ROOT, Place, commands, made_ready, readme, serving

pytestmark = pytest.mark.e2e

PAGES = {"flask": "/members/", "django": "/room/", "fastapi": "/measurements/"}
NOT_NEEDED = ("alembic", "argon2", "flask", "granian", "ldap3", "sqlalchemy", "webauthn")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    with made_ready(tmp_path_factory.mktemp("installed"), [*PAGES, "wsgi"]) as ready:
        yield ready


def in_shell(script: str, directory: Path) -> str:
    """In an environment of nobody's."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        ["bash", "-e"], input=script, cwd=directory, env=clean, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_one_installation_and_one_file_federate_an_application(places: dict[str, Place], tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    in_shell(f"python3 -m venv lean\nlean/bin/pip install '{wheel}[sp]'", tmp_path)
    python = tmp_path / "lean" / "bin" / "python"
    looked_for = f"import importlib.util as i; print([n for n in {NOT_NEEDED} if i.find_spec(n)])"
    assert in_shell(f'{python} -c "{looked_for}"', tmp_path) == "[]\n"
    place = dataclasses.replace(places["wsgi"], python=str(python))
    place.run("ostiary policy check access access.yaml")
    assert 'entityID="https://visitors.example.org/shar"' in place.run("ostiary metadata sp --config sp.yaml")
    with place.running(*serving("wsgi")):
        _, page = place.log_in("/")
    assert (page.status, "You are <strong>member@northgate.example</strong>." in page.text) == (200, True)


@pytest.fixture(scope="module")
def environment_of_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the three pages tell to type before anything else, in one directory beside a checkout."""
    directory = tmp_path_factory.mktemp("author")
    (directory / "ostiary").symlink_to(ROOT)
    (directory / "application").mkdir()
    told = [commands((ROOT / "docs" / f"protect-a-{page}-application.md").read_text())[:3] for page in PAGES]
    assert [first[:2] for first in told] == [["python3 -m venv .venv", ". .venv/bin/activate"]] * len(PAGES)
    in_shell("\n".join([*told[0][:2], *(first[2] for first in told)]), directory / "application")
    return directory / "application" / ".venv" / "bin" / "python"


@pytest.mark.parametrize("example", PAGES)
def test_who_follows_the_page_from_nothing_has_a_working_login(
    example: str, places: dict[str, Place], environment_of_pages: Path
) -> None:
    [installed] = [command for command in commands(readme(example)) if command.startswith(INSTALL)]
    page_text = (ROOT / "docs" / f"protect-a-{example}-application.md").read_text()
    assert f"{installed} '../ostiary[all]'" in commands(page_text)
    place = dataclasses.replace(places[example], python=str(environment_of_pages))
    with place.running(*serving(example)):
        _, page = place.log_in(PAGES[example])
    assert (page.status, "member@northgate.example" in page.text) == (200, True)
