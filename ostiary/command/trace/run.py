"""Puts a trace together: browser, examiner and back channel, and gives what happens in its order."""

from collections.abc import Iterator

from ostiary.clock import Clock
from ostiary.command.trace.back_channel import BackChannel, BackChannelAsker, ResourceKey
from ostiary.command.trace.browser import Browser, Transport
from ostiary.command.trace.examine import Examiner
from ostiary.command.trace.walk import Hop, Outcome, Visitor, Walker
from ostiary.federation.registry import Registry
from ostiary.saml.validate import DEFAULT_TIMING, Timing

Event = Hop | BackChannel | Outcome


def trace(
    url: str,
    visitor: Visitor,
    *,
    transport: Transport,
    registry: Registry | None,
    resource: ResourceKey | None,
    clock: Clock,
    timing: Timing = DEFAULT_TIMING,
) -> Iterator[Event]:
    """Everything that happens on the way to ``url``, as it happens; the last is the `Outcome`.

    ``registry`` is trusted metadata, without which nothing is verified. Raises `OstiaryError` where the way ends before a page does.
    """
    examiner = Examiner(registry, timing)
    asker = BackChannelAsker(resource, examiner, timing, clock.now)
    messages = 0
    for event in Walker(Browser(transport), visitor, examiner, clock).walk(url):
        yield event
        if isinstance(event, Hop) and event.message is not None:
            messages = event.message.number
            if event.message.kind == "Response" and examiner.accepted is not None and event.status < 400:
                found = asker.after(examiner.accepted, url, messages + 1)
                yield found
