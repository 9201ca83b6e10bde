"""A real Active Directory domain controller (Samba's) in a directory of its own, on a loopback address of its own, with LDAP alone.

Samba listens for LDAP on port 389 and no other, so this needs root.
"""

import os
import re
import socket
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ostiary.command.demo.authority import CertificateFiles, DemoAuthority

DOMAIN = "OSTEST"
REALM = "ad.example.org"
BASE = "DC=ad,DC=example,DC=org"
RIGHT = "Right-horse-1"


class SambaDc:
    """``host`` is its address, ``ca`` the file with the CA of its certificate. Start by making it, end with `stop`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        self.directory = directory
        number = os.getpid() % 65_000
        self.host = f"127.77.{number // 256}.{number % 256}"
        self._configuration = directory / "etc" / "smb.conf"
        authority = DemoAuthority(directory / "authority")
        self.ca = authority.certificate
        files, now = CertificateFiles(directory / "server.crt", directory / "server.key"), datetime.now(UTC)
        authority.prepare(now=now)
        authority.issue(files, self.host, now=now, hosts=(self.host,))
        self._provision(files)
        log_file = directory / "samba.log"
        log = log_file.open("wb")
        self.process = subprocess.Popen(
            ["samba", "-i", "-M", "single", "--no-process-group", "-s", str(self._configuration)],
            stdout=log,
            stderr=log,
            stdin=subprocess.PIPE,
        )
        log.close()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError):
                socket.create_connection((self.host, 389), timeout=1).close()
                return
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(log_file.read_text()[-4000:])

    def add(self, name: str) -> None:
        """Somebody with the right password."""
        self.tool("user", "create", name, RIGHT)

    def tool(self, *arguments: str) -> None:
        """Changes the directory as its administrator does."""
        sam = self.directory / "private" / "sam.ldb"
        command = ["samba-tool", *arguments, "-s", str(self._configuration), "-H", str(sam)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.stdout}{done.stderr}")

    def stop(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.terminate()
        self.process.wait(timeout=30)

    def _provision(self, files: CertificateFiles) -> None:
        options = {
            "interfaces": f"{self.host}/8",
            "bind interfaces only": "yes",
            "pid directory": str(self.directory),
            "ncalrpc dir": str(self.directory / "ncalrpc"),
            "log file": str(self.directory / "log.%m"),
            "tls certfile": str(files.certificate),
            "tls keyfile": str(files.key),
            "tls cafile": str(self.ca),
            "vfs objects": "dfs_samba4 acl_xattr xattr_tdb",
        }
        command = ["samba-tool", "domain", "provision", f"--targetdir={self.directory}", f"--realm={REALM.upper()}"]
        command += [f"--domain={DOMAIN}", "--server-role=dc", "--dns-backend=NONE", "--adminpass=Adm1n-of-the-test"]
        command += [
            "--host-name=dc1",
            "--host-ip=127.0.0.1",
            *(f"--option={key}={value}" for key, value in options.items()),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        written = self._configuration.read_text()
        self._configuration.write_text(re.sub(r"(?m)^(\s*server services) = .*$", r"\1 = ldap", written))
        policy = ("--complexity=off", "--history-length=0", "--min-pwd-age=0", "--account-lockout-threshold=3")
        self.tool("domain", "passwordsettings", "set", *policy)
