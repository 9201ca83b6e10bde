"""docs/what-the-application-sees.md and docs/reverse-proxy.md: their programs run, somebody logs in to them, and their tables are true."""

import importlib
import io
import json
import re
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from ostiary.clock import SystemClock
from ostiary.command.cli import ostiary
from ostiary.command.resource import make_proxy
from ostiary.config import load_settings
from ostiary.federation.keys import create_key_ring
from ostiary.web.log import make_log
from sp_shire import Ostiary, ShireAsgiMiddleware, ShireMiddleware
from sp_shire.adapters.exports import exported_names, header_name, header_value
from sp_shire.proxy.backend import read_address
from sp_shire.proxy.passing_on import MAXIMUM_FIELDS, MAXIMUM_HEADERS
from sp_shire.settings import ShireSettings
from tests.browser import Browser
from tests.docs.followed_page import Block, blocks_of, text_of, write_federation
from tests.flows.test_asgi_applications import AsWsgi
from tests.simulator import START, Simulation, configure

SEES = "what-the-application-sees.md"
PROXY = "reverse-proxy.md"


def block(first_line: str, page: str = SEES) -> Block:
    [found] = [block for block in blocks_of(page) if block.text.partition("\n")[0] == f"# {first_line}"]
    return found


@pytest.fixture
def run(simulation: Simulation) -> Callable[[str], ModuleType]:
    """Runs a program of the page, with the library of the simulation in place of its ``sp.yaml``."""
    simulation.start_all()

    def run_block(first_line: str) -> ModuleType:
        # Annotations are looked up in the module that holds them.
        module = ModuleType(f"page_{re.sub('[^a-z]', '_', first_line)}")
        module.__dict__["SHIRE"] = simulation.shires["library"]
        sys.modules[module.__name__] = module
        exec(block(first_line).text.replace('"sp.yaml"', "SHIRE"), module.__dict__)  # noqa: S102
        return module

    return run_block


def logged_in(simulation: Simulation, application: Any) -> tuple[Browser, dict[str, Any]]:
    simulation.serve(simulation.origin("library"), application)
    browser = simulation.browser()
    told: dict[str, Any] = json.loads(simulation.log_in(browser, "library", "alice").text)
    return browser, told


ALICE = {
    "affiliations": ["member@northgate.example", "staff@northgate.example"],
    "home": "https://northgate.example/idp",
}


def test_the_flask_program_knows_who_is_there(simulation: Simulation, run: Callable[[str], ModuleType]) -> None:
    browser, told = logged_in(simulation, run("flask").app)
    assert told == ALICE
    assert browser.get(simulation.origin("library") + "/").text == "You are here already."
    sent_off = simulation.browser().request("GET", simulation.origin("library") + "/")
    assert sent_off.header("location") == simulation.handler("library", "login?target=%2Flibrary%2F")


def test_the_fastapi_program_knows_who_is_there(simulation: Simulation, run: Callable[[str], ModuleType]) -> None:
    assert logged_in(simulation, AsWsgi(run("fastapi").app))[1] == ALICE


def test_the_django_settings_name_what_is_there() -> None:
    found: dict[str, Any] = {}
    exec(block("django settings.py").text, found)  # noqa: S102
    assert found["MIDDLEWARE"][0] == "sp_shire.django.OstiaryMiddleware"
    for name in found["MIDDLEWARE"][:1]:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute)
    program = block("django wsgi.py").text
    assert "from sp_shire.django import ShireMiddleware" in program
    assert hasattr(importlib.import_module("sp_shire.django"), "ShireMiddleware")


def test_everything_that_the_table_says_of_the_object_is_there() -> None:
    table = text_of(SEES).partition("## An object")[2].partition("In Flask:")[0]
    named = set(re.findall(r"`([a-z_]+)(?:\(|`)", table.partition("It can't")[0]))
    public = {name for name in dir(Ostiary) if not name.startswith("_")} | set(Ostiary.__dataclass_fields__)
    assert named == public - {"of", "doors", "path", "query", "renew"}


