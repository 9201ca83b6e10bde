"""Whom a person may ask about an entity, by its metadata. Pure."""

import re
from typing import Final

from ostiary.federation.model import Contact

# SAML metadata 2.3.2.2. Others, such as those for incidents, are not for people who want in.
_HELPFUL: Final = ("support", "technical", "administrative")
_ADDRESS: Final = re.compile(r"[^@\s?&#%<>\"]{1,64}@[A-Za-z0-9.-]{1,255}")


def helpful_address(contacts: tuple[Contact, ...]) -> str:
    """The mail address of whoever helps people best, fit for a ``mailto:`` link; empty where there is none."""
    for kind in _HELPFUL:
        for contact in contacts:
            if contact.kind == kind:
                for email in contact.emails:
                    if _ADDRESS.fullmatch(email):
                        return email
    return ""
