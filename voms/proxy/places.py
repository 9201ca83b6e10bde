"""Where grid software looks for certificates, CA directories and servers: options first, then the environment, then fixed places."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary.errors import Missing

SECURITY: Final = Path("/etc/grid-security")


@dataclass(frozen=True, slots=True)
class Places:
    """The defaults for a user: ``environ`` is the process environment, ``home`` the home directory, ``uid`` the user's number;
    ``security`` the directory of the whole machine."""

    environ: Mapping[str, str]
    home: Path
    uid: int
    security: Path = SECURITY

    @classmethod
    def of_this_process(cls) -> "Places":
        """Those of whoever runs this."""
        return cls(dict(os.environ), Path.home(), os.getuid())

    def credential(self) -> tuple[Path, Path]:
        """The user's certificate and its private key: ``X509_USER_CERT`` and ``X509_USER_KEY``, or ``~/.globus/usercert.pem`` and
        ``userkey.pem``, or ``~/.globus/usercred.p12``, which is both. For root, who has none of these, the host's."""
        own = self.home / ".globus"
        certificate, key = own / "usercert.pem", own / "userkey.pem"
        if not certificate.exists() and (own / "usercred.p12").exists():
            certificate = key = own / "usercred.p12"
        elif not certificate.exists() and self.uid == 0 and self.host_credential()[0].exists():
            certificate, key = self.host_credential()
        return self._from("X509_USER_CERT", certificate), self._from("X509_USER_KEY", key)

    def host_credential(self) -> tuple[Path, Path]:
        """The host's certificate and private key."""
        return self.security / "hostcert.pem", self.security / "hostkey.pem"

    def proxy(self) -> Path:
        """The proxy file (``X509_USER_PROXY``, ``/tmp/x509up_u<uid>``)."""
        return self._from("X509_USER_PROXY", Path(f"/tmp/x509up_u{self.uid}"))  # noqa: S108  (the place that all software knows)

    def ca_directory(self) -> Path:
        """The trusted CAs (``X509_CERT_DIR``)."""
        return self._from("X509_CERT_DIR", self.security / "certificates")

    def vomsdir(self) -> Path:
        """The trusted VO services (``X509_VOMS_DIR``)."""
        return self._from("X509_VOMS_DIR", self.security / "vomsdir")

    def vomses(self) -> Path:
        """The VO services that there are (``VOMS_USERCONF``, ``~/.voms/vomses``, ``~/.glite/vomses``, ``/etc/vomses``): the first that
        exists. Raises `Missing` (``voms.no_vomses``)."""
        if "VOMS_USERCONF" in self.environ:
            return Path(self.environ["VOMS_USERCONF"])
        usual = (self.home / ".voms" / "vomses", self.home / ".glite" / "vomses", Path("/etc/vomses"))
        for path in usual:
            if path.exists():
                return path
        raise Missing("voms.no_vomses", expected=" or ".join(str(path) for path in usual), found="none of them")

    def _from(self, variable: str, otherwise: Path) -> Path:
        value = self.environ.get(variable)
        return Path(value) if value else otherwise
