"""pyFF: an aggregate in its in-memory store, verified with the signer's certificate."""

import json
import resource
import sys
from pathlib import Path

from timing import cpu_seconds

DIRECTORY = Path(sys.argv[1])


def load():
    from pyff.pipes import plumbing
    from pyff.repo import MDRepository

    repository = MDRepository()
    pipeline = DIRECTORY / "pyff.fd"
    pipeline.write_text(
        f"- load:\n  - {DIRECTORY / 'aggregate.xml'} verify {DIRECTORY / 'signer.pem'}\n- select\n", encoding="utf-8"
    )
    plumbing(str(pipeline)).process(repository, state={"batch": True, "stats": {}})
    if len(list(repository.store.entity_ids())) < 100:
        raise RuntimeError("it found no entity")


begin = cpu_seconds()
load()
found = {"load": (cpu_seconds() - begin) * 1000, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
json.dump(found, sys.stdout)
