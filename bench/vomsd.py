"""The real vomsd (Debian's voms-server) beside ours, where it is installed."""

import shutil
from pathlib import Path
from typing import Final

VOMSD: Final = "/usr/sbin/voms"


def measure_vomsd(directory: Path, *, requests: int) -> float | str:
    """placeholder"""
    return "x"
