"""How the identity provider names a person to a resource: transient handle, persistent identifier, or mail address."""
