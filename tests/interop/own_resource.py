"""A resource of ours over HTTP, in this very process, that trusts one home organisation of another maker."""

import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from cryptography.hazmat.primitives import serialization

from ostiary.config import load_settings, write_private_file
from ostiary.federation.keys import load_key_ring, self_signed
from ostiary.federation.publish.documents import unsigned_entity
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.assembly import make_shire
from sp_shire.metadata import sp_entity
from sp_shire.settings import ShireSettings
from tests.saml.world import NOW, private_key

ENTITY_ID: Final = "https://resource.example/shar"
ACCEPTANCE: Final = Path(__file__).parents[2] / "policies" / "acceptance" / "default.yaml"
ACCESS: Final = """\
rules:
  - id: everybody-who-signed-in
    paths: /
    permit: {authenticated: true}
"""

Wsgi = Callable[..., Iterable[bytes]]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None: ...


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False


class OverHttp:
    """Serves an application on loopback until it is stopped. The port is known before there is an application."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._server = _Threads(("127.0.0.1", 0), _Quiet)
        self.url = f"http://{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def start(self, application: Wsgi) -> None:
        self._server.set_app(application)
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class OwnResource:
    """``metadata`` is there from the beginning, for the home organisation; `trust` starts the resource."""

    def __init__(self, directory: Path, *, identity_provider: str, **changes: Any) -> None:
        self.http = OverHttp()
        self.url = self.http.url
        self._directory = directory
        keys = directory / "keys"
        keys.mkdir(parents=True)
        for prefix in ("", "encryption-"):
            key = private_key("rsa", f"resource {prefix}")
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            (keys / f"{prefix}current.crt").write_bytes(self_signed(key, "resource.example", now=NOW))
            write_private_file(keys / f"{prefix}current.key", pem)
        (directory / "access.yaml").write_text(ACCESS)
        (directory / "idp.xml").touch()
        settings = {
            "entity_id": ENTITY_ID,
            "public_url": self.url,
            "display": {"name": "A resource"},
            "trust": {"keys": "keys", "metadata": [{"file": "idp.xml", "allow_unsigned_local_file": True}]},
            "identity_provider": identity_provider,
            "accept": [str(ACCEPTANCE)],
            "access": ["access.yaml"],
            "attributes_from": "response",
            "show_attribute_values": True,
            **changes,
        }
        self._config = directory / "sp.yaml"
        self._config.write_text(json.dumps(settings))
        loaded = load_settings(self._config, ShireSettings)
        self.metadata = unsigned_entity(sp_entity(loaded, load_key_ring(loaded.trust.keys)))

    def trust(self, idp_metadata: bytes) -> None:
        """Starts with this home organisation's metadata."""
        (self._directory / "idp.xml").write_bytes(idp_metadata)
        self.http.start(ShireMiddleware(_application, make_shire(self._config)))

    def stop(self) -> None:
        self.http.stop()


def _application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"inside"]
