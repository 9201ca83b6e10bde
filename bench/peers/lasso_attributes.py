"""A SAML attribute as lasso wants it put together. For lasso_peer.py, and for the home made with lasso in tests/interop."""

import lasso


def attribute(name, values):
    found = lasso.Saml2Attribute()
    found.name, found.nameFormat = name, lasso.SAML2_ATTRIBUTE_NAME_FORMAT_URI
    written = []
    for value in values:
        text = lasso.MiscTextNode.newWithString(value)
        text.textChild = True
        holder = lasso.Saml2AttributeValue()
        holder.any = (text,)
        written.append(holder)
    found.attributeValue = tuple(written)
    return found
