"""Distinguished names as text (RFC 4514): checks one from a configuration, and puts a value into one."""

import re
from typing import Final

from ostiary.config import WrongSetting

MAXIMUM_DN: Final = 2_000

_TYPE: Final = r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)"
_ESCAPED: Final = r'\\(?:[0-9A-Fa-f]{2}|[ "#+,;<=>\\])'
_VALUE: Final = rf'(?:#(?:[0-9A-Fa-f]{{2}})+|(?![ #])(?:[^\x00"+,;<>\\]|{_ESCAPED})*)'
_PAIR: Final = rf" *{_TYPE} *= *{_VALUE}"
_DN: Final = re.compile(rf"{_PAIR}(?:[+,]{_PAIR})*")

_SPECIAL: Final = frozenset('"#+,;<>\\=')


def check_dn(text: str) -> str:
    """The same text, if it is a distinguished name of at least one part. Raises `WrongSetting` (``ldap.dn``)."""
    if len(text) > MAXIMUM_DN or _DN.fullmatch(text) is None:
        raise WrongSetting("ldap.dn", expected="a distinguished name such as ou=people,dc=example,dc=org")
    return text


def child(attribute: str, value: str, parent: str) -> str:
    """The name of the entry below ``parent`` that is told from its siblings by this value (RFC 4514 2.4)."""
    return f"{attribute}={escape_dn_value(value)},{parent}"


def escape_dn_value(value: str) -> str:
    """An attribute value as it stands in a name: special characters behind a backslash, NUL as ``\\00``."""
    last = len(value) - 1
    return "".join(_escaped(character, at, last) for at, character in enumerate(value))


def _escaped(character: str, at: int, last: int) -> str:
    if character == "\0":
        return "\\00"
    if character in _SPECIAL or (character == " " and at in (0, last)):
        return "\\" + character
    return character
