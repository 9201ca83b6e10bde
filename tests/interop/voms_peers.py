"""The VOMS clients of Debian, in C and in Java, and our own, over the demo's VO. Each run gets an environment of its own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner

from ostiary.command.cli import ostiary

VO: Final = "microscopy"


@dataclass(frozen=True)
class Outcome:
    """How a client ended, and everything that it said."""

    code: int
    text: str


@dataclass(frozen=True)
class Grid:
    """What clients need to know of the demo's VO: ``voms`` is that part of its ready file."""

    voms: dict[str, Any]
    directory: Path

    def credential(self, holder: str) -> list[str]:
        """The options that name somebody's certificate and key."""
        return ["-cert", self.voms[holder]["cert"], "-key", self.voms[holder]["key"]]

    def environment(self, *, vomsdir: Path | None = None, proxy: Path | None = None) -> dict[str, str]:
        """Without an older proxy unless one is named: ``proxy`` is the one that the person has."""
        known = vomsdir or Path(self.voms["lsc"]).parent.parent
        return {
            "PATH": os.environ["PATH"],
            # The C client keeps random numbers at home.
            "HOME": str(self.directory),
            "X509_CERT_DIR": self.voms["ca_dir"],
            "X509_VOMS_DIR": str(known),
            "X509_USER_PROXY": str(proxy or self.directory / "none"),
        }

    def run(self, *command: str, vomsdir: Path | None = None, proxy: Path | None = None) -> Outcome:
        """Runs one of the programs."""
        finished = subprocess.run(
            command,
            env=self.environment(vomsdir=vomsdir, proxy=proxy),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return Outcome(finished.returncode, finished.stdout)

    def init(
        self,
        program: str,
        holder: str,
        out: Path,
        *options: str,
        vomsdir: Path | None = None,
        proxy: Path | None = None,
    ) -> Outcome:
        """``voms-proxy-init`` of the C or the Java client, with somebody's certificate, or with the older ``proxy``."""
        whose = ["-noregen"] if proxy is not None else self.credential(holder)
        command = [program, *whose, "-vomses", self.voms["vomses"], "-out", str(out), *options]
        return self.run(*command, vomsdir=vomsdir, proxy=proxy)

    def ours(self, *words: str) -> Outcome:
        """``ostiary proxy``."""
        finished = CliRunner().invoke(ostiary, ["proxy", *words], env=self.environment(), catch_exceptions=False)
        return Outcome(finished.exit_code, finished.output)

    def our_init(self, holder: str, out: Path, *options: str) -> Outcome:
        """``ostiary proxy init``."""
        common = [*self.credential(holder), "-vomses", self.voms["vomses"], "-out", str(out)]
        return self.ours("init", *common, *options)


def statements(text: str) -> list[str]:
    """What ``voms-proxy-info -all`` says that a VO states, in order."""
    prefix = "attribute : "
    return [line.removeprefix(prefix) for line in text.splitlines() if line.startswith(prefix)]
