"""A real Shibboleth SP: shibd and Apache from Debian, as processes of our own, with everything that they write in one directory.

The configuration is the one of docs/interop.md.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Final

import urllib3

from ostiary.command.demo.authority import CertificateFiles, DemoAuthority
from ostiary.command.demo.people import NORTHGATE
from ostiary.federation.keys import create_key_ring
from tests.running_demo import free_base_port

ENTITY_ID: Final = "https://sp.example.org/shibboleth"
STRANGER: Final = "https://stranger.example.org/shibboleth"
START_SECONDS: Final = 30
DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "interop.md"

# What a test machine needs beside the documented configuration: files elsewhere, and a second application that nobody knows.
_PROCESSES: Final = """
  <OutOfProcess logger="$directory/shibd.logger"/>
  <InProcess logger="$directory/native.logger"/>
  <UnixListener address="$directory/shibd.sock"/>
  <RequestMapper type="Native">
    <RequestMap applicationId="default">
      <Host scheme="http" name="127.0.0.1" port="$port">
        <Path name="stranger" applicationId="stranger"/>
      </Host>
    </RequestMap>
  </RequestMapper>
"""
_STRANGER: Final = f'  <ApplicationOverride id="stranger" entityID="{STRANGER}"/>\n  </ApplicationDefaults>'

_LOGGER: Final = """\
log4j.rootCategory=INFO, file
log4j.appender.file=org.apache.log4j.FileAppender
log4j.appender.file.fileName=$directory/$name.log
log4j.appender.file.layout=org.apache.log4j.PatternLayout
log4j.appender.file.layout.ConversionPattern=%d{%Y-%m-%d %H:%M:%S} %p %c %x: %m%n
"""

_APACHE: Final = """\
ServerRoot "$directory"
DefaultRuntimeDir "$directory"
PidFile "$directory/apache.pid"
ErrorLog "$directory/apache.log"
ServerName http://127.0.0.1:$port
UseCanonicalName On
Listen 127.0.0.1:$port
Listen 127.0.0.1:$tls_port https
$modules
User www-data
Group www-data
StartServers 1
ThreadsPerChild 25
MaxRequestWorkers 25
TypesConfig /etc/mime.types
DocumentRoot "$directory/pages"
<Directory "$directory/pages">
  Require all granted
  Options +Includes
  SetOutputFilter INCLUDES
</Directory>
ShibConfig "$directory/shibboleth2.xml"
<Location /Shibboleth.sso>
  AuthType None
  Require all granted
</Location>
<LocationMatch "^/(secure|stranger)/">
  AuthType shibboleth
  ShibRequestSetting requireSession 1
  Require shib-session
</LocationMatch>
<Location /stranger/northgate/>
  ShibRequestSetting entityID $northgate
</Location>
"""
_MODULES: Final = (
    "mpm_event",
    "authn_core",
    "authz_core",
    "mime",
    "dir",
    "include",
    "ssl",
    "proxy",
    "proxy_http",
    "shib",
)
# Server-side includes print what mod_shib put into the environment.
_PAGE: Final = """\
<p>Home: <!--#echo var="Shib-Identity-Provider" --></p>
<p>Affiliation: <!--#echo var="affiliation" --></p>
<p>Entitlement: <!--#echo var="entitlement" --></p>
<p>User: <!--#echo var="REMOTE_USER" --></p>
"""


def documented(language: str) -> str:
    """The one block of docs/interop.md in this language: ``shibboleth2.xml``, or TLS in front of an Attribute Authority."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def _exchanged(text: str, exchanges: dict[str, str]) -> str:
    for old, new in exchanges.items():
        if text.count(old) != 1:
            raise RuntimeError(f"{text.count(old)} times in the document, not once: {old}")
        text = text.replace(old, new)
    return text


@dataclass(frozen=True)
class Federation:
    """What an SP is told about the federation. ``home``: the home organisation that it asks over SOAP."""

    aggregate: str
    certificate: Path
    discovery: str
    home: str


