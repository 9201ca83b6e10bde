"""Words for the terminal: from the catalogue, with facts from elsewhere made harmless. Nothing of a document is read as markup."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ostiary.errors import OstiaryError
from ostiary.web.log import one_line
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue


@dataclass(frozen=True, slots=True)
class Said:
    """A console with its words."""

    console: Console
    texts: Catalogue

    def text(self, key: str, **facts: object) -> str:
        """A text below ``metadata_command``; each fact becomes one line without control characters."""
        fit = {name: fact if isinstance(fact, int) else one_line(str(fact)) for name, fact in facts.items()}
        return self.texts.text(SOURCE_LANGUAGE, f"metadata_command.{key}", **fit)

    def line(self, key: str, *, style: str = "", indent: int = 0, **facts: object) -> None:
        """One paragraph, broken by the terminal alone, so that an address can be copied."""
        self.plain(self.text(key, **facts), style=style, indent=indent)

    def plain(self, text: str, *, style: str = "", indent: int = 0) -> None:
        """A text that is none of the catalogue's."""
        self.console.print(Text.assemble(" " * indent, (one_line(text), style)), soft_wrap=True)

    def heading(self, key: str, **facts: object) -> None:
        """With an empty line before it."""
        self.console.print()
        self.plain(self.text(key, **facts), style="bold")

    def rows(self, rows: list[tuple[str, str | Text]]) -> None:
        """Names and values, side by side."""
        self.columns([(Text(name, style="dim"), value) for name, value in rows], indent=2)

    def columns(self, rows: Sequence[Sequence[str | Text]], *, header: Sequence[str] = (), indent: int = 0) -> None:
        """A table without lines: folded to the width of a terminal; elsewhere each row stays one line, without blanks at its end."""
        cells = [[one if isinstance(one, Text) else Text(one_line(one)) for one in row] for row in rows]
        if not cells:
            return
        if header:
            cells.insert(0, [Text(one, style="dim") for one in header])
        if not self.console.is_terminal:
            widths = [max(row[place].cell_len for row in cells) for place in range(len(cells[0]))]
            for row in cells:
                padded = [f"{one.plain}{' ' * (width - one.cell_len)}" for one, width in zip(row, widths, strict=True)]
                self.plain(" " * indent + "  ".join(padded).rstrip())
            return
        table = Table.grid(padding=(0, 2, 0, 0))
        for place in range(len(cells[0])):
            table.add_column(no_wrap=place == 0 and not header, overflow="fold")
        for row in cells:
            table.add_row(*row)
        self.console.print(Padding(table, (0, 0, 0, indent), expand=False))

    def problem(self, error: OstiaryError) -> str:
        """An error in one line: message, what was found, code."""
        message, _ = self.texts.error(SOURCE_LANGUAGE, error)
        found = f" ({one_line(error.found)})" if error.found else ""
        return f"{one_line(message)}{found} [{error.code}]"

    def moment(self, at: datetime | None, now: datetime) -> str:
        """A time with how far it is away."""
        if at is None:
            return self.text("time.never")
        key = "time.ahead" if at > now else "time.past"
        return self.text(key, at=f"{at:%Y-%m-%d %H:%M} UTC", span=self.span(abs(at - now)))

    def span(self, length: timedelta) -> str:
        """A length of time in its largest unit that is not one."""
        minutes = int(length.total_seconds() // 60)
        if minutes >= 2 * 24 * 60:
            return self.text("time.days", count=minutes // (24 * 60))
        if minutes >= 120:
            return self.text("time.hours", count=minutes // 60)
        if minutes:
            return self.text("time.minutes", count=minutes)
        return self.text("time.seconds", count=int(length.total_seconds()))
