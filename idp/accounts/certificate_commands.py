"""``ostiary people add-certificate`` and ``remove-certificate``: by which certificates a person may sign in."""

from pathlib import Path
from typing import Final

import click
from cryptography import x509

from idp.accounts.desk import OPERATOR, Desk
from ostiary.errors import ConfigurationError, Refusal
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.reading import UNREADABLE

_MAXIMUM: Final = 128 * 1024

_file = click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Her certificate (PEM).")
_subject = click.option("--subject", help="Its subject as ostiary people show writes it (RFC 4514).")
_issuer = click.option("--issuer", help="Its issuer, the same way.")


@click.command("add-certificate")
@click.argument("login_name")
@_file
@_subject
@_issuer
@click.pass_obj
def add_certificate(desk: Desk, login_name: str, file: Path | None, subject: str | None, issuer: str | None) -> None:
    """Let a person sign in with a certificate. Whether its authority is trusted, the login decides."""
    person, names = desk.person(login_name), _names(file, subject, issuer)
    desk.directory.add_certificate(person.principal, names, at=desk.clock.now(), by=OPERATOR)
    click.echo(f"{names.subject}\n  issued by {names.issuer}")


@click.command("remove-certificate")
@click.argument("login_name")
@_file
@_subject
@_issuer
@click.pass_obj
def remove_certificate(desk: Desk, login_name: str, file: Path | None, subject: str | None, issuer: str | None) -> None:
    """Take one of a person's certificates away."""
    names = _names(file, subject, issuer)
    desk.directory.remove_certificate(desk.person(login_name).principal, names, at=desk.clock.now(), by=OPERATOR)


def _names(file: Path | None, subject: str | None, issuer: str | None) -> CertificateNames:
    if file is not None and subject is None and issuer is None:
        return CertificateNames.of(_certificate(file))
    if file is None and subject and issuer:
        return CertificateNames(subject, issuer)
    raise Refusal("people.certificate_names", expected="--file, or --subject and --issuer", found="something else")


def _certificate(file: Path) -> x509.Certificate:
    try:
        with file.open("rb") as opened:
            return x509.load_pem_x509_certificate(opened.read(_MAXIMUM))
    except (*UNREADABLE, OSError) as error:
        raise ConfigurationError(
            "people.certificate_file", file=file, expected="a certificate in PEM", found=type(error).__name__
        ) from error
