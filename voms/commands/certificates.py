"""``ostiary vo``: by what members are known, certificates and names at home organisations."""

from pathlib import Path
from typing import Final

import click

from voms.commands.certificate_files import names_of_file, vouched_for
from voms.commands.working import FILE, MEMBER_ARGUMENT, VoCommand, Working, answer
from voms.directory import FederatedIdentity

_CERTIFICATE: Final = click.argument("certificate", type=FILE)


@click.command("add-certificate", cls=VoCommand)
@MEMBER_ARGUMENT
@_CERTIFICATE
@click.pass_obj
def add_certificate(working: Working, member: str, certificate: Path) -> None:
    """Another CERTIFICATE of a member."""
    whose, names = working.member(member), vouched_for(working.settings, certificate)
    working.desk.add_certificate(whose, names)
    answer({"member": whose, "subject": names.subject, "issuer": names.issuer})


@click.command("remove-certificate", cls=VoCommand)
@_CERTIFICATE
@click.pass_obj
def remove_certificate(working: Working, certificate: Path) -> None:
    """Whoever has the CERTIFICATE is nobody any more; the member stays, by what else she is known."""
    whose, names = working.member(str(certificate)), names_of_file(certificate)
    working.desk.remove_certificate(whose, names)
    answer({"member": whose, "subject": names.subject, "issuer": names.issuer})


@click.command("suspend-certificate", cls=VoCommand)
@_CERTIFICATE
@click.argument("reason")
@click.pass_obj
def suspend_certificate(working: Working, certificate: Path, reason: str) -> None:
    """Give nothing to whoever uses this CERTIFICATE, for a REASON that is told; the member's others go on."""
    whose, names = working.member(str(certificate)), names_of_file(certificate)
    working.desk.suspend_certificate(whose, names, reason)
    answer({"member": whose, "subject": names.subject, "issuer": names.issuer, "reason": reason})


@click.command("restore-certificate", cls=VoCommand)
@_CERTIFICATE
@click.pass_obj
def restore_certificate(working: Working, certificate: Path) -> None:
    """Take back suspend-certificate."""
    whose, names = working.member(str(certificate)), names_of_file(certificate)
    working.desk.restore_certificate(whose, names)
    answer({"member": whose, "subject": names.subject, "issuer": names.issuer})


@click.command("list-certificates", cls=VoCommand)
@MEMBER_ARGUMENT
@click.pass_obj
def certificates(working: Working, member: str) -> None:
    """The certificates of a member."""
    found = working.desk.certificates(working.member(member))
    facts = [
        {"subject": each.names.subject, "issuer": each.names.issuer, "suspended": each.suspended} for each in found
    ]
    answer(facts, (certificate_line(each.names.subject, each.names.issuer, each.suspended) for each in found))


@click.command("link", cls=VoCommand)
@MEMBER_ARGUMENT
@click.argument("entity_id")
@click.argument("attribute")
@click.argument("value")
@click.pass_obj
def link(working: Working, member: str, entity_id: str, attribute: str, value: str) -> None:
    """The member is also whom the home organisation ENTITY_ID names by ATTRIBUTE and VALUE (eduPersonPrincipalName ...)."""
    whose = working.member(member)
    working.desk.link_identity(whose, FederatedIdentity(entity_id, attribute, value))
    answer({"member": whose})


@click.command("unlink", cls=VoCommand)
@MEMBER_ARGUMENT
@click.argument("entity_id")
@click.argument("attribute")
@click.argument("value")
@click.pass_obj
def unlink(working: Working, member: str, entity_id: str, attribute: str, value: str) -> None:
    """Take back link."""
    whose = working.member(member)
    working.desk.unlink_identity(whose, FederatedIdentity(entity_id, attribute, value))
    answer({"member": whose})


def certificate_line(subject: str, issuer: str, suspended: str | None) -> str:
    """How lines tell a certificate."""
    return f"certificate {subject}, issued by {issuer}" + (f", suspended: {suspended}" if suspended else "")


COMMANDS: Final = (
    add_certificate,
    remove_certificate,
    suspend_certificate,
    restore_certificate,
    certificates,
    link,
    unlink,
)
