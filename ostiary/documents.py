"""Finds the documents that ship with Ostiary, in a wheel or in a checkout. Reads none of them."""

from pathlib import Path

from ostiary.errors import ConfigurationError


def policies() -> Path:
    """The directory of the shipped policy documents. Raises `ConfigurationError` when this installation lacks it."""
    return find("policies", Path(__file__).parent)


def schemas() -> Path:
    """The directory of the shipped schema documents. Raises `ConfigurationError` when this installation lacks it."""
    return find("schemas", Path(__file__).parent)


def find(name: str, package: Path) -> Path:
    """The directory ``name`` that belongs to the installed ``package`` directory.

    A wheel carries it inside the package, a checkout beside it. Raises `ConfigurationError` when neither is there.
    """
    inside = package / name
    if inside.is_dir():
        return inside
    # Only a checkout has pyproject.toml there; in site-packages a directory of that name is somebody else's.
    beside = package.parent / name
    if beside.is_dir() and (package.parent / "pyproject.toml").is_file():
        return beside
    raise ConfigurationError("config.documents_missing", file=inside, expected=f"{inside} or {beside}")
