"""Turns a `Grant` into a signed attribute certificate: the statement that it makes, and nothing besides."""

import secrets
from dataclasses import dataclass
from typing import Literal

from cryptography import x509

from ostiary.x509.attribute_certificate import IssuerKey, Statement, sign_attribute_certificate
from ostiary.x509.lsc import Lsc, Names
from ostiary.x509.names import issuer_bytes
from voms.selection import Grant

NameForm = Literal["long", "short"]


@dataclass(frozen=True, slots=True)
class Issuer:
    """One VO's signature. ``host`` and ``port`` are what relying parties find the VO's LSC file by, whatever this machine is called.
    ``form``: how names are written (``/vo/g/Role=NULL/Capability=NULL``, or ``/vo/g``). ``others``: the certificates, each with its chain,
    that come after this one or came before it, while its key is changed."""

    key: IssuerKey
    host: str
    port: int
    form: NameForm = "long"
    others: tuple[tuple[x509.Certificate, ...], ...] = ()

    def lsc(self) -> Lsc:
        """What relying parties have to trust: the certificate in use first, then the others where their names differ."""
        chains = (tuple(map(Names.of, chain)) for chain in (self.key.certificates, *self.others))
        return Lsc(tuple(dict.fromkeys(chains)))


def attribute_certificate(grant: Grant, holder: x509.Certificate, issuer: Issuer, *, serial: int) -> bytes:
    """The signed certificate (RFC 5755), DER, for the end-entity certificate ``holder``.

    ``serial`` is a positive number below 2**127, never given twice.
    """
    statement = Statement(
        holder_issuer=issuer_bytes(holder),
        holder_serial=holder.serial_number,
        vo=grant.vo,
        host=issuer.host,
        port=issuer.port,
        fqans=tuple(fqan.long() if issuer.form == "long" else fqan.short() for fqan in grant.fqans),
        attributes=grant.attributes,
        targets=grant.targets,
        not_before=grant.not_before,
        not_after=grant.not_after,
        serial=serial,
    )
    return sign_attribute_certificate(statement, issuer.key)


def new_serial() -> int:
    """A serial number: 127 random bits, so that it is positive in 16 octets."""
    return secrets.randbits(127) | 1
