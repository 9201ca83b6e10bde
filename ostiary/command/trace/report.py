"""A trace for programs: plain data for JSON, and the messages as XML files. Holds no password and no cookie."""

from collections.abc import Mapping
from pathlib import Path

from ostiary.command.trace.back_channel import BackChannel
from ostiary.command.trace.check import Check
from ostiary.command.trace.messages import Message, binding_of
from ostiary.command.trace.run import Event
from ostiary.command.trace.shown import Veil
from ostiary.command.trace.walk import Hop, Outcome
from ostiary.config import write_private_file
from ostiary.errors import ConfigurationError, OstiaryError
from ostiary.saml.xml import to_bytes
from ostiary.web.texts import Catalogue


class Report:
    """Collects events. ``verified``: whether there was trusted metadata to verify with."""

    def __init__(self, url: str, user: str, texts: Catalogue, veil: Veil, *, verified: bool) -> None:
        self._texts = texts
        self._veil = veil
        self._hops: list[object] = []
        self._content: dict[str, object] = {
            "url": veil.show(url),
            "user": veil.show(user),
            "verified": verified,
            "hops": self._hops,
            "back_channel": None,
            "outcome": None,
            "error": None,
        }

    @property
    def content(self) -> Mapping[str, object]:
        """What was collected."""
        return self._content

    def add(self, event: Event) -> None:
        """One event."""
        if isinstance(event, Hop):
            self._hops.append(self._hop(event))
        elif isinstance(event, BackChannel):
            self._content["back_channel"] = self._back_channel(event)
        else:
            self._content["outcome"] = self._outcome(event)

    def fail(self, error: OstiaryError) -> None:
        """What ended the trace before a page did."""
        self._content["error"] = self._error(error)

    def _hop(self, hop: Hop) -> dict[str, object]:
        show = self._veil.show
        return {
            "number": hop.number,
            "method": hop.method,
            "url": show(hop.url),
            "does": hop.does,
            "status": hop.status,
            "answers": hop.answers,
            "location": show(hop.facts["to"]) or None,
            "title": show(hop.facts["title"]),
            "fields": [show(name) for name in hop.fields],
            "cookies": [show(name) for name in hop.cookies],
            "message": self._message(hop.message) if hop.message is not None else None,
        }

    def _message(self, message: Message) -> dict[str, object]:
        element = message.element
        return {
            "number": message.number,
            "kind": message.kind,
            "binding": binding_of(message.carrier),
            "to": self._veil.show(message.sent_to),
            "id": self._veil.show(element.get("ID", "")) if element is not None else None,
            "xml": to_bytes(element).decode() if element is not None else None,
            "error": self._error(message.error) if message.error is not None else None,
            "checks": [self._check(check) for check in message.checks],
        }

    def _check(self, check: Check) -> dict[str, object]:
        facts = {name: self._veil.show(fact) for name, fact in check.facts.items()}
        if check.error is not None:
            told = self._texts.error("en", check.error)[0]
        else:
            told = self._texts.text("en", f"trace.told.{check.told}", **facts)
        return {
            "check": check.name,
            "outcome": check.outcome,
            "section": check.section,
            "told": self._veil.show(told),
            "facts": facts,
            "error": self._error(check.error) if check.error is not None else None,
        }

    def _error(self, error: OstiaryError) -> dict[str, str]:
        message, remedy = self._texts.error("en", error)
        texts = {"message": message, "remedy": remedy, "expected": error.expected, "found": error.found}
        return {"code": error.code, **{name: self._veil.show(text) for name, text in texts.items()}}

    def _back_channel(self, found: BackChannel) -> dict[str, object]:
        show = self._veil.show
        return {
            "told": found.told,
            "authority": show(found.authority),
            "resource": show(found.resource) or None,
            "messages": [self._message(message) for message in found.messages],
            "attributes": {show(a.name): [show(text) for text in a.texts()] for a in found.attributes},
            "error": self._error(found.error) if found.error is not None else None,
        }

    def _outcome(self, outcome: Outcome) -> dict[str, object]:
        show = self._veil.show
        return {
            "reached": outcome.reached,
            "why": outcome.why,
            "status": outcome.status,
            "url": show(outcome.url),
            "title": show(outcome.title),
            "words": [show(line) for line in outcome.words],
            "reference": show(outcome.reference) or None,
        }


def messages_of(event: Event) -> tuple[Message, ...]:
    """The messages that an event holds."""
    if isinstance(event, Hop):
        return (event.message,) if event.message is not None else ()
    return event.messages if isinstance(event, BackChannel) else ()


def save_messages(event: Event, directory: Path) -> dict[int, Path]:
    """Writes each message of the event as a private XML file (it speaks of a person); where, by number. Raises `ConfigurationError`."""
    saved: dict[int, Path] = {}
    for message in messages_of(event):
        if message.element is None:
            continue
        path = directory / f"{message.number:02}-{message.kind}.xml"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                "config.private_file_unwritable", file=path, expected="a directory", found=error.strerror
            ) from None
        write_private_file(path, to_bytes(message.element))
        saved[message.number] = path
    return saved
