"""``python -m tests.e2e.noting FILE ARGUMENTS``: the command ``ostiary ARGUMENTS``, which writes each template that it uses into FILE."""

import os
import runpy
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template

ROOT = Path(__file__).parents[2]
MODULE = "tests.e2e.noting"


def all_templates() -> frozenset[str]:
    """Every template of this repository, by the name that pages are made with."""
    folders = [*ROOT.glob("*/templates"), ROOT / "ostiary/web/templates", ROOT / "ostiary/command/demo/templates"]
    return frozenset(path.relative_to(folder).as_posix() for folder in folders for path in folder.rglob("*.html"))


def noted(file: Path) -> frozenset[str]:
    """The templates that were used."""
    return frozenset(file.read_text().split())


def main() -> None:
    descriptor = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    get_template = Environment.get_template

    def note(
        self: Environment,
        name: "str | Template",
        parent: str | None = None,
        globals: MutableMapping[str, Any] | None = None,
    ) -> Template:
        # One write: several processes share the file.
        os.write(descriptor, f"{name}\n".encode())
        return get_template(self, name, parent, globals)

    Environment.get_template = note  # type: ignore[method-assign]
    runpy.run_module("ostiary.command", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
