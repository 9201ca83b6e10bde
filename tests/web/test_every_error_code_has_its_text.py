"""Every code that the source raises is in the catalogue with the placeholders it can fill, and docs/errors.md lists it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ostiary.web.error_list import error_list
from ostiary.web.texts import Catalogue, placeholders

ROOT = Path(__file__).parents[2]
PACKAGES = ("ostiary", "idp", "attribute_authority", "sp_shire", "wayf", "voms")
# What an error knows besides the keywords that it is raised with.
ALWAYS = {
    "ConfigurationError": {"file", "line", "key"},
    "DocumentError": {"file", "line", "key", "nearest"},
    "WrongSetting": {"file", "line", "key"},
    "TooMany": {"retry_after"},
}
NOT_PARAMETERS = {"expected", "found", "code"}
# Raised by the shell itself, or spoken by the catalogue for a code that it does not know.
SPOKEN_BY_THE_SHELL = {"unlisted"}
# Raised by a parser that sees no file; the reader of the document raises it again with file, line and key.
NAMED_A_PLACE_LATER = {"policy.pattern", "policy.path", "policy.target", "aa.template"}


@dataclass(frozen=True)
class Raised:
    """One place where an error is made: its code (None when the source computes it) and the parameters that are passed."""

    place: str
    kind: str
    code: str | None
    params: frozenset[str]
    open_ended: bool


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def error_classes(trees: dict[Path, ast.Module]) -> dict[Path, set[str]]:
    """For each module, the names that mean an error class there: one that carries a code, defined there or imported. A class of
    the same name elsewhere that is no error (the resource side has a page ``Denied``) neither hides one nor counts as one."""
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in trees}
    known: dict[Path, set[str]] = {path: set() for path in trees}
    known[modules["ostiary.errors"]].add("OstiaryError")
    # WrongSetting is what a settings model raises; it becomes a ConfigurationError with file, line and key.
    known[modules["ostiary.config.problems"]].add("WrongSetting")
    making = {
        path: [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.ImportFrom)]
        for path, tree in trees.items()
    }
    more = True
    while more:
        more = False
        for path, nodes in making.items():
            found = {name for node in nodes for name in error_names(node, known, modules, path)}
            more = more or not found <= known[path]
            known[path] |= found
    return known


def error_names(node: ast.AST, known: dict[Path, set[str]], modules: dict[str, Path], path: Path) -> set[str]:
    """The names of error classes that a statement of the module at ``path`` makes, as far as they are known."""
    if isinstance(node, ast.ClassDef):
        return {node.name} if {base.id for base in node.bases if isinstance(base, ast.Name)} & known[path] else set()
    if isinstance(node, ast.ImportFrom) and node.module in modules:
        there = known[modules[node.module]]
        return {imported.asname or imported.name for imported in node.names if imported.name in there}
    return set()


def name_of(call: ast.Call) -> str | None:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


def constants(node: ast.expr | None, tree: ast.Module) -> list[str | None]:
    """The codes an expression may have: a constant, either branch of a conditional, what a variable of that name is given
    anywhere in the module, or (None) something computed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return constants(node.body, tree) + constants(node.orelse, tree)
    if isinstance(node, ast.Name):
        given = [
            assignment.value
            for assignment in ast.walk(tree)
            if isinstance(assignment, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == node.id for target in assignment.targets)
        ]
        return [code for value in given if not isinstance(value, ast.Name) for code in constants(value, tree)] or [None]
    return [None]


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    named = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    if named is not None:
        return named
    return call.args[position] if len(call.args) > position else None


def raised(path: Path, tree: ast.Module, classes: set[str]) -> Iterator[Raised]:
    """Each error made in a module. A function that passes its own parameter on as the code counts as an error class itself."""
    passing: dict[str, tuple[int, str, str]] = {}
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        positional = [arg.arg for arg in function.args.args if arg.arg not in ("self", "cls")]
        every = positional + [arg.arg for arg in function.args.kwonlyargs]
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call) and name_of(node) in classes):
            given_code = argument(call, 0, "code")
            if isinstance(given_code, ast.Name) and given_code.id in every:
                position = positional.index(given_code.id) if given_code.id in positional else 99
                passing[function.name] = (position, given_code.id, name_of(call) or "")
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = name_of(call)
        place = f"{path.relative_to(ROOT)}:{call.lineno}"
        given = frozenset(keyword.arg for keyword in call.keywords if keyword.arg)
        open_ended = any(keyword.arg is None for keyword in call.keywords)
        if name is not None and name in classes:
            for code in constants(argument(call, 0, "code"), tree):
                yield Raised(place, name, code, given - NOT_PARAMETERS, open_ended)
        elif name is not None and name in passing:
            position, keyword_name, kind = passing[name]
            for code in constants(argument(call, position, keyword_name), tree):
                yield Raised(place, kind, code, frozenset(), True)


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in sources()}


@pytest.fixture(scope="module")
def everything_raised(trees: dict[Path, ast.Module]) -> list[Raised]:
    classes = error_classes(trees)
    return [found for path, tree in trees.items() for found in raised(path, tree, classes[path])]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(*sorted(path for package in PACKAGES for path in (ROOT / package).rglob("texts")))


def test_the_search_finds_codes(everything_raised: list[Raised]) -> None:
    codes = {found.code for found in everything_raised}
    assert {"http.parameter_missing", "csrf.token", "web.secret", "key.unusable"} <= codes


def test_every_code_in_the_source_has_its_text(everything_raised: list[Raised], catalogue: Catalogue) -> None:
    listed = set(catalogue.error_codes)
    missing = sorted(
        f"{found.code} ({found.place})" for found in everything_raised if found.code and found.code not in listed
    )
    assert missing == []


def test_every_sentence_can_be_filled_where_it_is_raised(everything_raised: list[Raised], catalogue: Catalogue) -> None:
    problems = []
    for found in everything_raised:
        if found.code is None or found.open_ended or found.code not in catalogue.error_codes:
            continue
        message, remedy = catalogue.error_template(found.code)
        unfilled = (placeholders(message) | placeholders(remedy)) - found.params - ALWAYS.get(found.kind, set())
        if found.code in NAMED_A_PLACE_LATER:
            unfilled -= ALWAYS["ConfigurationError"]
        if unfilled:
            problems.append(f"{found.code} ({found.place}): {', '.join(sorted(unfilled))}")
    assert problems == []


def test_every_text_belongs_to_a_code_in_the_source(trees: dict[Path, ast.Module], catalogue: Catalogue) -> None:
    strings = {
        node.value
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sorted(set(catalogue.error_codes) - strings - SPOKEN_BY_THE_SHELL) == []


def test_the_page_of_error_codes_is_up_to_date(catalogue: Catalogue) -> None:
    assert (ROOT / "docs" / "errors.md").read_text("utf-8") == error_list(catalogue)
