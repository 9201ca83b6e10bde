"""The form of ``subject-id`` and ``pairwise-id`` values (SAML V2.0 Subject Identifier Attributes Profile 1.0). Pure."""

import re
from typing import Final

from ostiary.errors import Refusal

SUBJECT_ID: Final = "subject-id"
PAIRWISE_ID: Final = "pairwise-id"
TARGETED_ID: Final = "eduPersonTargetedID"
SUBJECT_IDENTIFIERS: Final = frozenset({SUBJECT_ID, PAIRWISE_ID})

# A unique part of 1 to 127 letters, digits, "=" and "-", and a scope of as many letters, digits, "." and "-"; each begins with a letter or
# digit.
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9=-]{0,126}@[A-Za-z0-9][A-Za-z0-9.-]{0,126}")


def is_identifier(value: str) -> bool:
    """Whether a value has the form that the profile demands of both attributes."""
    return _IDENTIFIER.fullmatch(value) is not None


def check_identifier(value: str) -> str:
    """The value, if it has that form. Raises `Refusal` (``identifiers.syntax``)."""
    if not is_identifier(value):
        expected = "1 to 127 letters, digits, = and -, then @ and a scope of at most 127 letters, digits, . and -"
        raise Refusal("identifiers.syntax", expected=expected, found=value[:300])
    return value
