"""Our discovery service answers metadata queries, and our client asks it."""

import socket
from http.client import HTTPMessage, parse_headers
from io import BytesIO
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ostiary.saml.keys import Signer
from tests.metadata_on_demand.query_server import name_in
from tests.metadata_sources.servers_that_misbehave import reply, serving
from tests.metadata_sources.trusting import Clock, Service
from tests.signers import make_signer
from tests.wayf.conftest import NOW, UTRECHT, Wayf


def headers_in(head: str) -> HTTPMessage:
    return parse_headers(BytesIO(head.partition("\r\n")[2].encode()))


def test_our_client_takes_what_our_server_answers(tmp_path: Path) -> None:
    signer: Signer = make_signer("wayf")
    wayf = Wayf(signer, tmp_path)
    statuses: list[int] = []

    def answer(connection: socket.socket, head: str) -> None:
        asked = {
            name: value for name, value in headers_in(head).items() if name in ("If-None-Match", "Accept-Encoding")
        }
        found = wayf.get(head.split(" ", 2)[1], asked)
        statuses.append(found.status_code)
        told = {"ETag": found.headers["ETag"]} if "ETag" in found.headers else {}
        told |= {"Content-Encoding": found.headers["Content-Encoding"]} if "Content-Encoding" in found.headers else {}
        reply(found.status, found.data, **told)(connection, head)

    certificate = x509.load_der_x509_certificate(signer.certificate).public_bytes(serialization.Encoding.PEM)
    (tmp_path / "wayf.crt").write_bytes(certificate)
    clock = Clock(NOW)
    with serving(answer) as server:
        source = {"mdq": f"http://127.0.0.1:{server.port}/mdq", "trusted_certificates": ["wayf.crt"]}
        metadata = Service(tmp_path, [source], clock).open()
        for _ in range(2):
            found = metadata.registry().get(UTRECHT, clock.now())
            assert found is not None
            assert found.name("nl") == "Universiteit Utrecht"
            assert metadata.registry().get("https://nobody.example", clock.now()) is None
        assert [name_in(head) for head in server.asked] == [UTRECHT, "https://nobody.example"]
        assert statuses == [200, 404]
        metadata.close()
