"""The texts of all rooms together, for the command line. Only the YAML files are read; no room is imported."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ostiary.web.texts import Catalogue

ROOMS: Final = ("idp", "attribute_authority", "sp_shire", "wayf", "voms")
_OWN: Final = (Path(__file__).parent / "texts", Path(__file__).parent / "demo" / "texts")


def text_directories() -> tuple[Path, ...]:
    """The directories of every room that is installed, and of the roof."""
    found = [Path(spec.origin).parent / "texts" for room in ROOMS if (spec := find_spec(room)) and spec.origin]
    return (*found, *_OWN)


def catalogue() -> Catalogue:
    """One catalogue of everything."""
    return Catalogue.load(*text_directories())
