"""An identity provider made with pysaml2 and the xmlsec1 program, over HTTP: it logs in everybody who comes, as one person."""

import html
import warnings
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_TRANSIENT

from ostiary.federation.keys import create_key_ring
from tests.interop.own_resource import OverHttp

with warnings.catch_warnings():
    # It uses a part of cryptography that is going away.
    warnings.simplefilter("ignore")
    from saml2.server import Server

ENTITY_ID: Final = "https://pysaml2.example/idp"
PERSON: Final = {
    "eduPersonScopedAffiliation": ["member@pysaml2.example", "staff@elsewhere.example"],
    "displayName": ["Áda Lovelace"],
}
SHA256: Final = {
    "sign_alg": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "digest_alg": "http://www.w3.org/2001/04/xmlenc#sha256",
}


class Pysaml2Home:
    """``answering`` are further arguments for pysaml2's ``create_authn_response``."""

    def __init__(self, directory: Path, sp_metadata: bytes) -> None:
        self.http = OverHttp("localhost")
        self.answering: dict[str, Any] = {}
        directory.mkdir()
        create_key_ring(directory / "keys", "pysaml2", now=datetime.now(UTC))
        (directory / "sp.xml").write_bytes(sp_metadata)
        self._content: dict[str, Any] = {
            "entityid": ENTITY_ID,
            "xmlsec_binary": "/usr/bin/xmlsec1",
            "key_file": str(directory / "keys" / "current.key"),
            "cert_file": str(directory / "keys" / "current.crt"),
            "metadata": {"local": [str(directory / "sp.xml")]},
            "service": {
                "idp": {
                    "endpoints": {"single_sign_on_service": [(f"{self.http.url}/sso", BINDING_HTTP_REDIRECT)]},
                    "name_id_format": [NAMEID_FORMAT_TRANSIENT],
                    "scope": ["pysaml2.example"],
                    "want_authn_requests_signed": True,
                    "policy": {"default": {"name_form": "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"}},
                }
            },
        }
        self.metadata = str(entity_descriptor(IdPConfig().load(self._content))).encode()
        self._server = Server(config=IdPConfig().load(self._content))
        self.http.start(self._answer)

    def stop(self) -> None:
        self.http.stop()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        asked = self._server.parse_authn_request(
            query["SAMLRequest"],
            BINDING_HTTP_REDIRECT,
            relay_state=query.get("RelayState"),
            sigalg=query["SigAlg"],
            signature=query["Signature"],
        )
        where = self._server.response_args(asked.message)
        response = self._server.create_authn_response(
            PERSON,
            userid="ada",
            authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": ENTITY_ID},
            in_response_to=where["in_response_to"],
            destination=where["destination"],
            sp_entity_id=where["sp_entity_id"],
            name_id_policy=where["name_id_policy"],
            **SHA256,
            **{"sign_response": True, "sign_assertion": True, **self.answering},
        )
        form = self._server.apply_binding(BINDING_HTTP_POST, str(response), where["destination"], "", response=True)
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        page = form["data"]
        return [page.encode() if isinstance(page, str) else html.unescape(str(page)).encode()]
