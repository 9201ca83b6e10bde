"""A private slapd for the demo's second home: its configuration, its people and the command that runs it. Touches no other slapd.

The people are written once, so that what somebody changes stays; everything else is written anew at each start.
"""

import base64
import hashlib
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ostiary.command.demo.authority import CertificateFiles, DemoAuthority, demo_authority
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import HOMES, DemoHome, DemoPerson
from ostiary.config import write_private_file
from ostiary.errors import Unavailable
from ostiary.ldap.dn import child

HOST: Final = "127.0.0.1"
_DOCUMENTS: Final = Path(__file__).parent / "documents"
_TOOL_SECONDS: Final = 30

_PROGRAMS: Final = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/libexec",
    "/usr/lib/openldap",
    "/usr/local/libexec",
    "/opt/homebrew/opt/openldap/libexec",
)
_SCHEMAS: Final = ("/etc/ldap/schema", "/etc/openldap/schema", "/usr/local/etc/openldap/schema")
_MODULES: Final = (
    "/usr/lib/ldap",
    "/usr/lib64/openldap",
    "/usr/lib/openldap",
    "/usr/libexec/openldap",
    "/usr/local/libexec/openldap",
)


@dataclass(frozen=True, slots=True)
class Slapd:
    """An installed slapd: the program, its schema documents, and its modules where the database is one of them."""

    program: Path
    schemas: Path
    modules: Path | None


def find_slapd() -> Slapd | None:
    """The slapd of this machine; None when there is none that could be used."""
    program = shutil.which("slapd", path=os.pathsep.join((os.environ.get("PATH", ""), *_PROGRAMS)))
    schemas = next((path for path in map(Path, _SCHEMAS) if (path / "inetorgperson.ldif").is_file()), None)
    if program is None or schemas is None:
        return None
    modules = next((path for path in map(Path, _MODULES) if any(path.glob("back_mdb.*"))), None)
    return Slapd(Path(program), schemas, modules)


def prepare_directory(layout: Layout, now: datetime) -> tuple["DemoDirectory | None", str]:
    """The directory of the home that has one, its files written; or None, and one line for people that says why."""
    home = next(home for home in HOMES if home.in_ldap)
    slapd = find_slapd()
    if slapd is None:
        return None, f"slapd is not installed, so {home.name} keeps its people in the embedded directory."
    authority = demo_authority(layout)
    directory = DemoDirectory(slapd, home, layout.directory(home.key) / "ldap", layout.ldap_port, authority)
    try:
        directory.write(now)
    except Unavailable as problem:
        return (
            None,
            f"slapd can't be used ({problem.found}), so {home.name} keeps its people in the embedded directory.",
        )
    return directory, ""


