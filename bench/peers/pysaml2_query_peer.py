"""pysaml2: an SP that asks for attributes and an Attribute Authority that answers, in one process and without HTTP. Both messages are
signed and both are verified, with the xmlsec1 program."""

import sys
from pathlib import Path

from saml2 import BINDING_SOAP
from saml2.client import Saml2Client
from saml2.config import Config, SPConfig
from saml2.metadata import create_metadata_string
from saml2.saml import NAMEID_FORMAT_TRANSIENT, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256
from timing import must_refuse, report

DIRECTORY = Path(sys.argv[1])
AUTHORITY, RESOURCE = "https://authority.example/aa", "https://resource.example/sp"
ENDPOINT = "https://authority.example/aa/soap"
ATTRIBUTES = {
    "displayName": ["Ada Abel"],
    "mail": ["ada@northgate.example"],
    "eduPersonScopedAffiliation": ["member@northgate.example"],
    "eduPersonEntitlement": ["urn:x-ostiary:demo:instrument:operate"],
}
COMMON = {
    "xmlsec_binary": "/usr/bin/xmlsec1",
    "key_file": str(DIRECTORY / "key.pem"),
    "cert_file": str(DIRECTORY / "certificate.pem"),
    "allow_unknown_attributes": True,
}
AA = {
    **COMMON,
    "entityid": AUTHORITY,
    "service": {"aa": {"endpoints": {"attribute_service": [(ENDPOINT, BINDING_SOAP)]}, "policy": {"default": {}}}},
}
SP = {
    **COMMON,
    "entityid": RESOURCE,
    "service": {
        "sp": {
            "endpoints": {"assertion_consumer_service": [("https://resource.example/acs", BINDING_SOAP)]},
            "want_response_signed": True,
            "want_assertions_signed": False,
        }
    },
}


def query():
    of_authority = create_metadata_string(None, Config().load(AA)).decode()
    of_resource = create_metadata_string(None, SPConfig().load(SP)).decode()
    authority = Server(config=Config().load({**AA, "metadata": {"inline": [of_resource]}}))
    resource = Saml2Client(config=SPConfig().load({**SP, "metadata": {"inline": [of_authority]}}))
    name_id = NameID(
        format=NAMEID_FORMAT_TRANSIENT, name_qualifier=AUTHORITY, sp_name_qualifier=RESOURCE, text="x" * 200
    )

    def answered(request):
        asked = authority.parse_attribute_query(request, BINDING_SOAP)
        return authority.create_attribute_response(
            ATTRIBUTES,
            in_response_to=asked.message.id,
            destination="",
            sp_entity_id=RESOURCE,
            name_id=name_id,
            sign_response=True,
            sign_alg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
        )

    def request():
        _, asked = resource.create_attribute_query(
            ENDPOINT, name_id, sign=True, sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256
        )
        return resource.apply_binding(BINDING_SOAP, str(asked), ENDPOINT)["data"]

    def answer(asked):
        return authority.apply_binding(BINDING_SOAP, str(answered(asked)), "", response=True)["data"]

    def believe(response):
        told = resource.parse_attribute_query_response(response, BINDING_SOAP)
        if len(told.ava) != len(ATTRIBUTES):
            raise RuntimeError("not all attributes arrived")

    asked = request()
    must_refuse(answer, [asked.replace("x" * 200, "y" * 200)])
    must_refuse(believe, [answer(asked).replace("Ada Abel", "Ada Abbot")])
    return lambda: believe(answer(request()))


report({"query": query}, 2.0)
