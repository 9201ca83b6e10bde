"""Publishes on a timer: whatever is due, by one process of the machine at a time. Decides nothing about what is in a document."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from ostiary.clock import Clock
from ostiary.config.alone import alone
from ostiary.errors import ConfigurationError, OstiaryError, Unavailable
from ostiary.federation.publish.publication import (
    Made,
    Publication,
    Record,
    after_failure,
    after_success,
    is_due,
    reason_to_keep,
)
from ostiary.federation.publish.published import (
    STATE,
    Place,
    put_in_place,
    read_record,
    remove_leftovers,
    unfinished,
    withdraw,
    write_record,
)

FIRST_LOOK_SECONDS: Final = 1.0
LOOK_EVERY_SECONDS: Final = 5.0
_LOCK: Final = "lock"


class Make(Protocol):
    """Writes the document of a publication."""

    def __call__(self, publication: Publication, path: Path, now: datetime) -> Made:
        """Into ``path``, which is new, as things stand at ``now``. Raises `OstiaryError`."""
        ...


@dataclass(frozen=True, slots=True)
class Happened:
    """What came of an attempt: the record as it stands now, and the problem, if it was not published. ``withdrawn``: a document that had
    ended was taken away."""

    publication: Publication
    record: Record
    problem: OstiaryError | None = None
    withdrawn: bool = False


class Publisher:
    """Publications into ``directory``. ``certificate`` gives that of the key that signs now; ``report`` is told what happened, ``broken``
    what kept the thread from looking; ``chance`` gives a number from 0 to 1 for the jitter."""

    def __init__(
        self,
        directory: Path,
        publications: Sequence[Publication],
        make: Make,
        *,
        certificate: Callable[[], bytes],
        clock: Clock,
        report: Callable[[Happened], None],
        broken: Callable[[Exception], None],
        chance: Callable[[], float],
    ) -> None:
        self._directory = directory
        self.publications = tuple(publications)
        self._make = make
        self._certificate = certificate
        self._clock = clock
        self._report = report
        self._broken = broken
        self._chance = chance
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def place(self, publication: Publication) -> Place:
        """Where its document is."""
        return Place(self._directory, publication.name)

    def records(self) -> tuple[tuple[Publication, Record], ...]:
        """How each of them stands, whichever process made it."""
        return tuple((one, read_record(self.place(one))) for one in self.publications)

    def publish_due(self) -> bool:
        """Publishes what is due and takes away what has ended, unless another process is at it. Whether it was this one."""
        with self._locked(wait=False) as mine:
            if not mine:
                return False
            for publication in self.publications:
                self._withdraw_ended(publication)
                made_of = publication.fingerprint(self._certificate())
                record, now = read_record(self.place(publication)), self._clock.now()
                missing = record.is_out(now) and not self.place(publication).document.exists()
                if missing or is_due(record, made_of, now):
                    self._attempt(publication, record if not missing else Record(), made_of)
            return True

    def publish_now(self, publication: Publication) -> Happened:
        """Publishes this one, due or not, when no other process is at it any more."""
        with self._locked(wait=True):
            return self._attempt(
                publication, read_record(self.place(publication)), publication.fingerprint(self._certificate())
            )

    def start(self, before: Callable[[], object] = lambda: None) -> None:
        """From now on a thread looks every few seconds, as long as the process lives; it calls ``before`` each time."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(before,), name="ostiary-publisher", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread, after what it is at."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, before: Callable[[], object]) -> None:
        # Not at once: a process that only tries whether the configuration is good has ended by then.
        wait = FIRST_LOOK_SECONDS
        while not self._stopping.wait(wait):
            wait = LOOK_EVERY_SECONDS
            try:
                before()
                self.publish_due()
            except Exception as defect:
                # Whatever it is, the next look comes, and what is out stays out.
                self._broken(defect)

    def _withdraw_ended(self, publication: Publication) -> None:
        place = self.place(publication)
        record, now = read_record(place), self._clock.now()
        if record.valid_until is not None and not record.is_out(now) and withdraw(place):
            self._report(Happened(publication, record, withdrawn=True))

    def _attempt(self, publication: Publication, last: Record, made_of: str) -> Happened:
        place, now = self.place(publication), self._clock.now()
        try:
            record = self._published(publication, place, last, made_of, now)
            happened = Happened(publication, record)
        except Exception as error:
            # A defect counts as a failure like any other: the other publications have their turn, and this one is tried again.
            problem = (
                error
                if isinstance(error, OstiaryError)
                else Unavailable("publish.apart", expected="a document", found=repr(error))
            )
            record = after_failure(last, problem, publication, made_of, now=now, chance=self._chance())
            happened = Happened(publication, record, problem)
        write_record(place, record)
        self._report(happened)
        return happened

    def _published(self, publication: Publication, place: Place, last: Record, made_of: str, now: datetime) -> Record:
        remove_leftovers(place)
        with unfinished(place.document) as path:
            made = self._make(publication, path, now)
            kept = reason_to_keep(last, made, publication, now)
            if kept is not None:
                raise kept
            octets = put_in_place(path, place.document, now)
        return after_success(made, publication, made_of, octets=octets, now=now, chance=self._chance())

    @contextmanager
    def _locked(self, *, wait: bool) -> Iterator[bool]:
        with ExitStack() as held:
            try:
                (self._directory / STATE).mkdir(mode=0o700, parents=True, exist_ok=True)
                ours = held.enter_context(alone(self._directory / STATE / _LOCK, wait=wait))
            except OSError as error:
                raise ConfigurationError(
                    "publish.directory",
                    file=self._directory,
                    expected="a directory that can be written",
                    found=error.strerror,
                ) from error
            yield ours
