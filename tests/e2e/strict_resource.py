"""A resource with all that those of the demo leave out: people choose at the resource itself where they are from, it needs more than
anybody tells, asks an authority that does not answer, some of its sessions end soon, and it is a reverse proxy before an application."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from ostiary.command.demo.federation import write_aggregate
from ostiary.command.demo.layout import RESOURCES, Layout
from ostiary.command.demo.people import SOUTHBANK
from ostiary.documents import policies
from ostiary.saml.names import REFEDS_MFA
from tests.simulator import configure

LIBRARY, INSTRUMENT = RESOURCES
LONGEST_FORM = 1000

_ACCESS: dict[str, Any] = {
    "rules": [
        {
            "id": "signed in",
            "paths": ["/library", "/thesis", "/reading-room", "/catalogue"],
            "permit": {"authenticated": True},
        },
        {
            "id": "vault",
            "paths": "/library/vault",
            "permit": {"authn_context": REFEDS_MFA},
            "because": "What lies in the vault is shown to those who proved by two things who they are.",
        },
        {
            "id": "laboratory",
            "paths": "/library/laboratory",
            "permit": {
                "all": [
                    {"attribute": "eduPersonScopedAffiliation", "left": "member"},
                    {"fqan": "/microscopy/imaging/Role=operator"},
                    {"issuer": SOUTHBANK.entity_id},
                    {"not": {"attribute": "eduPersonScopedAffiliation", "left": "alum"}},
                    {"network": "203.0.113.0/24"},
                    {"when": {"dates": {"from": "2020-03-01", "to": "2020-03-06"}, "time_zone": "Europe/Vienna"}},
                ]
            },
        },
    ]
}
_THESIS: dict[str, Any] = {
    "required": [
        {"any": ["subject-id", "eduPersonOrcid"], "because": "Your thesis is kept under it."},
        {"any": "mail"},
    ]
}
_PAGE = f"""<!doctype html><html lang="en"><title>Notes</title><h1>Notes</h1>
<form method="post" action="/library/notes"><input name="title" value="On doors"><button id="short">Send</button></form>
<form method="post" action="/library/notes"><input name="title" value="{"On doors " * LONGEST_FORM}"><button id="long">Send</button></form>
"""


@dataclass(frozen=True)
class StrictResource:
    """``url`` without a slash at its end; ``access`` is the file of its access rules, which it reads again when it changes."""

    url: str
    access: Path


class Application(BaseHTTPRequestHandler):
    """What stands behind the resource: the same page everywhere, and no answer at all at ``/broken``."""

    def do_GET(self) -> None:
        if self.path == "/broken":
            return
        body = _PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def configure_resource(layout: Layout) -> None:
    """Changes the library, and tells the federation so."""
    directory = layout.directory(LIBRARY.key)
    for name, content in (("access", _ACCESS), ("thesis", _THESIS)):
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(content))
    default = str(policies() / "acceptance" / "default.yaml")
    configure(
        directory / "sp.yaml",
        discovery_url=None,
        discovery="embedded",
        access=["access.yaml"],
        login={"keep_posted_forms": LONGEST_FORM},
        # Whose Attribute Authority does not run.
        aggregation=[{"authority": SOUTHBANK.entity_id, "subject": "handle", "attributes": ["isMemberOf"]}],
        applications=[
            {"name": "thesis", "path": "/thesis", "accept": [default, "thesis.yaml"]},
            {"name": "reading-room", "path": "/reading-room", "sessions": {"lifetime": "20s"}},
            {"name": "catalogue", "path": "/catalogue", "sessions": {"idle": "20s"}},
        ],
    )
    write_aggregate(layout, [], datetime.now(UTC))


def resource_command(layout: Layout) -> list[str]:
    """What follows ``ostiary``."""
    config = str(layout.directory(LIBRARY.key) / "sp.yaml")
    ports = [str(layout.resource_port(resource)) for resource in (LIBRARY, INSTRUMENT)]
    return ["serve", "proxy", "--config", config, "--port", ports[0], "--to", f"http://127.0.0.1:{ports[1]}"]


@contextmanager
def application(layout: Layout) -> Iterator[StrictResource]:
    """Runs what stands behind the resource."""
    with ThreadingHTTPServer(("127.0.0.1", layout.resource_port(INSTRUMENT)), Application) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield StrictResource(layout.resource_url(LIBRARY), layout.directory(LIBRARY.key) / "access.yaml")
        finally:
            server.shutdown()
