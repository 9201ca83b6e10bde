"""Writes the locks: every package by version and hash, for all platforms and Python 3.11 and up. run.lock and dev.lock are for a
checkout; build.lock makes a wheel of it, and image.lock is what the container image holds beside. kerberos.lock is the extra that needs
a compiler, kerberos-build.lock what builds it.

No address of a package index is written, so the locks serve behind any mirror. Run by ``make locks``.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = "../pyproject.toml"
COMMON = [
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-header",
    "--no-annotate",
    "--quiet",
    "--upgrade",
]


def compile_lock(name: str, *arguments: str) -> None:
    """Resolve what the arguments name (a file with extras, groups) into ``name``."""
    command = [sys.executable, "-m", "uv", "pip", "compile", *COMMON, *arguments, "-o", name]
    subprocess.run(command, check=True, cwd=HERE, stdout=subprocess.DEVNULL)


compile_lock("run.lock", PROJECT, "--extra", "all", "--group", f"{PROJECT}:build-only")
groups = [
    part
    for group in ("build-only", "build", "test", "e2e", "bench", "check")
    for part in ("--group", f"{PROJECT}:{group}")
]
drivers = ("--extra", "postgresql", "--extra", "mariadb", "--extra", "valkey")
compile_lock("dev.lock", PROJECT, "--extra", "all", *drivers, *groups, "--constraint", "run.lock")
compile_lock("image.lock", PROJECT, "--extra", "all", *drivers, "--constraint", "dev.lock")
compile_lock("build.lock", "--group", f"{PROJECT}:build-only", "--constraint", "run.lock")
compile_lock("kerberos.lock", "--group", f"{PROJECT}:kerberos", "--constraint", "dev.lock")
compile_lock("kerberos-build.lock", "--group", f"{PROJECT}:build-kerberos", "--constraint", "dev.lock")
