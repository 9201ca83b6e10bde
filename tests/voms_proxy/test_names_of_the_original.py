"""voms-proxy-init and its sisters, put into a directory where somebody asks for them."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from ostiary.clock import SystemClock
from ostiary.errors import OstiaryError
from voms.proxy.commands import proxy_commands
from voms.proxy.names import install_names


def test_the_names_start_our_commands(tmp_path: Path) -> None:
    made = CliRunner().invoke(proxy_commands(clock=SystemClock()), ["install-names", str(tmp_path)])
    assert made.output.splitlines() == [
        f"{tmp_path}/voms-proxy-init",
        f"{tmp_path}/voms-proxy-info",
        f"{tmp_path}/voms-proxy-destroy",
    ]
    environment = {"X509_USER_PROXY": f"{tmp_path}/none", "PYTHONPATH": str(Path(__file__).parents[2])}
    # Not through a shell of ours: the file itself is the program.
    ended = subprocess.run([tmp_path / "voms-proxy-destroy", "-dry"], env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, f"Would remove {tmp_path}/none\n")


def test_what_was_put_there_before_is_renewed_and_other_programs_are_left_alone(tmp_path: Path) -> None:
    install_names(tmp_path)
    (tmp_path / "voms-proxy-info").unlink()
    install_names(tmp_path)
    (tmp_path / "voms-proxy-info").write_text("#!/bin/sh\necho the original\n")
    (tmp_path / "voms-proxy-init").unlink()
    with pytest.raises(OstiaryError) as caught:
        install_names(tmp_path)
    assert caught.value.code == "voms.name_taken"
    assert not (tmp_path / "voms-proxy-init").exists()
    assert "the original" in (tmp_path / "voms-proxy-info").read_text()


def test_a_directory_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(OstiaryError) as caught:
        install_names(tmp_path / "none")
    assert caught.value.code == "voms.name_unwritable"