@dataclass(frozen=True, slots=True)
class DemoDirectory:
    """The directory of one home. ``directory`` holds all of its files; ``authority`` signs its certificate."""

    slapd: Slapd
    home: DemoHome
    directory: Path
    port: int
    authority: DemoAuthority

    @property
    def url(self) -> str:
        return f"ldap://{HOST}:{self.port}"

    @property
    def suffix(self) -> str:
        return ",".join(f"dc={label}" for label in self.home.scope.split("."))

    @property
    def people_dn(self) -> str:
        return f"ou=people,{self.suffix}"

    @property
    def reader_dn(self) -> str:
        """The account with which the home organisation searches."""
        return f"cn=ostiary,ou=services,{self.suffix}"

    @property
    def decoy_dn(self) -> str:
        """An entry with a password that nobody knows."""
        return f"cn=nobody,ou=services,{self.suffix}"

    @property
    def administrator_dn(self) -> str:
        return f"cn=administrator,{self.suffix}"

    @property
    def certificate(self) -> CertificateFiles:
        return CertificateFiles(self.directory / "server.crt", self.directory / "server.key")

    @property
    def reader_password(self) -> Path:
        return self.directory / "reader.password"

    @property
    def administrator_password(self) -> Path:
        return self.directory / "administrator.password"

    def command(self) -> tuple[str, ...]:
        """What runs it in the foreground, telling its log what it is asked."""
        return (str(self.slapd.program), "-F", str(self._configuration), "-h", self.url, "-d", "stats")

    def write(self, now: datetime) -> None:
        """Writes all its files, the people only when there are none yet.

        Raises `Unavailable` (``demo.slapd``) when slapd's own tool refuses, perhaps because the system confines it elsewhere.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        for file in (self.reader_password, self.administrator_password):
            if not file.exists():
                write_private_file(file, secrets.token_urlsafe(24).encode())
        self.authority.prepare(now=now)
        self.authority.issue(self.certificate, HOST, now=now, hosts=(HOST, "localhost"))
        self._write_configuration(self._data)
        if not (self._data / "data.mdb").exists():
            self._write_people()

    def settings(self) -> dict[str, object]:
        """The content of ``ldap.yaml``."""
        return {
            "servers": [self.url],
            "start_tls": True,
            "ca_file": str(self.authority.certificate),
            "bind_dn": self.reader_dn,
            "password_file": str(self.reader_password),
            "base_dn": self.people_dn,
            "active_filter": "(!(employeeType=left))",
            "remember": "5s",
        }

    @property
    def _configuration(self) -> Path:
        return self.directory / "config"

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _write_configuration(self, data: Path) -> None:
        shutil.rmtree(self._configuration, ignore_errors=True)
        self._configuration.mkdir(mode=0o700)
        data.mkdir(mode=0o700, exist_ok=True)
        self._add(0, _configuration(self, data))

    def _write_people(self) -> None:
        """Beside its place first: what is there is complete."""
        unfinished = self.directory / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._write_configuration(unfinished)
        self._add(1, _people(self))
        shutil.rmtree(self._data, ignore_errors=True)
        unfinished.rename(self._data)
        self._write_configuration(self._data)

    def _add(self, database: int, ldif: str) -> None:
        """slapd as its tool slapadd; the directory is not running yet."""
        command = [str(self.slapd.program), "-Tadd", "-n", str(database), "-F", str(self._configuration)]
        try:
            finished = subprocess.run(  # noqa: S603 - the program that was found, with paths of ours
                command, input=ldif.encode(), capture_output=True, timeout=_TOOL_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable("demo.slapd", expected="slapadd", found=error) from error
        if finished.returncode:
            found = finished.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
            raise Unavailable("demo.slapd", expected="slapadd", found=found[0])


def _configuration(directory: DemoDirectory, data: Path) -> str:
    """cn=config: TLS for everything, nobody in particular may do nothing, the reader reads, people may only prove their password."""
    people, reader = directory.people_dn, directory.reader_dn
    parts: list[list[tuple[str, str]]] = [
        [
            ("dn", "cn=config"),
            ("objectClass", "olcGlobal"),
            ("cn", "config"),
            ("olcPidFile", str(directory.directory / "slapd.pid")),
            ("olcTLSCACertificateFile", str(directory.authority.certificate)),
            ("olcTLSCertificateFile", str(directory.certificate.certificate)),
            ("olcTLSCertificateKeyFile", str(directory.certificate.key)),
            ("olcSecurity", "ssf=128"),
            ("olcDisallows", "bind_anon"),
            ("olcThreads", "4"),
        ]
    ]
    if directory.slapd.modules is not None:
        parts.append(
            [
                ("dn", "cn=module,cn=config"),
                ("objectClass", "olcModuleList"),
                ("cn", "module"),
                ("olcModulePath", str(directory.slapd.modules)),
                ("olcModuleLoad", "back_mdb"),
            ]
        )
    parts.append([("dn", "cn=schema,cn=config"), ("objectClass", "olcSchemaConfig"), ("cn", "schema")])
    schemas = [*(directory.slapd.schemas / f"{name}.ldif" for name in ("core", "cosine", "inetorgperson"))]
    included = [f"include: {path.as_uri()}\n" for path in (*schemas, _DOCUMENTS / "eduperson.ldif")]
    databases: list[list[tuple[str, str]]] = [
        [
            ("dn", "olcDatabase=config,cn=config"),
            ("objectClass", "olcDatabaseConfig"),
            ("olcDatabase", "config"),
            ("olcAccess", "to * by * none"),
        ],
        [
            ("dn", "olcDatabase=mdb,cn=config"),
            ("objectClass", "olcMdbConfig"),
            ("olcDatabase", "mdb"),
            ("olcDbDirectory", str(data)),
            ("olcDbMaxSize", str(64 * 1024 * 1024)),
            ("olcSuffix", directory.suffix),
            ("olcRootDN", directory.administrator_dn),
            ("olcRootPW", _ssha(directory.administrator_password.read_text())),
            ("olcDbIndex", "objectClass,uid,entryUUID eq"),
            ("olcAccess", "to attrs=userPassword by anonymous auth by * none"),
            ("olcAccess", f'to dn.subtree="{people}" by dn.exact="{reader}" read by * none'),
            ("olcAccess", "to * by * none"),
        ],
    ]
    return "\n".join([_ldif(parts), *included, _ldif(databases)])


def _people(directory: DemoDirectory) -> str:
    suffix, home = directory.suffix, directory.home
    parts: list[list[tuple[str, str]]] = [
        [
            ("dn", suffix),
            ("objectClass", "organization"),
            ("objectClass", "dcObject"),
            ("o", home.name),
            ("dc", home.scope.partition(".")[0]),
        ],
        *(
            [("dn", f"ou={name},{suffix}"), ("objectClass", "organizationalUnit"), ("ou", name)]
            for name in ("people", "services")
        ),
        _account(directory.reader_dn, "ostiary", directory.reader_password.read_text()),
        _account(directory.decoy_dn, "nobody", secrets.token_urlsafe(24)),
        *(_person(directory, person) for person in home.people),
    ]
    return _ldif(parts)


def _account(dn: str, name: str, password: str) -> list[tuple[str, str]]:
    return [
        ("dn", dn),
        ("objectClass", "organizationalRole"),
        ("objectClass", "simpleSecurityObject"),
        ("cn", name),
        ("userPassword", _ssha(password)),
    ]


def _person(directory: DemoDirectory, person: DemoPerson) -> list[tuple[str, str]]:
    name = person.attributes["displayName"][0]
    return [
        ("dn", child("uid", person.username, directory.people_dn)),
        ("objectClass", "inetOrgPerson"),
        ("objectClass", "eduPerson"),
        ("uid", person.username),
        ("cn", name),
        ("sn", name.rpartition(" ")[2]),
        ("userPassword", _ssha(person.password)),
        *((attribute, value) for attribute, values in person.attributes.items() for value in values),
    ]


def _ldif(entries: list[list[tuple[str, str]]]) -> str:
    """RFC 2849. Values are in base64 where they need not be, too: then none can be mistaken for anything else."""
    return "\n".join(
        "".join(
            f"{name}: {value}\n" if name == "dn" and value.isascii() else f"{name}:: {_base64(value.encode())}\n"
            for name, value in entry
        )
        for entry in entries
    )


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _ssha(password: str) -> str:
    """Salted SHA-1: every slapd has it, and the passwords of a demo are printed anyway (the others are random)."""
    salt = secrets.token_bytes(16)
    return "{SSHA}" + _base64(hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest() + salt)
