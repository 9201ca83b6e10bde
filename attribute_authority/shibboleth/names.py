"""Under which name an attribute of a Shibboleth IdP is known here, and whether its values have a scope there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ostiary.attributes import SCOPED
from ostiary.saml.attribute_names import is_known

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9:._-]{0,255}")


def is_usable(name: str) -> bool:
    """Whether policies and definitions can call an attribute so."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class AttributeIds:
    """``names``: the friendly name of each attributeID that has another one. ``scoped``: whether values of an attributeID
    have a scope, as the attribute resolver's file says; of others the standards say it."""

    names: Mapping[str, str] = field(default_factory=dict)
    scoped: Mapping[str, bool] = field(default_factory=dict)

    def name(self, attribute_id: str) -> str:
        """The name that release policies use."""
        return self.names.get(attribute_id, attribute_id)

    def has_scope(self, attribute_id: str) -> bool | None:
        """Whether its values have a scope; None where nobody says so."""
        if attribute_id in self.scoped:
            return self.scoped[attribute_id]
        name = self.name(attribute_id)
        if name in SCOPED:
            return True
        return False if is_known(name) else None
