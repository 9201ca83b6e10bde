"""pysaml2: an aggregate in its MetadataStore, signature unchecked (with it, the xmlsec1 program comes on top)."""

import json
import sys
from pathlib import Path

from saml2.attribute_converter import ac_factory
from saml2.config import Config
from saml2.mdstore import MetadataStore
from timing import cpu_seconds

DOCUMENT = str(Path(sys.argv[1]) / "aggregate.xml")


def memory():
    """Megabytes of this process at its most."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) / 1024


def load():
    store = MetadataStore(ac_factory(), Config())
    store.load("local", DOCUMENT)
    if not len(store.keys()):
        raise RuntimeError("it found no entity")


begin = cpu_seconds()
load()
found = {"load": (cpu_seconds() - begin) * 1000, "memory": memory()}
json.dump(found, sys.stdout)
