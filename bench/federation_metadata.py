"""A signed aggregate as large federations publish it: verified and indexed, looked up in, refreshed, found again after a restart.

Times of whole documents are those of the clock, of the best of some rounds: verification and indexing go on at once. The bare work is
one lxml parse and one xmlsec verification, alone, in the same run.
"""

import gc
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from bench.aggregates import Aggregates, certificates_of_members
from bench.measure import Row
from bench.peer_processes import Peer, measure_peers
from ostiary.federation.index import (
    IndexedSource,
    MetadataIndex,
    check_documents,
    index_document,
    index_document_apart,
)
from ostiary.federation.keys import self_signed
from ostiary.federation.sources.reading import Reading
from ostiary.saml import names
from ostiary.saml.keys import Signer, TrustedKey
from ostiary.saml.xml import qname

ENTITIES, QUICK, LARGE = 10_000, 2_000, 100_000
SOURCE = "aggregate"
LOADING_MB, WORKER_MB, READY_MS, WARM_US, COLD_US, CHECK_US = 4096.0, 60.0, 300.0, 5.0, 150.0, 150.0

XMLSEC1 = "/usr/bin/xmlsec1"
PYFF = os.environ.get("PYFF_PYTHON", "PYFF_PYTHON (an interpreter with pyFF, in an environment of its own)")
PEERS = (
    Peer("pysaml2", "pysaml2_metadata_peer.py", sys.executable, ("saml2",), (), ("load", "memory")),
    Peer("pyFF", "pyff_peer.py", PYFF, ("pyff",), (), ("load", "memory")),
)


def rows(*, quick: bool) -> list[Row]:
    """The smaller size and two rounds with ``quick``."""
    size = QUICK if quick else ENTITIES
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        about = f"aggregate of {size:,} entities ({_prepare(directory, size):.0f} MB)"
        bare, ours, apart = [], [], []
        for _ in range(2 if quick else 5):
            # Each in a fresh process, in turn, so that a slow moment of the machine falls on all of them.
            bare.append(_alone("bare", directory))
            ours.append(_alone("index", directory))
            apart.append(_alone("apart", directory))
        limit = _least(bare, "ms")
        refresh = min(_alone("refresh", directory)["ms"] for _ in range(2))
        # As the process does that keeps the index, in the background.
        checked = _alone("check", directory)
        worker = _alone("worker", directory)
        peers = measure_peers(directory, PEERS)
        verified = {name: found["load"] for name, found in peers.items()}
        return [
            Row(f"{about}: verified and indexed", _least(ours, "ms"), "ms", limit, 1.5, verified | _xmlsec1(directory)),
            Row(f"{about}: the same in a process of its own, with its start", _least(apart, "ms"), "ms", limit, 2.0),
            Row(f"{about}: the same, CPU time of both threads", _least(ours, "cpu"), "ms", _least(bare, "cpu"), 2.5),
            Row(f"{about}: refreshed, 10 entities changed", refresh, "ms", limit, 1.5),
            Row(
                "memory by which a worker grows that serves from the index",
                *(worker["megabytes"], "MB", WORKER_MB, 1.0),
                {name: found["memory"] for name, found in peers.items()},
            ),
            Row("index ready after a restart, first entity looked up", worker["ready"], "ms", READY_MS, 1.0),
            Row("look-up of an entity that is in use", worker["warm"], "µs", WARM_US, 1.0),
            Row("look-up of an entity from the index, parsed and read", worker["cold"], "µs", COLD_US, 1.0),
            Row("holding an entity against the schema, once for all look-ups", checked["each"], "µs", CHECK_US, 1.0),
        ]


