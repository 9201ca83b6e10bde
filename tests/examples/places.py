"""The examples as somebody runs them who reads their README: copied to a place of their own, with ports that are free, in one demo
federation for all of them."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3
from click.testing import CliRunner

from ostiary.command.cli import ostiary
from tests.browser import Answer, Browser, HttpTransport
from tests.running_demo import RunningDemo, free_base_port

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples"
BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PREPARE: Final = "ostiary demo --prepare-only"
DEMO: Final = "ostiary demo --trust metadata.xml"
# What the reader has installed before; `make e2e` runs it (test_the_lean_installation.py).
INSTALL: Final = "pip install "
TESTING: Final = ("python -m pytest", "python manage.py test")
# The ports as the examples write them: the application, what it may ask, the application behind a front end, the demo's discovery.
APPLICATION: Final = 8080
WAYF: Final = 8400
START_SECONDS: Final = 60
# What somebody who ran the examples where they are leaves there.
NOT_COPIED: Final = ("__pycache__", ".demo", ".pytest_cache", "keys", "metadata.xml", "nginx.pid", "temp-*")


def commands(text: str) -> list[str]:
    """The commands of a page, in order."""
    return [line for language, block in BLOCK.findall(text) if language == "sh" for line in block.splitlines() if line]


@dataclass(frozen=True)
class Place:
    """One example, made ready: its directory, the port of its first process, the demo that vouches for people. ``python`` runs it: that of
    the tests, or of an environment in which Ostiary is installed."""

    directory: Path
    port: int
    demo: RunningDemo
    python: str = sys.executable

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def words(self, command: str) -> list[str]:
        """What a command is for this place."""
        words = shlex.split(_with_ports(command, self.port))
        if words[0] == "ostiary":
            words[0] = "ostiary.command"
        if words[0] in ("ostiary.command", "flask", "granian", "uvicorn"):
            words = ["-m", *words]
        elif words[0] == "python":
            words = words[1:]
        else:
            return words
        return [self.python, *words]

    @contextlib.contextmanager
    def running(self, *started: str, path: str = "/ostiary/metadata") -> Iterator["Place"]:
        """Its processes, each in its own group; ``path`` answers once all of them are there."""
        with contextlib.ExitStack() as stack:
            for number, command in enumerate(started):
                stack.enter_context(self._process(command, self.directory / f"output-{number}"))
            self._await(path, started)
            yield self

    @contextlib.contextmanager
    def _process(self, command: str, output: Path) -> Iterator[None]:
        with output.open("wb") as to:
            process = subprocess.Popen(
                self.words(command),
                cwd=self.directory,
                env=environment(self.python),
                stdout=to,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)

    def _await(self, path: str, started: Sequence[str]) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=5)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if pool.request("GET", self.url + path, redirect=False).status == 200:
                    pool.clear()
                    return
            time.sleep(0.05)
        outputs = [file.read_text() for file in sorted(self.directory.glob("output-*"))]
        raise RuntimeError(f"{started} did not start:\n" + "\n".join(outputs))

    def run(self, command: str) -> str:
        """A command that ends, and has to succeed. Returns what it printed."""
        done = subprocess.run(
            self.words(command),
            cwd=self.directory,
            env=environment(self.python),
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def log_in(self, path: str, username: str = "alice") -> tuple[Browser, Answer]:
        """A new browser goes to a page that wants a login, chooses the first home and signs in there. What she sees in the end."""
        browser = Browser(HttpTransport())
        return browser, self.sign_in(browser, browser.get(self.url + path), username)

    def sign_in(self, browser: Browser, page: Answer, username: str = "alice") -> Answer:
        """The same, from the page where she chooses her home."""
        home = self.demo.ready["idp"][0]
        [password] = [user["password"] for user in home["users"] if user["username"] == username]
        page = browser.submit(page, {"choice": home["entity_id"]}, having="choice")
        page = browser.submit(page, {"username": username, "password": password}, having="password")
        return browser.submit(page, having="SAMLResponse")


def environment(python: str = sys.executable) -> dict[str, str]:
    """Commands of the environment of ``python``; with that of the tests this very checkout. The pytest of an example is not the one that
    runs this."""
    path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")])
    others = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHONPATH"))}
    checkout = {"PYTHONPATH": str(ROOT)} if python == sys.executable else {}
    return {**others, **checkout, "PATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@contextlib.contextmanager
def made_ready(directory: Path, names: Sequence[str]) -> Iterator[dict[str, Place]]:
    """Follows the READMEs of these examples up to where they start a process: keys and metadata of each, one demo that knows them all."""
    state = directory / "state"
    run_here(f"{PREPARE} --state {state}", directory)
    ports = {name: free_base_port() for name in names}
    for name, port in ports.items():
        place = directory / "examples" / name
        copied(name, place, port)
        (place / ".demo").symlink_to(state)
        for command in preparing(name):
            run_here(command, place)
    # What an example uses of its neighbours.
    copied("unchanged-application", directory / "examples" / "unchanged-application", 0)
    trust = [word for name in names for word in ("--trust", str(directory / "examples" / name / "metadata.xml"))]
    demo = RunningDemo(directory, *trust)
    try:
        wayf = re.findall(r":(\d+)/", demo.ready["wayf"]["url"])[0]
        for name in names:
            settings = directory / "examples" / name / "sp.yaml"
            settings.write_text(settings.read_text().replace(f":{WAYF}", f":{wayf}"))
        yield {name: Place(directory / "examples" / name, port, demo) for name, port in ports.items()}
    finally:
        demo.stop()


def copied(name: str, to: Path, port: int) -> None:
    """The example as it is in the repository, but for its ports."""
    shutil.copytree(EXAMPLES / name, to, ignore=shutil.ignore_patterns(*NOT_COPIED))
    for file in to.rglob("*"):
        if file.is_file():
            file.write_text(_with_ports(file.read_text(), port))


def readme(name: str) -> str:
    return (EXAMPLES / name / "README.md").read_text()


def preparing(name: str) -> list[str]:
    """The commands of the README before its processes, but for those of the demo and of pip."""
    return [command for command in commands(readme(name)) if re.match(r"ostiary (keys|metadata|policy) ", command)]


def serving(name: str) -> list[str]:
    """The commands that stay in a terminal of their own, but for the demo."""
    return [
        command
        for command in commands(readme(name))
        if command not in (*preparing(name), PREPARE, DEMO) and not command.startswith((INSTALL, *TESTING))
    ]


def run_here(command: str, directory: Path) -> None:
    """A command of ``ostiary`` in this process, which has loaded what it needs. What goes into a file goes there."""
    command, _, into = command.partition(" > ")
    with contextlib.chdir(directory):
        finished = CliRunner().invoke(ostiary, shlex.split(command)[1:], catch_exceptions=False)
    if finished.exit_code != 0:
        raise RuntimeError(f"{command}\n{finished.output}")
    if into:
        (directory / into).write_text(finished.stdout)


def _with_ports(text: str, port: int) -> str:
    """808x is the x-th of the place's own ports."""
    return re.sub(r"\b808(\d)\b", lambda found: str(port + int(found[1])) if port else found[0], text)
