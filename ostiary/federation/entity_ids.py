"""What an entityID may be (SAML core 8.3.6). It is data wherever it goes: never a path, a header or a piece of a page by itself."""

from typing import Final

from ostiary.errors import Refusal

LONGEST: Final = 1024


def check_entity_id(entity_id: str) -> None:
    """Not empty, at most 1024 characters, none of them a control or format character (two entityIDs that look the same), and blanks inside
    only and one by one: XML Schema takes ``a  b`` and ``a b`` for the same URI. Everything else is data, `../`, quotes and ``%00`` too.

    Raises `Refusal` (``metadata.entity_id``).
    """
    blanks = " " in entity_id and (entity_id != entity_id.strip(" ") or "  " in entity_id)
    if not entity_id or len(entity_id) > LONGEST or blanks or not entity_id.isprintable():
        raise Refusal(
            "metadata.entity_id",
            expected=f"an entityID of 1 to {LONGEST} characters that can be seen",
            found=repr(entity_id[:200]),
        )
