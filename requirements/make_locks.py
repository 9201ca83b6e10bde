"""Writes run.lock and dev.lock: every package by version and hash, for all platforms and Python 3.11 and up.

No address of a package index is written, so the locks serve behind any mirror. Run by ``make locks``.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
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
    """Resolve ``pyproject.toml`` with these extras and groups into ``name``."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "../pyproject.toml", *COMMON, *arguments, "-o", name]
    subprocess.run(command, check=True, cwd=HERE, stdout=subprocess.DEVNULL)


compile_lock("run.lock", "--extra", "all", "--group", "../pyproject.toml:build-only")
groups = [
    part
    for group in ("build-only", "build", "test", "e2e", "check")
    for part in ("--group", f"../pyproject.toml:{group}")
]
compile_lock("dev.lock", "--extra", "all", *groups, "--constraint", "run.lock")
