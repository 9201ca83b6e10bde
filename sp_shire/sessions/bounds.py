"""How much one authority may say about one person: what a session keeps is bounded. Pure."""

from pydantic import Field

from ostiary.attributes import Attributes
from ostiary.config import Settings
from ostiary.errors import TooLarge


class SessionBounds(Settings):
    """The most that one authority may say about a person, so that what is kept of her has an end: how many attributes and values, and how
    many bytes their names and values take in UTF-8. All that was said counts, believed or not."""

    # No message holds more than the largest numbers here.
    attributes: int = Field(default=2_000, ge=1, le=2_000)
    values: int = Field(default=2_000, ge=1, le=2_000)
    bytes: int = Field(default=131_072, ge=1_024, le=262_144)


def check_bounds(said: Attributes, bounds: SessionBounds) -> None:
    """Raises `TooLarge` (``sp.too_much_said``) where more was said, and names the bound."""
    values = sum(len(attribute.values) for attribute in said)
    _check("attributes", len(said), bounds.attributes)
    _check("values", values, bounds.values)
    # Only now, so that the counting itself is bounded.
    octets = sum(
        len(attribute.name.encode()) + sum(len(text.encode()) for text in attribute.texts()) for attribute in said
    )
    _check("bytes", octets, bounds.bytes)


def _check(what: str, found: int, bound: int) -> None:
    if found > bound:
        raise TooLarge("sp.too_much_said", expected=f"at most {bound} {what}", found=f"{found} {what}")
