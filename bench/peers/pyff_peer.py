"""pyFF: an aggregate in its in-memory store, verified with the signer's certificate."""

import json
import sys
from pathlib import Path

from timing import cpu_seconds

DIRECTORY = Path(sys.argv[1])


def memory():
    """Megabytes of this process at its most."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) / 1024


def load():
    import pyff.builtins  # noqa: F401 - its pipes
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
found = {"load": (cpu_seconds() - begin) * 1000, "memory": memory()}
json.dump(found, sys.stdout)
