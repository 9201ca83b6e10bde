"""For which attributes a query asks, and for which application domain. Pure; the query is proven, or anybody's."""

import functools
from typing import Final

from ostiary.attributes import Attribute, Attributes, make_value
from ostiary.errors import Refusal
from ostiary.federation.model import SpRole
from ostiary.policy.release.application_domain import domain_of_consumers
from ostiary.saml import names
from ostiary.saml.attribute_names import friendly_name, is_known, wire_name
from ostiary.saml.protocol import AttributeQuery
from ostiary.saml.xml import Element, child, qname

_ATTRIBUTE: Final = qname(names.SAML, "Attribute")
_SAML2_CONSUMERS: Final = frozenset(
    {names.HTTP_POST, names.HTTP_POST_SIMPLE_SIGN, names.HTTP_ARTIFACT, names.PAOS, names.HTTP_REDIRECT}
)


def asked_attributes(element: Element, read: Attributes | None) -> Attributes | None:
    """The attributes that the samlp:AttributeQuery ``element`` lists, by our own names; ``read`` is what was read of them.

    What this authority says has the NameFormat ``uri`` (SAML profiles 8.2), so that is how it can be asked for. ``unspecified``, and none,
    also means a friendly name; it leaves the reading to us (SAML core 8.2.1). Raises `Refusal` (``aa.name_format``) for any other
    NameFormat, and for a friendly name that is said to be a URI.
    """
    if read is None:
        return None
    return tuple(
        _named(attribute, found.get("Name", ""), found.get("NameFormat", names.UNSPECIFIED_NAME))
        for attribute, found in zip(read, element.iterchildren(_ATTRIBUTE), strict=True)
    )


def _named(attribute: Attribute, name: str, name_format: str) -> Attribute:
    if name_format == names.URI_NAME:
        if is_known(name) and wire_name(name) != name:
            raise Refusal("aa.name_format", expected=wire_name(name), found=f"{name[:200]} as a URI")
        return attribute
    if name_format != names.UNSPECIFIED_NAME:
        raise Refusal("aa.name_format", expected=names.URI_NAME, found=name_format[:200])
    own = friendly_name(name, names.URI_NAME)
    if own == attribute.name:
        return attribute
    return attribute._replace(name=own, values=tuple(make_value(own, text) for text in attribute.texts()))


def asked_target(query: AttributeQuery, element: Element, role: SpRole | None) -> str | None:
    """The URL whose application domain the query is for: our own extension, else the ``Resource`` of a SAML 1.1 query (SAML 1.1 core
    3.3.4) that stands in the Extensions, else where the requester's assertion consumer services lie, if they lie side by side.

    SAML 2.0's schema has no place for ``Resource`` on its own AttributeQuery.
    """
    if query.target is not None:
        return query.target
    extensions = child(element, names.SAMLP, "Extensions")
    of_saml1 = child(extensions, names.SAML1P, "AttributeQuery") if extensions is not None else None
    resource = of_saml1.get("Resource") if of_saml1 is not None else None
    if resource is not None:
        return resource
    if role is None:
        return None
    return _domain_of(tuple([one.location for one in role.assertion_consumers if one.binding in _SAML2_CONSUMERS]))


# Each query of a resource asks for the same, and reading an address takes longer than the rest of this.
_domain_of = functools.lru_cache(maxsize=1024)(domain_of_consumers)