class ShibbolethServiceProvider:
    """``origin`` is where browsers reach it; ``tls_port`` is TLS in front of ``behind_tls``, where the test starts something."""

    def __init__(self) -> None:
        # Short, because it holds a socket, and open to Apache's own user; what is secret in it is not.
        self.directory = Path(tempfile.mkdtemp(prefix="ostiary-shib-"))
        self.directory.chmod(0o755)
        base = free_base_port()
        self.port, self.tls_port, self.behind_tls, self.spare_port = base, base + 1, base + 2, base + 3
        self.origin = f"http://127.0.0.1:{self.port}"
        self._running: list[subprocess.Popen[bytes]] = []
        for page in ("secure", "stranger"):
            (self.directory / "pages" / page).mkdir(parents=True)
            (self.directory / "pages" / page / "index.html").write_text(_PAGE)
        now = datetime.now(UTC)
        create_key_ring(self.directory / "keys", "shibboleth", now=now)
        authority = DemoAuthority(self.directory / "ca")
        authority.prepare(now=now)
        files = CertificateFiles(self.directory / "tls.pem", self.directory / "tls.key")
        authority.issue(files, "localhost", now=now, hosts=("localhost",))
        for name in ("shibd", "native"):
            text = Template(_LOGGER).substitute(directory=self.directory, name=name)
            (self.directory / f"{name}.logger").write_text(text)
        # Apache's processes append to it as a user who may not create it.
        (self.directory / "native.log").touch()
        if os.getuid() == 0:
            shutil.chown(self.directory / "native.log", "www-data")

    def start(self, federation: Federation | None, *, signs_queries: bool = True) -> None:
        """Starts both; without a ``federation`` it knows nobody, but can already print its metadata. ``signs_queries`` False: it is known
        by its TLS client certificate, knows Attribute Authorities by theirs, and has a key to encrypt to, as docs/interop.md says."""
        self._write_configuration(federation, signs_queries)
        modules = "\n".join(f"LoadModule {name}_module {_module(name)}" for name in _MODULES if name != "shib")
        modules += f"\nLoadModule mod_shib {_module('shib')}"
        apache = Template(_APACHE).substitute(
            directory=self.directory,
            port=self.port,
            tls_port=self.tls_port,
            modules=modules,
            northgate=NORTHGATE.entity_id,
        )
        apache += _exchanged(
            documented("apache"),
            {
                "*:443": f"127.0.0.1:{self.tls_port}",
                "https://aa.home.example.org:443": f"https://localhost:{self.tls_port}",
                "/etc/ssl/home/tls.pem": str(self.directory / "tls.pem"),
                "/etc/ssl/home/tls.key": str(self.directory / "tls.key"),
                "http://127.0.0.1:8502/": f"http://127.0.0.1:{self.behind_tls}/",
            },
        )
        (self.directory / "apache.conf").write_text(apache)
        configuration, pid = self.directory / "shibboleth2.xml", self.directory / "shibd.pid"
        self._begin("/usr/sbin/shibd", "-F", "-f", "-c", str(configuration), "-p", str(pid))
        self._await((self.directory / "shibd.sock").exists)
        self._begin("/usr/sbin/apache2", "-f", str(self.directory / "apache.conf"), "-DFOREGROUND")
        self._await(self._answers)

    def _write_configuration(self, federation: Federation | None, signs_queries: bool) -> None:
        keys = self.directory / "keys"
        settings = {
            'handlerSSL="true" cookieProps="https"': 'handlerSSL="false" cookieProps="http"',
            "  </ApplicationDefaults>": _STRANGER,
            "  <ApplicationDefaults": Template(_PROCESSES).substitute(directory=self.directory, port=self.port)
            + "  <ApplicationDefaults",
        }
        text = documented("xml")
        if not signs_queries:
            signing = 'signing="true" signingAlg="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"'
            text = _exchanged(text, {signing: 'signing="front"'})
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
        for name, suffix in (("sp-signing-key.pem", "key"), ("sp-signing-cert.pem", "crt")):
            text = text.replace(f'"{name}"', f'"{keys / f"current.{suffix}"}"')
        (self.directory / "shibboleth2.xml").write_text(_exchanged(text, settings))

    def _begin(self, *command: str) -> None:
        with (self.directory / "output").open("ab") as output:
            self._running.append(
                subprocess.Popen(
                    command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
                )
            )

    def _answers(self) -> bool:
        pool = urllib3.PoolManager(retries=False, timeout=5)
        try:
            return pool.request("GET", f"{self.origin}/Shibboleth.sso/Metadata").status == 200
        except urllib3.exceptions.HTTPError:
            return False
        finally:
            pool.clear()

    def _await(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if self._running[-1].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the Shibboleth SP did not start:\n{self.told()}")
            time.sleep(0.05)

    def told(self) -> str:
        """Everything in its logs."""
        names = ("output", "shibd.log", "native.log", "apache.log")
        return "\n".join((self.directory / name).read_text() for name in names if (self.directory / name).exists())

    def metadata(self) -> bytes:
        """What it generates about itself."""
        pool = urllib3.PoolManager(retries=False, timeout=5)
        try:
            return bytes(pool.request("GET", f"{self.origin}/Shibboleth.sso/Metadata").data)
        finally:
            pool.clear()

    def stop(self) -> None:
        """Stops the processes that were started, Apache first."""
        while self._running:
            process = self._running.pop()
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def remove(self) -> None:
        """Takes its directory away."""
        shutil.rmtree(self.directory)


def _module(name: str) -> str:
    return f"/usr/lib/apache2/modules/mod_{name}.so"
