"""The settings of a resource that nobody starts: for tests of what may stand in ``sp.yaml``."""

from pathlib import Path
from typing import Any, Final

import yaml

from ostiary.config import load_settings
from sp_shire.settings import ShireSettings

WIKI: Final[dict[str, Any]] = {
    "entity_id": "https://wiki.example.org/shar",
    "public_url": "https://wiki.example.org",
    "display": {"name": "Wiki"},
    "trust": {"keys": "keys", "metadata": []},
    "discovery_url": "https://wayf.example.org/discovery",
    "accept": ["accept.yaml"],
    "access": ["access.yaml"],
}


def wiki_settings(directory: Path, **changes: Any) -> ShireSettings:
    """Those of ``sp.yaml`` in this directory, which says what `WIKI` says but for these."""
    (directory / "keys").mkdir(exist_ok=True)
    (directory / "sp.yaml").write_text(yaml.safe_dump({**WIKI, **changes}))
    return load_settings(directory / "sp.yaml", ShireSettings)
