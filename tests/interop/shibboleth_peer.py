"""A real Shibboleth SP in a federation: the configuration of docs/interop.md, and TLS in front of an Attribute Authority."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Final

from ostiary.command.demo.authority import CertificateFiles, DemoAuthority
from ostiary.command.demo.people import NORTHGATE
from ostiary.federation.keys import create_key_ring
from tests.running_demo import free_base_port
from tests.shibboleth_server import ShibbolethServer, documented, exchanged

STRANGER: Final = "https://stranger.example.org/shibboleth"

# What the tests need beside the documented configuration: a second application that nobody knows.
_STRANGERS_PAGE: Final = """\
  <RequestMapper type="Native">
    <RequestMap applicationId="default">
      <Host scheme="http" name="127.0.0.1" port="$port">
        <Path name="stranger" applicationId="stranger"/>
      </Host>
    </RequestMap>
  </RequestMapper>
"""
_STRANGER: Final = f'  <ApplicationOverride id="stranger" entityID="{STRANGER}"/>\n  </ApplicationDefaults>'

_APACHE: Final = """\
Listen 127.0.0.1:$tls_port https
<Directory "$directory/pages">
  Options +Includes
  SetOutputFilter INCLUDES
</Directory>
<LocationMatch "^/(secure|stranger)/">
  AuthType shibboleth
  ShibRequestSetting requireSession 1
  Require shib-session
</LocationMatch>
<Location /stranger/northgate/>
  ShibRequestSetting entityID $northgate
</Location>
"""
# Server-side includes print what mod_shib put into the environment.
_PAGE: Final = """\
<p>Home: <!--#echo var="Shib-Identity-Provider" --></p>
<p>Affiliation: <!--#echo var="affiliation" --></p>
<p>Entitlement: <!--#echo var="entitlement" --></p>
<p>User: <!--#echo var="REMOTE_USER" --></p>
"""


@dataclass(frozen=True)
class Federation:
    """What an SP is told about the federation. ``home``: the home organisation that it asks over SOAP."""

    aggregate: str
    certificate: Path
    discovery: str
    home: str


class ShibbolethServiceProvider(ShibbolethServer):
    """``tls_port`` is TLS in front of ``behind_tls``, where the test starts something."""

    def __init__(self) -> None:
        base = free_base_port()
        super().__init__(base)
        self.tls_port, self.behind_tls, self.spare_port = base + 1, base + 2, base + 3
        for page in ("secure", "stranger"):
            self.page(page, _PAGE)
        now = datetime.now(UTC)
        create_key_ring(self.keys, "shibboleth", now=now)
        authority = DemoAuthority(self.directory / "ca")
        authority.prepare(now=now)
        files = CertificateFiles(self.directory / "tls.pem", self.directory / "tls.key")
        authority.issue(files, "localhost", now=now, hosts=("localhost",))

    def start(self, federation: Federation | None, *, signs_queries: bool = True) -> None:
        """Starts both; without a ``federation`` it knows nobody, but can already print its metadata. ``signs_queries`` False: it is known
        by its TLS client certificate, knows Attribute Authorities by theirs, and has a key to encrypt to, as docs/interop.md says."""
        apache = Template(_APACHE).substitute(
            directory=self.directory, tls_port=self.tls_port, northgate=NORTHGATE.entity_id
        )
        apache += exchanged(
            documented("apache"),
            {
                "*:443": f"127.0.0.1:{self.tls_port}",
                "https://aa.home.example.org:443": f"https://localhost:{self.tls_port}",
                "/etc/ssl/home/tls.pem": str(self.directory / "tls.pem"),
                "/etc/ssl/home/tls.key": str(self.directory / "tls.key"),
                "http://127.0.0.1:8502/": f"http://127.0.0.1:{self.behind_tls}/",
            },
        )
        modules = ("include", "ssl", "proxy", "proxy_http")
        self.run(*self._configuration(federation, signs_queries), apache, modules)

    def _configuration(self, federation: Federation | None, signs_queries: bool) -> tuple[str, dict[str, str]]:
        head = "  <ApplicationDefaults"
        settings = {
            "  </ApplicationDefaults>": _STRANGER,
            head: Template(_STRANGERS_PAGE).substitute(port=self.port) + head,
        }
        text = documented("xml")
        if not signs_queries:
            signing = 'signing="true" signingAlg="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"'
            text = exchanged(text, {signing: 'signing="front"'})
            [credential] = re.findall(r'<CredentialResolver type="File" use="signing".*?/>', text, re.DOTALL)
            both = credential + credential.replace('use="signing"', 'use="encryption"')
            text = text.replace(credential, f'<CredentialResolver type="Chaining">{both}</CredentialResolver>')
            text = re.sub(r"    <RelyingParty .*?/>\n", "", text)
        if federation is None:
            text = re.sub(r"    <MetadataProvider.*?</MetadataProvider>\n", "", text, flags=re.DOTALL)
        else:
            settings |= {
                "https://wayf.example.org/discovery": federation.discovery,
                "https://federation.example.org/metadata.xml": federation.aggregate,
                '"federation.xml"': f'"{self.directory / "federation.xml"}"',
                '"federation.crt"': f'"{federation.certificate}"',
            }
            if signs_queries:
                settings["https://home.example.org/idp"] = federation.home
        return text, settings
