"""Documents on disk, as a web server can hand them out too: each is there whole or not at all, with its gzip beside it. Signs nothing."""

import gzip
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from lxml import etree

from ostiary.config import write_private_file
from ostiary.errors import ConfigurationError, OstiaryError
from ostiary.federation.publish.publication import Record, record_from
from ostiary.saml import names
from ostiary.saml.xml import qname, read_instant

STATE: Final = ".state"
_HEAD: Final = 16_384
_PIECE: Final = 262_144
_ENTITY: Final = qname(names.MD, "EntityDescriptor")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the document of one publication is: ``directory`` is what a web server shows, ``name`` may have slashes in it."""

    directory: Path
    name: str

    @property
    def document(self) -> Path:
        """The document; it has the suffix that says what it is."""
        return self.directory / f"{self.name}.xml"

    @property
    def compressed(self) -> Path:
        """The same in gzip, as web servers look for it."""
        return self.directory / f"{self.name}.xml.gz"

    @property
    def record(self) -> Path:
        """What is known of it; nobody else's business."""
        return self.directory / STATE / f"{self.name.replace('/', ',')}.json"


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """A path beside ``target`` to write to, gone again if it was not moved away. Raises `ConfigurationError` (``publish.directory``)."""
    path = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield path
    except OSError as error:
        raise ConfigurationError(
            "publish.directory", file=target, expected="a directory that takes the document", found=error.strerror
        ) from error
    finally:
        path.unlink(missing_ok=True)


def put_in_place(path: Path, target: Path, at: datetime, *, with_gzip: bool = True) -> int:
    """Moves a finished document to where it is looked for, in one step, and its gzip with it; readable for everybody. Whoever has the old
    one open reads it to its end. Returns its size in octets."""
    beside = target.with_name(f"{target.name}.gz")
    if not with_gzip:
        _ready(path, at)
        size = path.stat().st_size
        path.replace(target)
        _sync(target.parent)
        return size
    with unfinished(beside) as smaller:
        with path.open("rb") as source, smaller.open("wb") as raw:
            with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
                shutil.copyfileobj(source, packed, _PIECE)
            raw.flush()
            os.fsync(raw.fileno())
        _ready(path, at)
        _ready(smaller, at)
        size = path.stat().st_size
        path.replace(target)
        smaller.replace(beside)
    _sync(target.parent)
    return size


def _ready(path: Path, at: datetime) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o644)
        # When it was made, for Last-Modified.
        os.utime(descriptor, ns=(_nanoseconds(at),) * 2)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _nanoseconds(at: datetime) -> int:
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def withdraw(place: Place) -> bool:
    """Takes a document away. Whether there was one."""
    there = place.document.exists()
    place.document.unlink(missing_ok=True)
    place.compressed.unlink(missing_ok=True)
    return there


def remove_leftovers(place: Place) -> None:
    """What a process left behind that was killed while it wrote. Only who holds the lock may do this."""
    for target in (place.document, place.compressed):
        for path in target.parent.glob(f".{target.name}.{'[0-9a-f]' * 16}"):
            path.unlink(missing_ok=True)


def read_record(place: Place) -> Record:
    """What is known; an empty record where nothing is, or nothing that can be read."""
    try:
        return record_from(json.loads(place.record.read_bytes()))
    except (OSError, ValueError, TypeError, OstiaryError):
        return Record()


def write_record(place: Place, record: Record) -> None:
    """Raises `ConfigurationError` (``publish.directory``, ``config.private_file_unwritable``)."""
    try:
        place.record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            "publish.directory", file=place.record, expected="a directory that can be written", found=error.strerror
        ) from error
    write_private_file(place.record, json.dumps(record.as_json()).encode())


class OpenDocument:
    """A document that is open: what it says stays the same to its end, whatever takes its place meanwhile. ``etag`` without quotes."""

    def __init__(self, file: BinaryIO, valid_until: datetime) -> None:
        status = os.fstat(file.fileno())
        self._file = file
        self.valid_until = valid_until
        self.size = status.st_size
        self.made_at = datetime.fromtimestamp(status.st_mtime_ns // 1_000_000_000, UTC)
        self.etag = f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"

    def pieces(self) -> Iterator[bytes]:
        """Its octets; it is closed behind the last of them."""
        at = 0
        while at < self.size and (piece := os.pread(self._file.fileno(), _PIECE, at)):
            at += len(piece)
            yield piece
        self.close()

    def close(self) -> None:
        """It is not read any more."""
        self._file.close()


def open_document(path: Path, now: datetime) -> OpenDocument | None:
    """A document of ours, or the gzip of one (``.gz``), that counts now. None where there is none."""
    try:
        file = path.open("rb")
    except OSError:
        return None
    try:
        end = _end_of(file, packed=path.suffix == ".gz")
    except (OSError, EOFError, etree.XMLSyntaxError, OstiaryError):
        end = None
    if end is None or now >= end:
        file.close()
        return None
    return OpenDocument(file, end)


def _end_of(file: BinaryIO, *, packed: bool) -> datetime | None:
    """``validUntil`` of the root."""
    head = gzip.GzipFile(fileobj=file).read(_HEAD) if packed else file.read(_HEAD)
    parser = etree.XMLPullParser(events=("start",), resolve_entities=False, no_network=True, load_dtd=False)
    parser.feed(head)
    for _, element in parser.read_events():
        text = element.get("validUntil")
        return read_instant(text) if text is not None else None
    return None


def entities_in(document: Path) -> int:
    """How many entities a document of ours has; 0 where there is none that can be read."""
    found = 0
    try:
        for _, element in etree.iterparse(document, tag=_ENTITY, resolve_entities=False, huge_tree=True):
            found += 1
            element.clear()
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]
    except (OSError, etree.XMLSyntaxError):
        return 0
    return found
