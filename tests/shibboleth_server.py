"""shibd and Apache with mod_shib from Debian as processes of our own, with everything that they write in one directory.

Who starts them adds what it wants of either; the SP's configuration is the one of docs/interop.md.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Final

import urllib3

ENTITY_ID: Final = "https://sp.example.org/shibboleth"
START_SECONDS: Final = 30
DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "interop.md"
SHIBD, APACHE, _MODULES = "/usr/sbin/shibd", "/usr/sbin/apache2", "/usr/lib/apache2/modules"

# What a test machine needs beside the documented configuration: files elsewhere.
_PROCESSES: Final = """
  <OutOfProcess logger="$directory/shibd.logger"/>
  <InProcess logger="$directory/native.logger"/>
  <UnixListener address="$directory/shibd.sock"/>
"""

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
</Directory>
ShibConfig "$directory/shibboleth2.xml"
<Location /Shibboleth.sso>
  AuthType None
  Require all granted
</Location>
"""
_NEEDED: Final = ("mpm_event", "authn_core", "authz_core", "mime", "dir")


def missing() -> list[str]:
    """The files of Debian's libapache2-mod-shib, and of what it depends on, that are not there."""
    return [path for path in (APACHE, SHIBD, _module("shib")) if not Path(path).exists()]


def documented(language: str) -> str:
    """The one block of docs/interop.md in this language: ``shibboleth2.xml``, or TLS in front of an Attribute Authority."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def exchanged(text: str, exchanges: Mapping[str, str]) -> str:
    """``text`` with each key, which stands in it once, exchanged for its value."""
    for old, new in exchanges.items():
        if text.count(old) != 1:
            raise RuntimeError(f"{text.count(old)} times in the document, not once: {old}")
        text = text.replace(old, new)
    return text


class ShibbolethServer:
    """``origin`` is where browsers reach it, once it has been started. Its key is ``keys / current.key`` with ``current.crt``."""

    def __init__(self, port: int) -> None:
        # Short, because it holds a socket, and open to Apache's own user; what is secret in it is not.
        self.directory = Path(tempfile.mkdtemp(prefix="ostiary-shib-"))
        self.directory.chmod(0o755)
        self.port = port
        self.origin = f"http://127.0.0.1:{port}"
        self.keys = self.directory / "keys"
        self.running: list[subprocess.Popen[bytes]] = []
        for name in ("shibd", "native"):
            text = Template(_LOGGER).substitute(directory=self.directory, name=name)
            (self.directory / f"{name}.logger").write_text(text)
        # Apache's processes append to it as a user who may not create it.
        (self.directory / "native.log").touch()
        if os.getuid() == 0:
            shutil.chown(self.directory / "native.log", "www-data")

    def page(self, folder: str, text: str) -> None:
        """The page at ``/folder/``."""
        (self.directory / "pages" / folder).mkdir(parents=True)
        (self.directory / "pages" / folder / "index.html").write_text(text)

    def run(self, shibboleth2: str, exchanges: Mapping[str, str], apache: str, modules: Sequence[str] = ()) -> None:
        """Starts both. ``shibboleth2``: as documented, without what this machine needs; ``apache``: lines of its configuration, which
        may need ``modules`` of its own."""
        head = "  <ApplicationDefaults"
        here = {
            'handlerSSL="true" cookieProps="https"': 'handlerSSL="false" cookieProps="http"',
            head: Template(_PROCESSES).substitute(directory=self.directory) + head,
        }
        for name, suffix in (("sp-signing-key.pem", "key"), ("sp-signing-cert.pem", "crt")):
            shibboleth2 = shibboleth2.replace(f'"{name}"', f'"{self.keys / f"current.{suffix}"}"')
        configuration, pid = self.directory / "shibboleth2.xml", self.directory / "shibd.pid"
        configuration.write_text(exchanged(exchanged(shibboleth2, here), exchanges))
        loaded = [f"LoadModule {name}_module {_module(name)}" for name in (*_NEEDED, *modules)]
        loaded.append(f"LoadModule mod_shib {_module('shib')}")
        common = Template(_APACHE).substitute(directory=self.directory, port=self.port, modules="\n".join(loaded))
        (self.directory / "apache.conf").write_text(common + apache)
        self._begin(SHIBD, "-F", "-f", "-c", str(configuration), "-p", str(pid))
        self._await((self.directory / "shibd.sock").exists)
        self._begin(APACHE, "-f", str(self.directory / "apache.conf"), "-DFOREGROUND")
        self._await(self._answers)

    def _begin(self, *command: str) -> None:
        with (self.directory / "output").open("ab") as output:
            self.running.append(
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
            if self.running[-1].poll() is not None or time.monotonic() > deadline:
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
        while self.running:
            process = self.running.pop()
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
    return f"{_MODULES}/mod_{name}.so"
