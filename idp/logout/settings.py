"""Single logout in the configuration, and where its messages arrive."""

from datetime import timedelta
from typing import Final

from idp.logout.requests import LogoutRules
from ostiary.config import Duration, FileFromHere, Settings
from ostiary.saml import names
from ostiary.saml.soap_transport import HttpSoapTransport

LOGOUT_PATHS: Final = {
    names.SOAP: "/saml/slo/soap",
    names.HTTP_REDIRECT: "/saml/slo/redirect",
    names.HTTP_POST: "/saml/slo/post",
}
"""By binding, as metadata publishes them."""


class LogoutSettings(Settings):
    """``patience``: how long the answer of a service over SOAP is waited for. ``tls_authorities``: a PEM file of those that may have
    signed the services' certificates; the system's where it is left out."""

    patience: Duration = timedelta(seconds=5)
    tls_authorities: FileFromHere | None = None

    def transport(self) -> HttpSoapTransport:
        """The way to the services without a browser."""
        return HttpSoapTransport(self.patience, self.tls_authorities)


def logout_rules(entity_id: str, public_url: str) -> LogoutRules:
    """The rules of the IdP at this URL."""
    return LogoutRules(entity_id, {binding: public_url + path for binding, path in LOGOUT_PATHS.items()})
