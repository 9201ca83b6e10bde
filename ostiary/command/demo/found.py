"""A demo found again by its state directory: who is in it, what it trusts, and which files belong to what. Starts nothing."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ostiary.command.demo.layout import RESOURCES, Layout
from ostiary.command.demo.people import HOMES, DemoHome, DemoPerson
from ostiary.config import load_document
from ostiary.errors import ConfigurationError, Refusal
from ostiary.federation.sources.files import MetadataFile


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo by its state directory."""

    layout: Layout

    def person(self, username: str) -> tuple[DemoHome, DemoPerson]:
        """Who has this user name, and where. Raises `Refusal` (``demo.no_such_person``)."""
        for home in HOMES:
            for person in home.people:
                if person.username == username:
                    return home, person
        known = ", ".join(person.username for home in HOMES for person in home.people)
        raise Refusal("demo.no_such_person", expected=known, found=username, known=known)

    def resource_config(self, url: str) -> Path | None:
        """The ``sp.yaml`` of the resource that this address belongs to."""
        parts = urlsplit(url)
        for resource in RESOURCES:
            if self.layout.resource_url(resource) == f"{parts.scheme}://{parts.netloc}":
                return self.layout.directory(resource.key) / "sp.yaml"
        return None

    def home_configs(self, home: DemoHome) -> tuple[Path, Path]:
        """``idp.yaml`` and ``aa.yaml`` of a home organisation."""
        directory = self.layout.directory(home.key)
        return directory / "idp.yaml", directory / "aa.yaml"

    def metadata(self) -> MetadataFile:
        """What everybody in the demo trusts."""
        return MetadataFile(self.layout.aggregate, (self.layout.federation_certificates,))


def find_demo(state: Path) -> Demo:
    """The demo whose files stand in ``state``. Raises `ConfigurationError` (``demo.no_state``)."""
    config = state.absolute() / "wayf" / "wayf.yaml"
    if not config.is_file():
        raise ConfigurationError("demo.no_state", file=state, expected="the state directory of a demo", found="none")
    listen = load_document(config).data.get("listen")
    port = listen.get("port") if isinstance(listen, dict) else None
    if not isinstance(port, int):
        raise ConfigurationError("demo.no_state", file=config, key="listen.port", expected="a port", found=port)
    return Demo(Layout(state.absolute(), port))
