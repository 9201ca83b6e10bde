"""Indexes a document in a process of its own, so that none that serves grows by it: memory and CPU time are limited, and it ends with its
parent. Data goes there and comes back as JSON.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ostiary.child_process import command_of, environment_of, limit
from ostiary.errors import OstiaryError, Refusal, TooLarge, Unavailable
from ostiary.federation.index.indexing import index_document
from ostiary.federation.index.records import Indexed, indexed_from, instant, stamp
from ostiary.federation.index.store import MetadataIndex
from ostiary.federation.sources.reading import Reading, reading_from

_KINDS: Final[dict[str, type[OstiaryError]]] = {
    kind.__name__: kind for kind in (Refusal, TooLarge, Unavailable, OstiaryError)
}


@dataclass(frozen=True, slots=True)
class ApartLimits:
    """Bytes of address space, seconds of CPU, and ``within``: seconds in all. 100,000 entities (850 MB) need 3.9 GB and 30 seconds."""

    memory: int = 6 * 1024**3
    cpu_seconds: int = 300
    within: float = 900.0


def index_document_apart(
    index: MetadataIndex,
    source: str,
    document: Path,
    reading: Reading,
    now: datetime,
    limits: ApartLimits | None = None,
) -> Indexed:
    """`index_document` in another process. Raises the same, and `Refusal` (``metadata.indexing_ended``) when the process ended before it
    was done: it needed more than ``limits``, say. Then, too, everything is as it was."""
    limits = limits if limits is not None else ApartLimits()
    task = {
        "directory": str(index.directory),
        "source": source,
        "document": str(document),
        "reading": reading.as_json(),
        "now": stamp(now),
        "memory": limits.memory,
        "cpu_seconds": limits.cpu_seconds,
    }
    command, environment = command_of("ostiary.federation.index.apart"), environment_of(os.environ)
    # Whatever it complains about goes to a file: a pipe that nobody empties yet would hold up both.
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, env=environment
        ) as process,
    ):
        if process.stdin is None or process.stdout is None:
            raise Unavailable("metadata.index_unavailable", found="no pipe to the other process")
        # One that only waits uses no CPU time; the other sources have their turn all the same.
        end = threading.Timer(limits.within, process.kill)
        end.daemon = True
        end.start()
        try:
            # It reads one line; the pipe stays open, and ends with us.
            process.stdin.write(json.dumps(task).encode() + b"\n")
            process.stdin.flush()
            said = process.stdout.read()
        except BrokenPipeError:
            said = b""
        except BaseException:
            process.kill()
            raise
        finally:
            end.cancel()
        process.stdin.close()
        code = process.wait()
        complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 500))
        complaint = complaints.read().decode(errors="replace").strip()
    return _result(said, code, complaint)


def _result(said: bytes, code: int, complaint: str) -> Indexed:
    try:
        answer = json.loads(said)
    except ValueError:
        found = complaint.splitlines()[-1] if complaint else "no word"
        raise Refusal("metadata.indexing_ended", expected="an answer", found=f"exit {code}: {found}"[:300]) from None
    if "indexed" in answer:
        return indexed_from(answer["indexed"])
    problem = answer["problem"]
    raise _KINDS[problem["kind"]](
        problem["code"], expected=problem["expected"], found=problem["found"], **problem["params"]
    )


def main() -> None:
    """The other process: one task from standard input, one answer to standard output."""
    task = json.loads(sys.stdin.buffer.readline())
    limit(memory=task["memory"], cpu_seconds=task["cpu_seconds"])
    # Nothing here refers to itself, and all of it goes at the end.
    gc.disable()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answer: Mapping[str, Any] = {"indexed": _indexed(task).as_json()}
    except MemoryError:
        # Other allocations fail with other words, or with none at all.
        raise SystemExit("not enough memory") from None
    except OstiaryError as error:
        kind = next(name for name, known in _KINDS.items() if isinstance(error, known))
        kind = type(error).__name__ if type(error).__name__ in _KINDS else kind
        answer = {
            "problem": {
                "kind": kind,
                "code": error.code,
                "expected": error.expected,
                "found": error.found,
                "params": dict(error.params),
            }
        }
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    # Taking a tree of gigabytes apart takes longer than reading it.
    os._exit(0)


def _indexed(task: Mapping[str, Any]) -> Indexed:
    now = instant(task["now"])
    if now is None:
        raise Refusal("metadata.indexing_ended", expected="an instant", found="none")
    index = MetadataIndex.open(Path(task["directory"]))
    return index_document(index, task["source"], Path(task["document"]), reading_from(task["reading"]), now)


def _end_with_parent() -> None:
    """The pipe ends when the parent does, whatever happens to it."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
