"""The roof: the one command ``ostiary``, and the only place that knows all rooms and puts them together."""


def main() -> None:
    """The console script. Rooms are imported inside the sub-commands, so that a missing extra is named and not a traceback."""
    from ostiary.command.cli import ostiary

    ostiary()
