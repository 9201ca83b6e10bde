"""Every attack of the catalogue against the login of an SP, beside the unmodified message, which is accepted."""

import ast
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ostiary.saml.xml import to_bytes
from tests.attacks import forgeries, wrapping
from tests.attacks.catalogue import ATTACKS, TRUE_USER, Attack, deeper_outcomes, outcomes
from tests.attacks.victim import login, login_without_parser_and_schema, redirected_request

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("assertion_signed", "response_signed"),
    [(True, False), (False, True), (True, True)],
    ids=["assertion", "response", "both"],
)
def test_the_unmodified_twins_are_accepted(assertion_signed: bool, response_signed: bool) -> None:
    twin = to_bytes(wrapping.response(assertion_signed=assertion_signed, response_signed=response_signed))
    assert login(twin) == TRUE_USER
    assert login_without_parser_and_schema(twin) == TRUE_USER


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_attack_gets_exactly_what_it_deserves(attack: Attack) -> None:
    data = attack.make()
    started = time.process_time()
    outcome = login(data)
    spent = time.process_time() - started
    assert outcome == attack.outcome
    assert wrapping.ADMIN not in outcome
    # An ordinary login takes about a millisecond; an attacker must not buy much more with one message.
    assert spent < 0.5


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.deeper], ids=lambda attack: attack.name)
def test_the_signature_rules_hold_without_parser_and_schema(attack: Attack) -> None:
    assert login_without_parser_and_schema(attack.make()) == attack.deeper


def test_each_forgery_is_in_the_catalogue_and_the_readme() -> None:
    made = {
        node.name
        for module in (forgeries, wrapping)
        for node in ast.parse(Path(str(module.__file__)).read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id == "bytes"
    }
    made = {name for name in made if not name.startswith("_")}
    used = {getattr(attack.make, "func", attack.make).__name__ for attack in ATTACKS}
    assert made == used
    readme = (ROOT / "tests" / "attacks" / "README.md").read_text("utf-8")
    assert [name for name in sorted(made | {"deflate_bomb"}) if f"`{name}`" not in readme] == []


def test_a_deflate_bomb_is_refused_at_its_first_bytes() -> None:
    bomb = forgeries.deflate_bomb()
    started = time.process_time()
    assert redirected_request(bomb) == "binding.too_large"
    assert time.process_time() - started < 0.5


def test_nothing_changes_when_python_optimizes() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-O", "-m", "tests.attacks.catalogue"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told == {"optimized": True, "outcomes": outcomes(), "deeper": deeper_outcomes()}


def test_no_assert_statement_guards_anything() -> None:
    packages = ("ostiary", "idp", "attribute_authority", "sp_shire", "wayf")
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert found == []
