"""A trace on a terminal, as it happens. Whatever came from elsewhere goes through the veil and is never read as markup."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ostiary.command.trace.back_channel import BackChannel
from ostiary.command.trace.check import Check
from ostiary.command.trace.messages import Message
from ostiary.command.trace.pretty import pretty_xml
from ostiary.command.trace.run import Event
from ostiary.command.trace.shown import Veil
from ostiary.command.trace.walk import Hop, Outcome
from ostiary.errors import OstiaryError
from ostiary.web.texts import Catalogue

_MARKS: Final[Mapping[str, tuple[str, str]]] = {
    "good": ("✓", "green"),
    "bad": ("✗", "bold red"),
    "note": ("·", "dim"),
    "unknown": ("?", "yellow"),
}


class Printer:
    """Prints events. ``verified``: whether there was trusted metadata to verify with."""

    def __init__(self, console: Console, texts: Catalogue, veil: Veil, *, verified: bool) -> None:
        self._console = console
        self._texts = texts
        self._veil = veil
        self._verified = verified

    def title(self, url: str, user: str) -> None:
        """The first line."""
        self._console.print(Text(self._say("title", url=url, user=user), style="bold"))

    def show(self, event: Event, saved: Mapping[int, Path]) -> None:
        """One event; ``saved``: where messages were written, by number."""
        if isinstance(event, Hop):
            self._hop(event, saved)
        elif isinstance(event, BackChannel):
            self._back_channel(event, saved)
        else:
            self._outcome(event)

    def _say(self, key: str, **facts: object) -> str:
        return self._texts.text("en", f"trace.{key}", **{name: self._veil.show(fact) for name, fact in facts.items()})

    def _hop(self, hop: Hop, saved: Mapping[int, Path]) -> None:
        self._console.print()
        self._line(
            Text.assemble((f"{hop.number:>3}  ", "bold"), (f"{hop.method} ", "bold"), self._veil.show(hop.url)), 0
        )
        self._line(Text(self._say(f"does.{hop.does}", **hop.facts), style="italic"), 5)
        for key, names in (("fields", hop.fields), ("cookies", hop.cookies)):
            if names:
                self._line(Text(self._say(key, names=", ".join(names)), style="dim"), 5)
        if hop.message is not None:
            self._message(hop.message, saved)
        self._line(Text(f"→ {self._say(f'answers.{hop.answers}', **hop.facts)}"), 5)

    def _message(self, message: Message, saved: Mapping[int, Path]) -> None:
        key = "message" if message.element is not None else "undecoded"
        binding = self._say(f"binding.{message.carrier}")
        known = {"number": message.number, "kind": message.kind, "binding": binding, "to": message.sent_to}
        self._console.print()
        self._line(Text(self._say(key, **known), style="bold"), 5)
        if message.number in saved:
            self._line(Text(self._say("saved", file=saved[message.number]), style="dim"), 5)
        if message.element is not None:
            for line in pretty_xml(message.element, self._veil):
                self._line(line, 7)
        if message.checks:
            self._checks(message.checks)
        if not self._verified:
            if message.error is not None:
                self._error(message.error, 7)
            self._line(Text(self._say("unverified"), style="bold yellow"), 5)
        self._console.print()

    def _checks(self, checks: tuple[Check, ...]) -> None:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=6, justify="right")
        table.add_column(no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        for check in checks:
            mark, style = _MARKS[check.outcome]
            told = Text(self._told(check), style="bold red" if check.outcome == "bad" else "")
            told = Text.assemble(told, (f"  [{check.section}]", "dim"))
            table.add_row(Text(mark, style=style), Text(self._say(f"check.{check.name}")), told)
        self._console.print(table)

    def _told(self, check: Check) -> str:
        if check.error is None:
            return self._say(f"told.{check.told}", **check.facts)
        message, _ = self._texts.error("en", check.error)
        return f"{self._veil.show(message)} ({self._expected(check.error)}; {check.error.code})"

    def _expected(self, error: OstiaryError) -> str:
        return self._say("expected", expected=error.expected or "-", found=error.found or "-")

    def _error(self, error: OstiaryError, indent: int) -> None:
        message, _ = self._texts.error("en", error)
        text = f"{self._veil.show(message)} ({self._expected(error)}; {error.code})"
        self._line(Text(text, style="bold red"), indent)

    def _back_channel(self, found: BackChannel, saved: Mapping[int, Path]) -> None:
        self._console.print()
        said = self._say(f"back_channel.{found.told}", authority=found.authority, resource=found.resource)
        self._line(Text(said, style="italic"), 5)
        for message in found.messages:
            self._message(message, saved)
        if found.error is not None:
            self._error(found.error, 5)
        elif found.told == "asked":
            names = ", ".join(f"{a.name}: {' | '.join(a.texts())}" for a in found.attributes)
            key = "back_channel.released" if names else "back_channel.released_nothing"
            self._line(Text(self._say(key, names=names), style="bold"), 5)

    def _outcome(self, outcome: Outcome) -> None:
        self._console.print()
        style = "bold green" if outcome.reached else "bold red"
        facts = {"title": outcome.title or outcome.url, "status": outcome.status}
        self._line(Text(self._say(f"outcome.{outcome.why}", **facts), style=style), 0)
        for line in outcome.words:
            self._line(Text(self._veil.show(line)), 2)
        if outcome.reference:
            self._line(Text(self._say("reference", reference=outcome.reference), style="bold"), 0)

    def _line(self, text: Text, indent: int) -> None:
        """One line, broken only by the terminal, so that an address can be copied."""
        self._console.print(Text.assemble(" " * indent, text), soft_wrap=True)
