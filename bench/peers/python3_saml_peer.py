"""python3-saml: an SP that accepts the doubly signed Response. It is made for service providers only and builds none."""

import sys
from pathlib import Path

from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from task import load
from timing import must_refuse, report

task = load(Path(sys.argv[1]))


def accept():
    settings = OneLogin_Saml2_Settings(
        {
            "strict": True,
            "sp": {
                "entityId": task.sp,
                "assertionConsumerService": {"url": task.acs},
                "x509cert": "",
                "privateKey": "",
            },
            "idp": {
                "entityId": task.idp,
                "singleSignOnService": {"url": task.idp},
                "x509cert": task.certificate.read_text(),
            },
            "security": {"wantMessagesSigned": True, "wantAssertionsSigned": True, "wantXMLValidation": True},
        }
    )
    where = task.acs.removeprefix("https://").partition("/")
    request = {"https": "on", "http_host": where[0], "script_name": "/" + where[2], "get_data": {}, "post_data": {}}

    def once(message=task.response):
        received = OneLogin_Saml2_Response(settings, message)
        if not received.is_valid(request, task.request):
            raise RuntimeError(received.get_error())
        if len(received.get_attributes()) != task.number_of_attributes:
            raise RuntimeError("not all attributes arrived")

    must_refuse(once, task.broken)
    return once


report({"accept": accept}, task.seconds)
