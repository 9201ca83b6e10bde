"""The one name by which policies know an attribute, however a document writes it."""

from ostiary.saml.attribute_names import friendly_name
from ostiary.saml.names import URI_NAME


def friendly(name: str) -> str:
    """The friendly name of an OID or URI that a standard gives an attribute: whoever writes a policy may use either, and a denial under one
    name must not leave out the other."""
    return friendly_name(name, URI_NAME) if ":" in name else name
