"""Where the parts of the demo federation stand: ports, public URLs, and files below the state directory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ostiary.command.demo.applications import DemoResource
from ostiary.command.demo.people import HOMES, INSTRUMENT, LIBRARY, DemoHome
from ostiary.federation.keys import PUBLISHED

FEDERATION_NAME: Final = "https://federation.example/metadata"
LOOPBACK: Final = "127.0.0.1"

RESOURCES: Final = (
    DemoResource(
        "library",
        LIBRARY,
        "The Common Library",
        "Journals and books for the members of all participating universities.",
        ("eduPersonScopedAffiliation",),
        group="Books and journals",
    ),
    DemoResource(
        "instrument",
        INSTRUMENT,
        "Collaboratory Microscope",
        "An electron microscope that several organisations operate together, over the network.",
        ("eduPersonEntitlement", "isMemberOf", "displayName", "mail", "eduPersonScopedAffiliation"),
        group="Laboratories",
        asks_on_its_page=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Services listen on ``base_port`` and those after it. Homes and the WAYF are reached as ``localhost``, resources as ``127.0.0.1``,
    so that every login crosses two sites.

    ``host``: the address on which those listen that browsers and clients reach. ``postgresql``: HOST:PORT of a server that holds a database
    for each part that keeps something; None for files below the state directory.
    """

    state: Path
    base_port: int
    host: str = LOOPBACK
    postgresql: str | None = None

    def directory(self, part: str) -> Path:
        """The files of one part: ``federation``, ``wayf``, a home's or a resource's key."""
        return self.state / part

    def listen(self, port: int) -> dict[str, Any]:
        """The content of the key ``listen`` of a service on ``port``."""
        return {"host": self.host, "port": port}

    def database(self, part: str, file: str) -> dict[str, str]:
        """The content of the key ``database`` of a part: ``file`` in its directory, or the database of its name at the server."""
        if self.postgresql is None:
            return {"url": f"sqlite:///{self.directory(part) / file}"}
        url = f"postgresql+psycopg://{part}@{self.postgresql}/{part}"
        return {"url": url, "password_file": str(self.database_password(part))}

    def database_password(self, part: str) -> Path:
        """The password with which a part opens its database at the server."""
        return self.directory(part) / "database.password"

    @property
    def wayf_port(self) -> int:
        return self.base_port

    @property
    def wayf_url(self) -> str:
        return f"http://localhost:{self.wayf_port}"

    def idp_port(self, home: DemoHome) -> int:
        return self.base_port + 1 + 2 * HOMES.index(home)

    def idp_url(self, home: DemoHome) -> str:
        return f"http://localhost:{self.idp_port(home)}"

    def aa_port(self, home: DemoHome) -> int:
        return self.idp_port(home) + 1

    def aa_url(self, home: DemoHome) -> str:
        return f"http://localhost:{self.aa_port(home)}"

    def resource_port(self, resource: DemoResource) -> int:
        return self.base_port + 1 + 2 * len(HOMES) + RESOURCES.index(resource)

    def resource_url(self, resource: DemoResource) -> str:
        return f"http://127.0.0.1:{self.resource_port(resource)}"

    @property
    def voms_port(self) -> int:
        """The VO service, which speaks TLS."""
        return self.base_port + 1 + 2 * len(HOMES) + len(RESOURCES)

    @property
    def ldap_port(self) -> int:
        """The directory of the home that keeps its people in one."""
        return self.voms_port + 1

    @property
    def vo_pages_port(self) -> int:
        """The VO's pages, for people who log in at home."""
        return self.ldap_port + 1

    @property
    def vo_pages_url(self) -> str:
        return f"http://{LOOPBACK}:{self.vo_pages_port}"

    def ports(self) -> tuple[int, ...]:
        """Every port that the demo listens on."""
        homes = [port for home in HOMES for port in (self.idp_port(home), self.aa_port(home))]
        resources = [self.resource_port(resource) for resource in RESOURCES]
        return (self.wayf_port, *homes, *resources, self.voms_port, self.ldap_port, self.vo_pages_port)

    @property
    def aggregate(self) -> Path:
        """The signed metadata of the federation."""
        return self.directory("federation") / "metadata.xml"

    @property
    def federation_certificate(self) -> Path:
        """The key that signs the federation's metadata."""
        return self.directory("federation") / "keys" / "current.crt"

    @property
    def federation_certificates(self) -> Path:
        """What everybody trusts metadata by: all keys that may sign it, while they change as well."""
        return self.directory("federation") / "keys" / PUBLISHED
