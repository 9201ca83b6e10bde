"""``make test``: the whole suite that needs Python packages only, with coverage, then what guards trust once more under ``python -O``.

Arguments go to pytest; with arguments only that one run happens, without coverage.
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
    "--dist",
    "loadgroup",
    "-m",
    "not e2e and not interop",
]
# Under -O no `assert` statement of the program runs: nothing may depend on one. pytest's own rewriting keeps the tests' asserts.
OPTIMIZED = [
    "tests/saml",
    "tests/attacks",
    "tests/handle",
    "tests/flows",
    "tests/policy",
    "tests/idp",
    "tests/attribute_authority",
]


def main(arguments: list[str]) -> int:
    """Returns the exit status of the first run that fails."""
    if arguments:
        return subprocess.call([sys.executable, *PYTEST, *arguments])
    coverage = ["--cov", "--cov-report=term:skip-covered", "--cov-fail-under=90"]
    status = subprocess.call([sys.executable, *PYTEST, *coverage])
    if status:
        return status
    print("\nOnce more under python -O:", flush=True)
    # pytest warns that asserts outside of tests do not run: that is the point.
    quiet = ["-W", "ignore::pytest.PytestConfigWarning", "-p", "no:cacheprovider"]
    return subprocess.call(
        [sys.executable, "-O", *PYTEST, *quiet, *OPTIMIZED], env={**os.environ, "PYTHONOPTIMIZE": "1"}
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
