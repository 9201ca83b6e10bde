"""pysaml2 as a reader of metadata that has nothing in common with ours."""

from saml2.attribute_converter import ac_factory
from saml2.config import Config
from saml2.mdstore import MetadataStore


def store() -> MetadataStore:
    """An empty one. Where it is given a certificate it verifies, with the xmlsec1 command."""
    config = Config()
    config.load({"entityid": "urn:reader", "xmlsec_binary": "/usr/bin/xmlsec1", "service": {}})
    return MetadataStore(ac_factory(), config)
