"""What a VO says of a person, found by how this organisation names her. Whom the VO has suspended it says nothing about."""

from datetime import datetime

from attribute_authority.connectors.protocol import Found
from ostiary.errors import Unavailable
from ostiary.ports import VoMemberships


class VoConnector:
    """Groups and roles (``/vo/group``, ``/vo/group/Role=r``) as the values of ``attribute``.

    ``identity`` is the attribute of an earlier connector by which the VO knows people, ``asserted_by`` the entityID of this
    organisation: the same value from another organisation is somebody else.
    """

    def __init__(self, memberships: VoMemberships, *, asserted_by: str, identity: str, attribute: str) -> None:
        self._memberships = memberships
        self._asserted_by = asserted_by
        self._identity = identity
        self._attribute = attribute

    def attributes_given(self, principal: str, found: Found, at: datetime) -> Found:
        """What the VO says, given what earlier connectors found. Raises `Unavailable` when the VO's database does not answer,
        or when it is not one value by which it would know her (``aa.vo_identity``)."""
        values = found.get(self._identity, ())
        if not values:
            return {}
        if len(values) > 1:
            raise Unavailable(
                "aa.vo_identity", expected=f"one value of {self._identity}", found=f"{len(values)} values"
            )
        names = self._memberships.names_of(self._asserted_by, self._identity, values[0], at)
        return {self._attribute: names} if names else {}

    def close(self) -> None:
        """Close its connections."""
        self._memberships.close()
