"""pysaml2: an IdP that builds the doubly signed Response, an SP that accepts it. It signs and verifies with the xmlsec1 program."""

import sys
from pathlib import Path

from saml2 import BINDING_HTTP_POST
from saml2.client import Saml2Client
from saml2.config import IdPConfig, SPConfig
from saml2.saml import NAMEID_FORMAT_TRANSIENT, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256
from task import load
from timing import must_be_signed_twice, must_refuse, report

task = load(Path(sys.argv[1]))
COMMON = {
    "xmlsec_binary": "/usr/bin/xmlsec1",
    "key_file": str(task.key),
    "cert_file": str(task.certificate),
    "allow_unknown_attributes": True,
}


def build():
    service = {
        "idp": {
            "endpoints": {"single_sign_on_service": [(task.idp, BINDING_HTTP_POST)]},
            "policy": {
                "default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None, "name_form": task.name_format}
            },
        }
    }
    config = {**COMMON, "entityid": task.idp, "service": service, "metadata": {"local": [str(task.sp_metadata)]}}
    server = Server(config=IdPConfig().load(config))
    name_id = NameID(
        format=NAMEID_FORMAT_TRANSIENT, name_qualifier=task.idp, sp_name_qualifier=task.sp, text=task.handle
    )
    authn = {"class_ref": task.context, "authn_auth": task.idp}

    def once():
        return str(
            server.create_authn_response(
                identity=dict(task.attributes),
                in_response_to=task.request,
                destination=task.acs,
                sp_entity_id=task.sp,
                name_id=name_id,
                authn=authn,
                sign_response=True,
                sign_assertion=True,
                sign_alg=SIG_RSA_SHA256,
                digest_alg=DIGEST_SHA256,
            )
        )

    must_be_signed_twice(once().encode())
    return once


def accept():
    service = {
        "sp": {
            "endpoints": {"assertion_consumer_service": [(task.acs, BINDING_HTTP_POST)]},
            "want_response_signed": True,
            "want_assertions_signed": True,
        }
    }
    config = {**COMMON, "entityid": task.sp, "service": service, "metadata": {"local": [str(task.idp_metadata)]}}
    client = Saml2Client(config=SPConfig().load(config))

    def once(message=task.response):
        received = client.parse_authn_request_response(message, BINDING_HTTP_POST, outstanding={task.request: "/"})
        if len(received.ava) != task.number_of_attributes:
            raise RuntimeError("not all attributes arrived")

    must_refuse(once, task.broken)
    return once


report({"build": build, "accept": accept}, task.seconds)
