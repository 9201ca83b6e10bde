"""``make test``: the whole suite that needs Python packages only. ``--optimized``: once more under ``python -O``, with coverage.

Further arguments go to pytest.
"""

import os
import subprocess
import sys

PYTEST = [
    "-m",
    "pytest",
    "-q",
    "-n",
    str(min(os.cpu_count() or 2, 8)),
    "-p",
    "tests.whole_files",
    "--no-loadscope-reorder",
    "-m",
    "not e2e and not interop",
    # Not only left out: what they import takes two seconds in each process.
    "--ignore=tests/e2e",
    "--ignore=tests/interop",
]
# Under -O no `assert` statement of the program runs, so nothing may depend on one; pytest's own rewriting keeps those of the tests, and
# its warning that the others do not run is what we want.
OPTIMIZED = [
    "-W",
    "ignore::pytest.PytestConfigWarning",
    "--cov",
    "--cov-report=term:skip-covered",
    "--cov-fail-under=90",
]


def main(arguments: list[str]) -> int:
    """Returns pytest's exit status."""
    # Workers and the processes that tests start load the same files: whoever compiles one keeps it for all, and for the next time.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if "--optimized" not in arguments:
        return subprocess.call([sys.executable, *PYTEST, *arguments], env=environment)
    rest = [argument for argument in arguments if argument != "--optimized"]
    # The variable is for the processes that pytest starts.
    environment["PYTHONOPTIMIZE"] = "1"
    return subprocess.call([sys.executable, "-O", *PYTEST, *OPTIMIZED, *rest], env=environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
