"""SAML 2.0 on the wire: names, parsing, signatures, messages, bindings and the rules of the profiles."""
