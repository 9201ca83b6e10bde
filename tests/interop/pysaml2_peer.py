"""A service provider made with pysaml2 and the xmlsec1 program: code that shares nothing with ours but the standard."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saml2 import BINDING_HTTP_POST
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.metadata import entity_descriptor

from ostiary.federation.keys import create_key_ring

ENTITY_ID = "https://pysaml2.example/sp"
ACS = "http://127.0.0.1:9/acs"


class Pysaml2ServiceProvider:
    """Signs its requests, wants Response and assertion signed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        create_key_ring(directory / "keys", "pysaml2", now=datetime.now(UTC))
        self.metadata_file = directory / "sp.xml"
        self.metadata_file.write_text(str(entity_descriptor(self._config())))

    def _config(self, idp_metadata: Path | None = None) -> SPConfig:
        content: dict[str, Any] = {
            "entityid": ENTITY_ID,
            "xmlsec_binary": "/usr/bin/xmlsec1",
            "key_file": str(self._directory / "keys" / "current.key"),
            "cert_file": str(self._directory / "keys" / "current.crt"),
            "allow_unknown_attributes": True,
            "service": {
                "sp": {
                    "endpoints": {"assertion_consumer_service": [(ACS, BINDING_HTTP_POST)]},
                    "authn_requests_signed": True,
                    "want_response_signed": True,
                    "want_assertions_signed": True,
                    "allow_unsolicited": False,
                    # Unless told so it signs with SHA-1, which our side refuses.
                    "signing_algorithm": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                    "digest_algorithm": "http://www.w3.org/2001/04/xmlenc#sha256",
                }
            },
        }
        if idp_metadata is not None:
            content["metadata"] = {"local": [str(idp_metadata)]}
        return SPConfig().load(content)

    def client(self, idp_metadata: bytes) -> Saml2Client:
        """A client that trusts this metadata document."""
        path = self._directory / "idp.xml"
        path.write_bytes(idp_metadata)
        return Saml2Client(config=self._config(path))
