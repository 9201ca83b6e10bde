"""A real MIT KDC of one realm, in a directory of its own, on loopback; and the environment in which Kerberos programs find it."""

import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

REALM = "EXAMPLE.ORG"
_SBIN = "/usr/sbin"


class Kdc:
    """``environment`` is for every program that is to know this realm. Start by making it, end with `stop`."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700)
        (directory / "krb5.conf").write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
            " dns_canonicalize_hostname = false\n rdns = false\n udp_preference_limit = 1\n"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{port}\n }}\n[domain_realm]\n localhost = {REALM}\n"
        )
        (directory / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {directory}/principal\n  key_stash_file = {directory}/stash\n"
            f"  acl_file = {directory}/acl\n  max_life = 1h\n }}\n[logging]\n kdc = FILE:{directory}/kdc.log\n"
        )
        self.environment = {
            **os.environ,
            "PATH": f"{os.environ.get('PATH', '')}:{_SBIN}",
            "KRB5_CONFIG": str(directory / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(directory / "kdc.conf"),
            "KRB5RCACHENAME": f"file2:{directory}/replays",
        }
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "only-in-this-test")
        self.process = subprocess.Popen(
            [f"{_SBIN}/krb5kdc", "-n"], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            time.sleep(0.05)
        raise RuntimeError("the KDC does not listen")

    def add(self, principal: str, password: str) -> None:
        """Somebody with a password."""
        self._run("kadmin.local", "-q", f"addprinc -pw {password} {principal}")

    def add_service(self, principal: str, keytab: Path) -> None:
        """A service with a random key, in a keytab."""
        self._run("kadmin.local", "-q", f"addprinc -randkey {principal}")
        self._run("kadmin.local", "-q", f"ktadd -k {keytab} {principal}")

    def change_key(self, principal: str) -> None:
        """A new key that no keytab has."""
        self._run("kadmin.local", "-q", f"cpw -randkey {principal}")

    def log_in(self, principal: str, password: str) -> dict[str, str]:
        """The environment of somebody who has a ticket."""
        environment = self.nobody(principal)
        subprocess.run(
            ["kinit", principal], env=environment, input=f"{password}\n".encode(), check=True, capture_output=True
        )
        return environment

    def nobody(self, name: str = "nobody") -> dict[str, str]:
        """The environment of somebody who has none."""
        cache = self.directory / f"cache-{name.replace('/', '-')}-{time.monotonic_ns()}"
        return {**self.environment, "KRB5CCNAME": f"FILE:{cache}"}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True, capture_output=True)