def large_rows() -> list[Row]:
    """100,000 entities, once."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        about = f"aggregate of {LARGE:,} entities ({_prepare(directory, LARGE):.0f} MB)"
        bare, ours = _alone("bare", directory), _alone("index", directory)
        return [
            Row(f"{about}: verified and indexed", ours["ms"], "ms", bare["ms"], 1.5),
            Row(f"{about}: memory while it is loaded", ours["peak"], "MB", LOADING_MB, 1.0),
        ]


def _prepare(directory: Path, size: int) -> float:
    """Writes the aggregate, the same with ten entities changed, and its signer's certificate. Its size in megabytes."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    pem = self_signed(key, "federation.example", now=datetime.now(UTC))
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    (directory / "signer.pem").write_bytes(pem)
    (directory / "signer.der").write_bytes(der)
    aggregates = Aggregates(certificates_of_members(), datetime.now(UTC) + timedelta(days=10))
    document = aggregates.document(size, Signer(key, der))
    (directory / "aggregate.xml").write_bytes(document)
    if size < LARGE:
        changed = aggregates.document(size, Signer(key, der), changed=frozenset(range(0, size, size // 10)))
        (directory / "changed.xml").write_bytes(changed)
    return len(document) / 1e6


def _least(found: list[dict[str, float]], what: str) -> float:
    return min(one[what] for one in found)


def _alone(task: str, directory: Path) -> dict[str, float]:
    """One of `TASKS` in a process of its own."""
    command = [sys.executable, "-m", "bench.federation_metadata", task, str(directory)]
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def _xmlsec1(directory: Path) -> dict[str, float | str]:
    name = "xmlsec1, verification alone"
    if not Path(XMLSEC1).exists():
        return {name: f"{XMLSEC1} is not installed"}
    command = [XMLSEC1, "--verify", "--pubkey-cert-pem", str(directory / "signer.pem")]
    command += ["--id-attr:ID", f"{names.MD}:EntitiesDescriptor", str(directory / "aggregate.xml")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        return {name: (ended.stderr.strip().splitlines() or ["it failed without a word"])[-1][:200]}
    return {name: (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000}


def _peak() -> float:
    """Megabytes of this process at its most; what getrusage says begins with those of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) / 1024


def _reading(directory: Path) -> Reading:
    return Reading(trusted=(TrustedKey.from_certificate((directory / "signer.der").read_bytes()),))


def bare_work(directory: Path) -> dict[str, float]:
    """One lxml parse and one xmlsec verification, and nothing else."""
    key = xmlsec.Key.from_file(str(directory / "signer.der"), xmlsec.constants.KeyDataFormatCertDer)
    data = (directory / "aggregate.xml").read_bytes()
    begin, cpu = time.perf_counter(), time.process_time()
    root = etree.fromstring(data, etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True))
    context = xmlsec.SignatureContext()
    context.key = key
    context.register_id(root, "ID")
    signature = root.find(qname(names.DS, "Signature"))
    if signature is None:
        raise ValueError("no signature")
    context.verify(signature)
    return {
        "ms": (time.perf_counter() - begin) * 1000,
        "cpu": (time.process_time() - cpu) * 1000,
        "peak": _peak(),
    }


def index_here(directory: Path) -> dict[str, float]:
    """The aggregate into a new index, from its file to the commit."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        index = MetadataIndex.open(Path(name))
        reading, now = _reading(directory), datetime.now(UTC)
        # As the process does that `index_document_apart` starts.
        gc.disable()
        begin, cpu = time.perf_counter(), time.process_time()
        index_document(index, SOURCE, directory / "aggregate.xml", reading, now)
        ended, used = time.perf_counter(), time.process_time()
        return {"ms": (ended - begin) * 1000, "cpu": (used - cpu) * 1000, "peak": _peak()}


def index_apart(directory: Path) -> dict[str, float]:
    """The same in a child; what it leaves is what `worker` serves from."""
    shutil.rmtree(directory / "state", ignore_errors=True)
    index = MetadataIndex.open(directory / "state")
    begin = time.perf_counter()
    index_document_apart(index, SOURCE, directory / "aggregate.xml", _reading(directory), datetime.now(UTC))
    return {"ms": (time.perf_counter() - begin) * 1000, "peak": _peak()}


def refresh(directory: Path) -> dict[str, float]:
    """The next document, of which ten entities differ; and the first one again, for the next round."""
    index, reading, now = MetadataIndex.open(directory / "state"), _reading(directory), datetime.now(UTC)
    begin = time.perf_counter()
    indexed = index_document(index, SOURCE, directory / "changed.xml", reading, now)
    milliseconds = (time.perf_counter() - begin) * 1000
    if (indexed.added, indexed.changed, indexed.removed) != (0, 10, 0):
        raise ValueError(f"not ten entities but {indexed.changed} were indexed again")
    index_document(index, SOURCE, directory / "aggregate.xml", reading, now)
    return {"ms": milliseconds}


def check(directory: Path) -> dict[str, float]:
    """Holds every document against the schema, in the index to which the worker comes."""
    index = MetadataIndex.open(directory / "state")
    begin = time.process_time()
    count = check_documents(index, SOURCE)
    return {"each": (time.process_time() - begin) / max(1, count) * 1e6}


def worker(directory: Path) -> dict[str, float]:
    """One that serves: looks up 1,000 entities that were not in use, and one again and again."""
    sources, now = [IndexedSource(SOURCE, _reading(directory))], datetime.now(UTC)
    before = _resident()
    begin = time.perf_counter()
    index = MetadataIndex.open(directory / "state")
    registry = index.registry(sources)
    first = next(registry.summaries(now)).entity_id
    if registry.get(first, now) is None:
        raise ValueError("the first entity is not found")
    ready = (time.perf_counter() - begin) * 1000
    known = [summary.entity_id for summary in registry.summaries(now)]
    some = random.Random(7).sample(known, 1000)  # noqa: S311 - nothing secret
    gc.collect()
    gc.freeze()
    cold = warm = float("inf")
    for start in range(0, len(some), 20):
        begin = time.perf_counter()
        for entity_id in some[start : start + 20]:
            registry.get(entity_id, now)
        cold = min(cold, (time.perf_counter() - begin) / 20)
        begin = time.perf_counter()
        for _ in range(100):
            for entity_id in some[start : start + 20]:
                registry.get(entity_id, now)
        warm = min(warm, (time.perf_counter() - begin) / 2000)
    return {"ready": ready, "cold": cold * 1e6, "warm": warm * 1e6, "megabytes": _resident() - before}


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2


TASKS: dict[str, Callable[[Path], dict[str, float]]] = {
    "bare": bare_work,
    "index": index_here,
    "apart": index_apart,
    "refresh": refresh,
    "check": check,
    "worker": worker,
}


if __name__ == "__main__":
    json.dump(TASKS[sys.argv[1]](Path(sys.argv[2])), sys.stdout)
