"""The release policies that ship under a name: what federations have agreed upon for an entity category. Finds them; reads none."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from ostiary import documents
from ostiary.config import PathFromHere, WrongSetting, nearest_key

PREFIX: Final = "bundle:"
"""How a list of policy files names a bundle."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)


def bundles() -> Mapping[str, Path]:
    """The file of each bundle by its name, sorted. Raises `ConfigurationError` when this installation lacks the documents."""
    directory = documents.policies() / "release" / "bundles"
    return {file.stem: file for file in sorted(directory.glob("*.yaml"))}


def bundle_file(name: str) -> Path:
    """The file of the bundle of that name. Raises `WrongSetting` ``policy.unknown_bundle`` where none is called so."""
    known = bundles()
    file = known.get(name)
    if file is None:
        nearest = nearest_key(name, known) if _NAME.fullmatch(name) else ""
        raise WrongSetting("policy.unknown_bundle", expected=nearest or ", ".join(known), found=name[:64])
    return file


def _named(value: Any) -> Any:
    return bundle_file(value.removeprefix(PREFIX)) if isinstance(value, str) and value.startswith(PREFIX) else value


PolicyPathFromHere = Annotated[PathFromHere, BeforeValidator(_named)]
"""In settings: a file or directory of release policies, or ``bundle:NAME``."""
