"""Options that several commands of ``ostiary metadata`` have, and what is made of them."""

import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ostiary.errors import Refusal

if TYPE_CHECKING:
    from ostiary.command.metadata.opened import Collection, OpenedDocument, Pins
    from ostiary.command.metadata.said import Said

FILE: Final = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
PEM: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
# Control characters, and those that turn the direction of a line; no name in XML has them.
_COMMANDS: Final = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
F = TypeVar("F", bound=Callable[..., Any])

AS_JSON: Final = click.option("--json", "as_json", is_flag=True, help="For programs.")
PLAIN: Final = click.option("--no-colour", "--no-color", is_flag=True, help="No colours; so does NO_COLOR.")
CONFIG: Final = click.option("--config", type=PEM, help="Any service's configuration: what it believes at the moment.")


def pin_options(command: F) -> F:
    """``--certificate``, ``--key``, ``--fingerprint``: whose signature counts."""
    for option in (
        click.option(
            "--fingerprint",
            "fingerprints",
            multiple=True,
            metavar="SHA256",
            help="Trust the certificate in the document if it has this fingerprint; may be repeated.",
        ),
        click.option("--key", "keys", type=PEM, multiple=True, help="PEM public key of the signer; may be repeated."),
        click.option(
            "--certificate",
            "certificates",
            type=PEM,
            multiple=True,
            help="PEM certificate of the signer; may be repeated.",
        ),
    ):
        command = option(command)
    return command


def pins_of(certificates: tuple[Path, ...], keys: tuple[Path, ...], fingerprints: tuple[str, ...]) -> "Pins":
    """What the options name. Raises `Refusal` (``metadata.fingerprint``)."""
    from ostiary.command.metadata.opened import Pins
    from ostiary.command.metadata.pinning import read_fingerprint

    return Pins(certificates, keys, tuple(read_fingerprint(text) for text in fingerprints))


def speaker(no_colour: bool, *, err: bool = False) -> "Said":
    """For standard output."""
    from ostiary.command.metadata.said import Said
    from ostiary.command.terminal import make_console
    from ostiary.command.wording import catalogue

    return Said(make_console(sys.stderr if err else sys.stdout, plain=no_colour), catalogue())


def collection_of(file: Path | None, config: Path | None, pins: "Pins") -> "Collection":
    """The document or the service that the options name. Raises `Refusal` (``metadata.where``), and as `open_document`, `in_force`."""
    from ostiary.clock import SystemClock
    from ostiary.command.metadata.opened import in_force, open_document

    if (file is None) == (config is None):
        raise Refusal("metadata.where", expected="--file or --config", found="both" if file else "neither")
    if file is not None:
        return open_document(file, pins)
    return in_force(config or Path(), SystemClock())


def tell_unverified(document: "OpenedDocument | Collection") -> None:
    """On standard error, that nobody looked at a signature."""
    from ostiary.command.metadata.opened import OpenedDocument

    if isinstance(document, OpenedDocument) and document.signed is None:
        speaker(False, err=True).line("unverified", style="yellow")


@contextmanager
def quiet() -> Iterator[None]:
    """Certificates in metadata are odd in many ways that do not matter, and the library warns of each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def readable_xml(octets: bytes) -> str:
    """A document for a terminal: characters that could command it are written as references, which mean the same."""
    return _COMMANDS.sub(lambda found: f"&#x{ord(found[0]):x};", octets.decode())
