"""Makes the document of a publication in a process of its own, which ends with its parent: whoever serves never grows by it.

The child is told by JSON on its standard input, and tells by JSON on its standard output.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from ostiary.child_process import command_of, end_with_parent, environment_of, limit
from ostiary.errors import OstiaryError, Refusal, Unavailable
from ostiary.federation.keys import load_key_ring
from ostiary.federation.publish.making import make_document
from ostiary.federation.publish.publication import Made, Publication, SourceState
from ostiary.federation.settings import MetadataQuerySettings, TrustSettings
from ostiary.saml.xml import read_instant, write_instant

MEMORY: Final = 4 * 1024**3
"""Octets. An index of any size needs a hundredth of it; files that are held in memory need some ten times their size."""

SECONDS: Final = 900

Kind = Literal["metadata", "wayf"]


@dataclass(frozen=True, slots=True)
class MakeApart:
    """A `Make` for the publications of this configuration file."""

    config: Path
    kind: Kind

    def __call__(self, publication: Publication, path: Path, now: datetime) -> Made:
        """See `Make`. Raises `Refusal` with what the child raised, `Unavailable` (``publish.apart``) where it came to no end."""
        request = {
            "config": str(self.config.absolute()),
            "kind": self.kind,
            "publication": publication.name,
            "path": str(path.absolute()),
            "now": write_instant(now),
            "parent": os.getpid(),
        }
        try:
            done = subprocess.run(  # noqa: S603 - this very program
                command_of(__name__),
                env=environment_of(os.environ),
                input=json.dumps(request).encode(),
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
            told = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise Unavailable(
                "publish.apart", expected="a document", found=f"{type(error).__name__}: {error}"
            ) from None
        if done.returncode != 0:
            raise Refusal(told["code"], expected=told["expected"], found=told["found"], **told["params"])
        sources = tuple(SourceState(**source) for source in told.pop("sources"))
        return Made(**told, sources=sources)


def make_here(
    trust: TrustSettings,
    publication: Publication,
    path: Path,
    now: datetime,
) -> Made:
    """The same in this process. Servers that are asked for single entities are left out: what they were asked for so far is no
    selection."""
    from ostiary.clock import StandingClock
    from ostiary.federation.sources.living import open_metadata

    whole = trust.model_copy(
        update={"metadata": tuple(one for one in trust.metadata if not isinstance(one, MetadataQuerySettings))}
    )
    metadata = open_metadata(whole, StandingClock(now), leave_out=lambda entity_id, problem: None, refresh=False)
    try:
        signer = load_key_ring(trust.keys).signer
        return make_document(publication, path, metadata.registry(), signer, now, reports=metadata.reports())
    finally:
        metadata.close()


def publication_of(config: Path, kind: Kind, name: str) -> tuple[TrustSettings, Publication]:
    """What a configuration says about one of its publications. Raises `Refusal` (``publish.unknown``)."""
    from ostiary.config import load_settings

    if kind == "wayf":
        from wayf.service import whole_federation
        from wayf.settings import WayfSettings

        wayf = load_settings(config, WayfSettings)
        return wayf.trust, whole_federation(wayf)
    from wayf.metadata_settings import MetadataServiceSettings

    service = load_settings(config, MetadataServiceSettings)
    for one in service.publications():
        if one.name == name:
            return service.trust, one
    known = ", ".join(one.name for one in service.publications())
    raise Refusal("publish.unknown", expected=known, found=name, known=known)


def _made(request: Mapping[str, Any]) -> dict[str, Any]:
    trust, publication = publication_of(Path(request["config"]), request["kind"], request["publication"])
    return asdict(make_here(trust, publication, Path(request["path"]), read_instant(request["now"])))


def main() -> int:
    """The child."""
    request = json.loads(sys.stdin.buffer.read())
    end_with_parent(request["parent"], by=signal.SIGKILL)
    # What it starts itself, to index a document, has limits of its own.
    limit(memory=MEMORY, cpu_seconds=SECONDS, for_good=False)
    try:
        print(json.dumps(_made(request)))
    except OstiaryError as problem:
        facts = {"expected": problem.expected, "found": problem.found, "params": dict(problem.params)}
        print(json.dumps({"code": problem.code, **facts}))
        return 1
    except (MemoryError, OSError) as error:
        found = f"{type(error).__name__}: {error}"
        print(json.dumps({"code": "publish.apart", "expected": "a document", "found": found, "params": {}}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
