"""What a client says while it works: a step, then how it ended, on one line, in the words of the original client."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click

from ostiary.web.one_line import one_line


class Progress(Protocol):
    """Hears of each step."""

    def begin(self, step: str) -> None:
        """It is being tried."""
        ...

    def end(self, outcome: str) -> None:
        """How the step that began last ended."""
        ...


class OnTerminal:
    """Prints to standard output; nothing when ``quiet``."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def begin(self, step: str) -> None:
        if not self._quiet:
            click.echo(f"{one_line(step)} ", nl=False)

    def end(self, outcome: str) -> None:
        if not self._quiet:
            click.echo(one_line(outcome))

    @contextmanager
    def step(self, step: str) -> Iterator[None]:
        """What the block does; whatever it raises ends the line, too."""
        self.begin(step)
        try:
            yield
        except BaseException:
            self.end("Failed")
            raise
        self.end("Done")

    def tell(self, line: str = "") -> None:
        """A line by itself."""
        if not self._quiet:
            click.echo(one_line(line))


class Unheard:
    """Says nothing."""

    def begin(self, step: str) -> None:
        pass

    def end(self, outcome: str) -> None:
        pass
