"""The demo federation as its own processes, and Chromium. Both are stopped by the process ids that belong to the fixtures."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

START_SECONDS = 60


def free_base_port(count: int = 8) -> int:
    """The first of ``count`` ports in a row that nobody uses now."""
    for base in range(21_000 + os.getpid() % 500 * 10, 60_000, 10):
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise RuntimeError("no free ports")


class RunningDemo:
    """``ostiary demo`` as a child process. ``ready`` is the content of its ready file."""

    def __init__(self, directory: Path) -> None:
        self.ready_file = directory / "ready.json"
        self.state = directory / "state"
        command = [sys.executable, "-m", "ostiary.command", "demo", "--state", str(self.state)]
        command += ["--ready", str(self.ready_file), "--base-port", str(free_base_port())]
        self.output = directory / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while not self.ready_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the demo did not start:\n{self.output.read_text()}")
            time.sleep(0.05)
        self.ready: dict[str, Any] = json.loads(self.ready_file.read_text())

    def stop(self) -> int:
        """SIGTERM to the process id that the ready file names; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    running = RunningDemo(tmp_path_factory.mktemp("demo"))
    yield running
    running.stop()


def start_chromium(profile: Path, *, javascript: bool = True, dark: bool = False) -> webdriver.Chrome:
    """Debian's Chromium, headless, with a fresh profile; a cookie without SameSite counts as Lax, as it is by default."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--window-size=1100,900",
        "--lang=en",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    if dark:
        options.add_argument("--blink-settings=preferredColorScheme=0")
    if not javascript:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(20)
    return driver


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def javascript(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def chromium(tmp_path: Path, javascript: bool) -> Iterator[webdriver.Chrome]:
    driver = start_chromium(tmp_path / "profile", javascript=javascript)
    yield driver
    driver.quit()
