"""docker/compose.yaml as data, in the order in which its services may start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker" / "compose.yaml"
ENTRYPOINT = ("ostiary",)


@dataclass(frozen=True)
class ComposeService:
    """``content`` is what the file says of it, anchors resolved; ``needs`` maps other services to the condition that they must meet."""

    name: str
    content: dict[str, Any]

    @property
    def is_ours(self) -> bool:
        return "build" in self.content

    @property
    def command(self) -> tuple[str, ...]:
        """Entry point and command together, as they are executed."""
        entrypoint = self.content.get("entrypoint", ENTRYPOINT if self.is_ours else ())
        return tuple(word.replace("$$", "$") for word in (*entrypoint, *self.content["command"]))

    @property
    def health(self) -> tuple[str, ...] | None:
        if "healthcheck" not in self.content:
            return None
        kind, *command = self.content["healthcheck"]["test"]
        if kind != "CMD":
            raise RuntimeError(f"{self.name}: a health check without shell is wanted")
        return tuple(command)

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.content.get("environment", {}))

    @property
    def needs(self) -> dict[str, str]:
        found = {name: wanted["condition"] for name, wanted in self.content.get("depends_on", {}).items()}
        kind, _, shared = self.content.get("network_mode", "").partition(":")
        return {shared: "service_started", **found} if kind == "service" else found

    @property
    def ends(self) -> bool:
        return bool(self.content.get("restart") == "no")

    @property
    def volumes(self) -> dict[str, tuple[str, bool]]:
        """Volume by name: where it is, and whether it may be written."""
        parts = [text.split(":") for text in self.content.get("volumes", [])]
        return {name: (place, mode != ["ro"]) for name, place, *mode in parts}


def read_services() -> dict[str, ComposeService]:
    """All services, each after those that it needs."""
    content = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    services = {name: ComposeService(name, service) for name, service in content.items()}
    ordered: dict[str, ComposeService] = {}
    while len(ordered) < len(services):
        ready = [name for name in services if name not in ordered and services[name].needs.keys() <= ordered.keys()]
        if not ready:
            raise RuntimeError(f"these wait for each other, or for nobody: {services.keys() - ordered.keys()}")
        ordered |= {name: services[name] for name in ready}
    return ordered
