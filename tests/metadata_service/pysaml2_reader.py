"""pysaml2 as a reader of metadata that has nothing in common with ours."""

import sys

from saml2.attribute_converter import ac_factory
from saml2.config import Config
from saml2.mdstore import MetadataStore


def store(xmlsec1: str | None = None) -> MetadataStore:
    """An empty one. Where it is given a certificate it verifies, with the ``xmlsec1`` command; without one it still wants a program that is
    there, so it gets one that verifies nothing."""
    config = Config()
    config.load({"entityid": "urn:reader", "xmlsec_binary": xmlsec1 or sys.executable, "service": {}})
    return MetadataStore(ac_factory(), config)
