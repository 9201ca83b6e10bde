"""The roof: the one command ``ostiary``, and the only place that knows all rooms and puts them together."""

import sys


def main() -> None:
    """The console script. Rooms are imported inside the sub-commands, so that a missing extra is named and not a traceback."""
    if sys.argv[1:2] == ["proxy"]:
        # Users wait for these, so nothing of the services is imported for them.
        from ostiary.command.proxy_program import run_proxy_command

        run_proxy_command(sys.argv[2:])
    from ostiary.command.cli import ostiary

    ostiary()
