"""How a home organisation names a person. Proves nothing: who asks has looked at the login."""

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FederatedIdentity:
    """A person as a home organisation names her: the value of an identifying attribute, and the entityID that asserts it."""

    asserted_by: str
    attribute: str
    value: str

    @property
    def key(self) -> str:
        """The three as one bounded text for an index."""
        return hashlib.sha256(json.dumps((self.asserted_by, self.attribute, self.value)).encode()).hexdigest()
