"""Where commands print: colours for a terminal that wants them, lines of a useful width for a file or a pipe."""

import os
from typing import TextIO

from rich.console import Console

_WIDTH = 160


def make_console(stream: TextIO, *, plain: bool) -> Console:
    """``plain`` switches colours off; so do NO_COLOR (no-color.org) and whatever is no terminal. Nothing is read as markup."""
    colour = not plain and not os.environ.get("NO_COLOR") and stream.isatty()
    console = Console(file=stream, color_system="auto" if colour else None, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH)
    return console
