"""``ostiary vo``: the certificate that a VO signs with, its renewal, and what was signed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from ostiary.config import Sources
from ostiary.x509.lsc import Names
from ostiary.x509.trust import load_trust_directory
from voms.commands.working import FILE, MEMBER_ARGUMENT, VoCommand, VoGroup, Working, answer
from voms.renewal import CertificatePlaces, drop_next, host_names, load_issuer, prepare_next, read_chain, switch
from voms.status.desk import issued_to_member, take_back
from voms.status.issued import IssuedRow


@click.group("certificate", cls=VoGroup)
def certificate() -> None:
    """The certificate that the VO signs with and shows its clients, and the one that comes after it."""


@certificate.command("show")
@click.pass_obj
def show(working: Working) -> None:
    """The certificate in use, the next one, and the previous one."""
    places, sources = CertificatePlaces.of(working.settings), Sources()
    chains = {
        "in use": load_issuer(working.settings).key.certificates,
        "next": read_chain(places.next_certificate, sources),
        "previous": read_chain(places.previous_certificate, sources),
    }
    facts = {place: _facts(chain[0]) for place, chain in chains.items() if chain}
    answer(facts, (line for place, about in facts.items() for line in _lines(place, about)))


@certificate.command("next")
@click.argument("new_certificate", metavar="CERTIFICATE", type=FILE)
@click.argument("new_key", metavar="KEY", type=FILE)
@click.pass_obj
def next_certificate(working: Working, new_certificate: Path, new_key: Path) -> None:
    """Check a new CERTIFICATE and its KEY, and put them beside those in use. Nothing changes for anybody yet."""
    before = load_issuer(working.settings)
    trust = load_trust_directory(working.settings.ca_directory)
    new = prepare_next(new_certificate, new_key, working.settings, trust, working.now)
    same = tuple(map(Names.of, new.certificates)) in before.lsc().chains
    told = (
        "Relying parties know its names already: switch when you like."
        if same
        else "Give relying parties the new LSC file (ostiary vo lsc), and switch when they have installed it."
    )
    weak = () if _is_rsa(new.certificates[0]) else ("Its key is not RSA: relying parties in Java can't verify it.",)
    answer({"next": _facts(new.certificates[0]), "lsc_changes": not same}, [*weak, told])


@certificate.command("switch")
@click.pass_obj
def switch_to_next(working: Working) -> None:
    """Sign with the next certificate from now on. A running service follows within seconds."""
    new = switch(working.settings, working.now)
    answer({"in use": _facts(new.certificates[0])}, _lines("in use", _facts(new.certificates[0])))


@certificate.command("drop-next")
@click.pass_obj
def drop(working: Working) -> None:
    """Take back `next`."""
    drop_next(working.settings)
    answer({"next": None})


@click.command("issued", cls=VoCommand)
@MEMBER_ARGUMENT
@click.pass_obj
def issued(working: Working, member: str) -> None:
    """What a member was issued and has not ended: attribute certificates and tokens."""
    found = issued_to_member(working.desk, working.member(member))
    facts = [
        {
            "serial": row.serial,
            "kind": row.kind,
            "issued_at": row.issued_at,
            "not_after": row.not_after,
            "revoked_at": row.revoked_at,
            "revoked_for": row.revoked_for,
        }
        for row in found
    ]
    answer(facts, (f"{row.serial}  {row.kind}  until {row.not_after:%Y-%m-%dT%H:%M:%SZ}{_end(row)}" for row in found))


@click.command("revoke-issued", cls=VoCommand)
@click.argument("serial")
@click.pass_obj
def revoke_issued(working: Working, serial: str) -> None:
    """Take back the attribute certificate or token with this SERIAL; relying parties that ask are told."""
    take_back(working.desk, serial)
    answer({"serial": serial})


def _end(row: IssuedRow) -> str:
    return f"  taken back {row.revoked_at:%Y-%m-%dT%H:%M:%SZ}: {row.revoked_for}" if row.revoked_at else ""


def _facts(own: x509.Certificate) -> dict[str, Any]:
    names = Names.of(own)
    return {
        "subject": names.subject,
        "issuer": names.issuer,
        "not_before": own.not_valid_before_utc,
        "not_after": own.not_valid_after_utc,
        "key": "RSA" if _is_rsa(own) else "EC",
        "hosts": list(host_names(own)),
        "sha256": own.fingerprint(hashes.SHA256()).hex(),
    }


def _lines(place: str, about: dict[str, Any]) -> Iterator[str]:
    yield f"{place}: {about['subject']}"
    yield f"  issued by {about['issuer']}, {about['key']}, for {', '.join(about['hosts']) or 'no host'}"
    yield f"  from {about['not_before']:%Y-%m-%dT%H:%M:%SZ} until {about['not_after']:%Y-%m-%dT%H:%M:%SZ}"


def _is_rsa(own: x509.Certificate) -> bool:
    return isinstance(own.public_key(), rsa.RSAPublicKey)


COMMANDS: Final = (certificate, issued, revoke_issued)
