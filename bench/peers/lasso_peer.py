"""lasso (Debian's python3-lasso): an IdP that builds the doubly signed Response, an SP that accepts it. Standard library besides."""

import base64
import sys
from pathlib import Path

import lasso
from lasso_attributes import attribute
from task import load
from timing import must_be_signed_twice, must_refuse, report

task = load(Path(sys.argv[1]))


def server(own_metadata, other_metadata, role):
    found = lasso.Server(str(own_metadata), str(task.key), None, str(task.certificate))
    found.signatureMethod = lasso.SIGNATURE_METHOD_RSA_SHA256
    found.addProvider(role, str(other_metadata))
    return found


def build():
    idp = server(task.idp_metadata, task.sp_metadata, lasso.PROVIDER_ROLE_SP)

    def once():
        login = lasso.Login(idp)
        login.signatureHint = lasso.PROFILE_SIGNATURE_HINT_FORCE
        login.initIdpInitiatedAuthnRequest(task.sp)
        login.request.nameIDPolicy.format = task.nameid_format
        login.request.nameIDPolicy.allowCreate = True
        login.request.protocolBinding = lasso.SAML2_METADATA_BINDING_POST
        login.processAuthnRequestMsg(None)
        login.validateRequestMsg(True, True)
        login.buildAssertion(task.context, task.instant, task.instant, task.instant, task.end)
        assertion = login.assertion
        assertion.subject.nameID.content = task.handle
        statement = lasso.Saml2AttributeStatement()
        statement.attribute = tuple(attribute(wire, values) for wire, values in task.wire_attributes)
        assertion.attributeStatement = (statement,)
        login.buildAuthnResponseMsg()
        return login.msgBody

    must_be_signed_twice(base64.b64decode(once()))
    return once


def accept():
    sp = server(task.sp_metadata, task.idp_metadata, lasso.PROVIDER_ROLE_IDP)

    def once(message=task.response):
        login = lasso.Login(sp)
        login.signatureVerifyHint = lasso.PROFILE_SIGNATURE_VERIFY_HINT_FORCE
        login.processAuthnResponseMsg(message)
        login.acceptSso()
        if len(login.assertion.attributeStatement[0].attribute) != task.number_of_attributes:
            raise RuntimeError("not all attributes arrived")

    must_refuse(once, task.broken)
    return once


report({"build": build, "accept": accept}, task.seconds)
