"""A TLS listener that runs for a test, what it logged and what its application saw. Decides nothing."""

import contextlib
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ostiary.clock import SystemClock
from ostiary.config import ListenSettings
from ostiary.web.listener import ListenerLimits, TlsListener
from ostiary.web.log import make_log

HONEST = ListenerLimits(closing_seconds=0.3, stopping_seconds=1.0)

Answer = Callable[[dict[str, Any]], tuple[str, list[tuple[str, str]], bytes]]


class Running:
    """A listener with what it logged and what its application saw."""

    def __init__(self, listener: TlsListener, log: io.StringIO, seen: list[dict[str, Any]]) -> None:
        self.listener, self._log, self.seen = listener, log, seen
        self.port = listener.port

    def events(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The log lines of this kind, once there are so many."""
        deadline = time.monotonic() + 4
        while True:
            lines = [json.loads(line) for line in self._log.getvalue().splitlines()]
            found = [line for line in lines if line["event"] == event]
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.002)

    def refusal(self) -> str:
        """The code of the only connection that was refused."""
        codes = [line["code"] for line in self.events("connection_refused")]
        return codes[0] if len(codes) == 1 else f"{len(codes)} refusals: {codes}"


@contextlib.contextmanager
def running_listener(answer: Answer, context: Callable[[], Any], *, service: str, **options: Any) -> Iterator[Running]:
    """``options`` are those of `TlsListener`."""
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> Sequence[bytes]:
        seen.append({**environ, "body": environ["wsgi.input"].read()})
        status, fields, body = answer(environ)
        start_response(status, fields)
        return [body]

    log = io.StringIO()
    written = make_log(SystemClock(), service=service, stream=log)
    listener = TlsListener(application, ListenSettings(port=0), context, log=written, **options)
    listener.start()
    try:
        yield Running(listener, log, seen)
    finally:
        listener.stop()
