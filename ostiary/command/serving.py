"""Runs one service: makes its application and hands it to granian. Every worker makes its own."""

import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.mp import MPServer

from ostiary.child_process import end_with_parent
from ostiary.clock import SystemClock
from ostiary.command.plain_errors import plain_errors
from ostiary.command.watched import BEGIN, LOOK_NOW
from ostiary.config import ListenSettings
from ostiary.errors import ConfigurationError, Unavailable
from ostiary.web.log import Log, make_log

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from sp_shire.adapters.asgi import ShireAsgiMiddleware
    from sp_shire.adapters.forward_auth import ForwardAuth

BLOCKING_THREADS: Final = 64

LogStyle = Literal["json", "console"]


class MakeApplication(Protocol):
    """Makes the application of one worker process."""

    def __call__(self, *, log: Log) -> "WSGIApplication | ForwardAuth | ShireAsgiMiddleware":
        """Raises `OstiaryError` for a configuration that can't be used."""
        ...


def serve_made(
    name: str, make: MakeApplication, listen: ListenSettings, *, style: LogStyle = "json", asgi: bool = False
) -> None:
    """Serves until SIGTERM or SIGINT. ``make`` is called once in each worker process; with ``asgi`` what it makes is an ASGI application.

    Plain HTTP: TLS and the name that the world sees belong to the reverse proxy in front.
    """
    server = _Server(
        name,
        address=listen.host,
        port=listen.port,
        interface=Interfaces.ASGI if asgi else Interfaces.WSGI,
        workers=listen.workers,
        # A peer that sends its body slowly holds a thread; the proxy in front is to buffer requests, this is for what gets past it.
        blocking_threads=None if asgi else BLOCKING_THREADS,
        http=HTTPModes.http1,
        log_level=LogLevels.error,
        websockets=False,
        respawn_failed_workers=True,
    )
    # Before the workers are forked: what they have in common stays shared memory.
    gc.collect()
    gc.freeze()
    server.serve(target_loader=partial(_load, name, make, style), wrap_loader=False)


class _Server(MPServer):
    """SIGHUP tells the workers to look at their files. Their default, to start anew, would fail with a broken file."""

    def signal_handler_reload(self, *_args: object, **_kwargs: object) -> None:
        """Passes the signal on."""
        for worker in self.wrks:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.inner.pid, signal.SIGHUP)


def serve_checked(name: str, make: MakeApplication, listen: ListenSettings, *, asgi: bool = False) -> None:
    """The same, after one try in a process of its own: a broken configuration is told once, in words, before anything listens."""
    refuse_taken_port(listen)
    attempt = multiprocessing.get_context("fork").Process(target=_try, args=(name, make))
    attempt.start()
    attempt.join()
    if attempt.exitcode:
        sys.exit(1)
    print(f"{name} listens on http://{listen.host}:{listen.port}", file=sys.stderr, flush=True)
    serve_made(name, make, listen, asgi=asgi)


def refuse_taken_port(listen: ListenSettings) -> None:
    """Raises `Unavailable` (``serve.port``) when another program listens there: granian would share the port with it without a word."""
    if listen.port == 0:
        return
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen.host, listen.port))
        except OSError as error:
            raise Unavailable("serve.port", expected="a free port", found=error, port=listen.port) from None


def _try(name: str, make: MakeApplication) -> None:
    with plain_errors():
        make(log=make_log(SystemClock(), service=name))


def _load(name: str, make: MakeApplication, style: LogStyle) -> "WSGIApplication | ForwardAuth | ShireAsgiMiddleware":
    end_with_parent()
    application = make(log=make_log(SystemClock(), service=name, style=style))
    # What is made at the start stays: the collector need not look through it again and again, at the cost of the request it meets.
    gc.collect()
    gc.freeze()
    extensions = getattr(application, "extensions", {})
    look_now = extensions.get(LOOK_NOW)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if look_now is None else lambda _signal, _frame: look_now())
    if (begin := extensions.get(BEGIN)) is not None:
        begin()
    return application


def load_application(name: str) -> "WSGIApplication":
    """The WSGI application ``module:attribute``. Raises `ConfigurationError` (``serve.application``)."""
    module, _, attribute = name.partition(":")
    # Where the command is started counts, as with every other WSGI server.
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module)
        for part in (attribute or "application").split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            "serve.application", file=Path(module), expected="module:attribute", found=error
        ) from None
    if not callable(found):
        raise ConfigurationError(
            "serve.application", file=Path(module), expected="a WSGI application", found=type(found).__name__
        )
    application: WSGIApplication = found
    return application
