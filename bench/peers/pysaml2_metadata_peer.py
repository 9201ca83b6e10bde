"""pysaml2: an aggregate in its MetadataStore, signature unchecked (with it, the xmlsec1 program comes on top)."""

import json
import resource
import sys
from pathlib import Path

from saml2.attribute_converter import ac_factory
from saml2.config import Config
from saml2.mdstore import MetadataStore
from timing import cpu_seconds

DOCUMENT = str(Path(sys.argv[1]) / "aggregate.xml")


def load():
    store = MetadataStore(ac_factory(), Config())
    store.load("local", DOCUMENT)
    if not len(store.keys()):
        raise RuntimeError("it found no entity")


begin = cpu_seconds()
load()
found = {"load": (cpu_seconds() - begin) * 1000, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
json.dump(found, sys.stdout)
