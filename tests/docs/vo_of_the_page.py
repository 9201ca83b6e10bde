"""The VO that docs/voms.md makes, for the pages that go on from there."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from ostiary.command.demo.authority import CertificateFiles, DemoAuthority
from tests.docs.test_documents_work_as_written import blocks, run


def write_credentials(directory: Path, people: Mapping[str, str]) -> None:
    """A CA with its directory, the host certificate, and one for each of ``people``: the names of their files and of themselves."""
    now = datetime.now(UTC)
    authority = DemoAuthority(directory)
    authority.prepare(now=now)
    host = CertificateFiles(directory / "host.pem", directory / "host.key")
    authority.issue(host, "voms.example.org", now=now, hosts=("voms.example.org",))
    for file, name in people.items():
        authority.issue(CertificateFiles(directory / f"{file}.pem", directory / f"{file}.key"), name, now=now)
    authority.publish([], now=now)


def make_vo(directory: Path, people: Mapping[str, str], commands: Iterable[str]) -> None:
    """The same, ``voms.yaml`` as docs/voms.md has it, and what these commands of ``ostiary vo`` do."""
    base, *_ = blocks("docs/voms.md", "yaml")
    (directory / "voms.yaml").write_text(base)
    write_credentials(directory, people)
    for command in commands:
        run(f"ostiary vo --config voms.yaml {command}", directory)
