"""Opens Kerberos tickets with the system's library, the only place that imports python-gssapi. Decides nothing about who the client is."""

from pathlib import Path
from typing import Final

import gssapi

from idp.login.kerberos import AcceptedTicket
from ostiary.config import read_private_file
from ostiary.errors import ConfigurationError

_SPNEGO: Final = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
_MECHANISMS: Final = (gssapi.MechType.kerberos, _SPNEGO)


class GssAcceptor:
    """`TicketAcceptor`. ``service`` is the principal whose key opens tickets, such as ``HTTP/login.example.org``; None for any of those in
    the keytab. The library remembers what was shown to it (its replay cache), for this node."""

    def __init__(self, keytab: Path, service: str | None) -> None:
        """Raises `ConfigurationError` (``config.private_file_*``, ``login.keytab``)."""
        read_private_file(keytab)
        try:
            name = gssapi.Name(service, gssapi.NameType.kerberos_principal) if service is not None else None
            self._credentials = gssapi.Credentials(
                name=name, usage="accept", mechs=_MECHANISMS, store={"keytab": f"FILE:{keytab}"}
            )
        except gssapi.exceptions.GSSError as error:
            raise ConfigurationError(
                "login.keytab", file=keytab, expected=service or "a key for this service", found=error
            ) from None

    def accept(self, token: bytes) -> AcceptedTicket | str:
        try:
            context = gssapi.SecurityContext(creds=self._credentials, usage="accept")
            reply = context.step(token)
            if not context.complete:
                # A second round trip, or an error that the library tells the client in a token.
                return "a token that does not prove a client by itself"
            if context.mech != gssapi.MechType.kerberos:
                return f"another mechanism, {context.mech}"
            return AcceptedTicket(str(context.initiator_name), reply or b"")
        except gssapi.exceptions.GSSError as error:
            return str(error)
