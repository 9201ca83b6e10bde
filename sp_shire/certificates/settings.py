"""The configuration of visitors with certificates (``certificates:`` in ``sp.yaml``)."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from ostiary.config import (
    Duration,
    FileFromHere,
    PathFromHere,
    PublicUrl,
    Settings,
    TrustedPeerSettings,
    WrongSetting,
)

_HEADER = r"^[A-Za-z][A-Za-z0-9-]{0,63}$"


# That it is nobody else's, the settings of the resource look at, which know all names.
_CertificateHeader = Annotated[str, Field(pattern=_HEADER)]


class FrontEndSettings(TrustedPeerSettings):
    """A web server in front that ends TLS and passes on the client's certificate in ``certificate_header``, and the other certificates that
    the client sent in ``chain_header``: PEM (percent-encoded or in one line) or base64, as in RFC 9440. It has to set both headers on
    every request, so that none of a client's own arrives. ``drops_underscores``: it removes headers with ``_`` in their names, as nginx
    and Apache do; only then may these names have a ``-``."""

    certificate_header: _CertificateHeader = "ClientCert"
    chain_header: _CertificateHeader | None = None
    drops_underscores: bool = False

    @model_validator(mode="after")
    def _cannot_be_imitated(self) -> Self:
        for name in (self.certificate_header, self.chain_header or ""):
            if "-" in name and not self.drops_underscores:
                raise WrongSetting(
                    "certificates.header_name", expected="a name without -, or drops_underscores: true", found=name
                )
        return self

    def headers(self) -> tuple[str, ...]:
        """Every header that is between the web server and us, and nobody else's."""
        return tuple(name for name in (self.certificate_header, self.chain_header, self.secret_header) if name)


class TlsSettings(Settings):
    """``ostiary serve sp`` then speaks TLS itself and asks for client certificates: ``certificate`` (PEM, with its intermediates) and
    ``key`` (a private file) are the server's. ``largest_body`` is how many bytes of a request are taken."""

    certificate: FileFromHere
    key: FileFromHere
    largest_body: int = Field(default=8 * 1024 * 1024, ge=65_536, le=1024 * 1024 * 1024)


class VoStatusSettings(Settings):
    """The VO ``vo`` is asked at ``url`` (``https://host:port/status/list`` of a service like ours) which attribute certificates it has
    taken back, every ``refresh``. With ``required`` none of its certificates counts while that is not known."""

    vo: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    url: PublicUrl
    required: bool = True
    refresh: Duration = timedelta(minutes=1)


class CertificateSettings(Settings):
    """Visitors with certificates. ``ca_directory`` holds the CAs (``HASH.0``), their CRLs (``HASH.r0``) and signing policies; with
    ``require_crl`` a CA without a CRL is not believed. ``vomsdir`` holds the LSC files of VOs; ``vos`` are the VOs whose attribute
    certificates count, all of ``vomsdir`` where it is empty. ``host_names`` are further names of this host, beside that of ``public_url``,
    that an attribute certificate may be meant for. ``ban_file`` lists whom nobody lets in here, whatever VOs and rules say (LCAS's
    ``ban_users.db``). ``limited_proxies`` lets limited proxies in, ``most_proxies`` is how many may stand
    before a person's own certificate. ``vo_status``: the VOs that are asked what they have taken back."""

    ca_directory: PathFromHere
    require_crl: bool = True
    vomsdir: PathFromHere | None = None
    vos: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")], ...] = ()
    host_names: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,253}$")], ...] = ()
    ban_file: PathFromHere | None = None
    vo_status: tuple[VoStatusSettings, ...] = ()
    limited_proxies: bool = False
    most_proxies: int = Field(default=10, ge=0, le=30)
    front_end: FrontEndSettings | None = None
    tls: TlsSettings | None = None

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if self.vos and self.vomsdir is None:
            raise WrongSetting("certificates.no_vomsdir", expected="vomsdir with the LSC files of vos", found="none")
        asked = [each.vo for each in self.vo_status]
        if len(set(asked)) != len(asked):
            raise WrongSetting("certificates.vo_status_twice", expected="each VO once", at=("vo_status",))
        return self