def test_the_settings_of_the_pages_are_accepted(simulation: Simulation, tmp_path: Path) -> None:
    path = simulation.layout.directory("library") / "sp.yaml"
    for found in blocks_of(SEES):
        if found.language == "yaml":
            configure(path, **yaml.safe_load(found.text))
    settings = load_settings(path, ShireSettings)
    assert (settings.hand_over, settings.jwt is not None) == ("both", True)
    # The table of names: those of the settings, and all others that there are.
    listed = set(re.findall(r"`([A-Z_]{5,})`", text_of(SEES).partition("## Names in")[2].partition("## Headers")[0]))
    assert listed == set(exported_names(settings)) - {"affiliation", "display_name"}
    headers = text_of(SEES).partition("## Headers")[2].partition("## A signed")[0]
    for name in ("affiliation", "display_name", "OSTIARY_IDP", "REMOTE_USER"):
        assert f"`{header_name(name)}`" in headers
    assert f"`{header_value('Żółć')}`" in headers


def test_the_proxy_of_the_page_can_be_set_up(tmp_path: Path) -> None:
    path = tmp_path / "sp.yaml"
    path.write_text(block("sp.yaml", PROXY).text)
    write_federation(tmp_path)
    create_key_ring(tmp_path / "keys", "members.example.org", now=START)
    (tmp_path / "accept.yaml").write_text("rules: [{id: affiliation, attribute: eduPersonScopedAffiliation}]")
    (tmp_path / "access.yaml").write_text(
        "rules: [{id: all, paths: /, permit: {attribute: eduPersonScopedAffiliation}}]"
    )
    settings = load_settings(path, ShireSettings)
    assert settings.proxy.model_dump() == ShireSettings.model_fields["proxy"].default.model_dump()
    [commands] = [found.lines() for found in blocks_of(PROXY) if found.language == "sh"]
    for command in commands:
        words = command.split()
        assert words[:3] == ["ostiary", "serve", "proxy"]
        address = read_address(words[words.index("--to") + 1])
        log = make_log(SystemClock(), service="proxy", stream=io.StringIO())
        assert isinstance(make_proxy(path, address, log=log), ShireAsgiMiddleware)
    shown = CliRunner().invoke(ostiary, ["serve", "proxy", "--help"]).output
    for option in re.findall(r"--[a-z]+", " ".join(commands)):
        assert option in shown
    assert f"more than {MAXIMUM_FIELDS} headers, or {MAXIMUM_HEADERS // 1024} kB" in text_of(PROXY)


# -- a service behind the application ----------------------------------------------------------------------------------


@pytest.fixture
def token(simulation: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A token about somebody; and ``person.py`` of the page, set up for who signed it. The clock is that of the simulation."""
    configure(simulation.layout.directory("library") / "sp.yaml", jwt={"audience": "https://api.members.example.org"})
    shire = simulation.resource_node("library")
    seen: list[str] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ["HTTP_OSTIARY_JWT"])
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b"{}"]

    browser, _ = logged_in(simulation, ShireMiddleware(application, shire))
    keys = browser.get(simulation.handler("library", "jwks")).body

    def urlopen(url: str, timeout: float) -> io.BytesIO:
        assert url == "https://members.example.org/ostiary/jwks"
        return io.BytesIO(keys)

    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return simulation.clock.now()

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr("jose.jwt.datetime", Then)
    text = block("person.py").text.replace("https://members.example.org/shar", "https://library.example/shar")
    (tmp_path / "person.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "person", raising=False)
    yield seen[0]
    sys.modules.pop("person", None)


def ask(simulation: Simulation, application: Any, token: str | None) -> tuple[int, Any]:
    simulation.serve("http://127.0.0.1:20099", application)
    headers = {} if token is None else {"Ostiary-Jwt": token}
    answer = simulation.browser().request("GET", "http://127.0.0.1:20099/loans", headers=headers)
    return answer.status, json.loads(answer.text) if answer.status == 200 else None


@pytest.mark.parametrize("framework", ["flask behind", "fastapi behind"])
def test_a_service_behind_the_application_believes_a_token_that_holds_and_no_other(
    simulation: Simulation, run: Callable[[str], ModuleType], token: str, framework: str
) -> None:
    application = run(framework).api
    if framework.startswith("fastapi"):
        application = AsWsgi(application)
    status, told = ask(simulation, application, token)
    assert (status, told["attributes"]["eduPersonScopedAffiliation"]) == (200, ALICE["affiliations"])
    assert len(told["sub"]) == 43
    for wrong in (None, "", "a.b.c", token[:-8] + "AAAAAAAA", "eyJhbGciOiJub25lIn0.e30."):
        assert ask(simulation, application, wrong) == (401, None)
    simulation.clock.forward(minutes=2)
    assert ask(simulation, application, token) == (401, None)
