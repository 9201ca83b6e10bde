"""What people are shown of a role, read when somebody asks: most look-ups want keys and endpoints, and texts take half of the time."""

import dataclasses
from typing import Any, Final

from ostiary.federation.display_extensions import HINTS, INFORMATION, read_display
from ostiary.federation.model import Display
from ostiary.saml.xml import Children, parse_stored, to_bytes

_NOTHING: Final = Display()


def display_read_late(extensions: Children) -> Display:
    """The same as `read_display` gives of the Extensions of a role that follows the schema. Raises the same, now."""
    info, hints = extensions.one(INFORMATION), extensions.one(HINTS)
    if info is None and hints is None:
        return _NOTHING
    return _LateDisplay(tuple([to_bytes(part) for part in (info, hints) if part is not None]))


class _LateDisplay(Display):
    """Everybody takes it for what it will be. Two threads may read it at once; both read the same."""

    __slots__ = ("_octets", "_read")
    _octets: tuple[bytes, ...]
    _read: Display | None

    def __init__(self, octets: tuple[bytes, ...]) -> None:
        object.__setattr__(self, "_octets", octets)
        object.__setattr__(self, "_read", None)

    # Dataclasses are compared and copied by their class: it equals an ordinary one, and what replaces it is one.
    __class__ = property(lambda self: Display)


def _of(display: _LateDisplay) -> Display:
    # In this order: what was read is there before its octets go.
    octets, read = display._octets, display._read
    if read is None:
        read = read_display(Children([parse_stored(part) for part in octets]))
        object.__setattr__(display, "_read", read)
        object.__setattr__(display, "_octets", ())
    return read


def _late(name: str) -> Any:
    return property(lambda display: getattr(_of(display), name))


for _field in dataclasses.fields(Display):
    setattr(_LateDisplay, _field.name, _late(_field.name))
