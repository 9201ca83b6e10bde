"""What every peer is asked to do, as a directory: task.json, key and certificate (PEM), metadata of both sides. Standard library only."""

import json
from pathlib import Path
from types import SimpleNamespace


def load(directory: Path) -> SimpleNamespace:
    found = SimpleNamespace(**json.loads((directory / "task.json").read_text()))
    found.key, found.certificate = directory / "key.pem", directory / "certificate.pem"
    found.idp_metadata, found.sp_metadata = directory / "idp.xml", directory / "sp.xml"
    found.number_of_attributes = len(found.attributes)
    return found
