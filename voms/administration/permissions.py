"""What a manager may be allowed: the original VOMS-Admin's permissions, with its bits, so that old lists mean the same. Pure."""

import re
from collections.abc import Mapping
from enum import IntFlag
from types import MappingProxyType
from typing import Final

from ostiary.errors import Refusal


class Permission(IntFlag):
    """Bits of one entry of an access-control list; they hold in a group, or for a role in it.

    CONTAINER: see, and change, the groups below and the roles; MEMBERSHIP: who is in and who has roles; ACL: the list itself; ACL_DEFAULT:
    the list that new groups get; REQUESTS: what people ask for; ATTRIBUTES: generic attributes; PERSONAL_INFO: names, addresses and the
    like; SUSPEND: stop somebody and let her go on.
    """

    NONE = 0
    CONTAINER_READ = 1
    CONTAINER_WRITE = 2
    MEMBERSHIP_READ = 4
    MEMBERSHIP_WRITE = 8
    ACL_READ = 16
    ACL_WRITE = 32
    ACL_DEFAULT = 64
    REQUESTS_READ = 128
    REQUESTS_WRITE = 256
    ATTRIBUTES_READ = 512
    ATTRIBUTES_WRITE = 1024
    PERSONAL_INFO_READ = 2048
    PERSONAL_INFO_WRITE = 4096
    SUSPEND = 8192
    ALL = 16383


SINGLE: Final = tuple(Permission(1 << bit) for bit in range(14))
"""Each permission by itself, in the order of the bits."""

OF_ROLES: Final = Permission.ALL & ~(Permission.CONTAINER_READ | Permission.CONTAINER_WRITE)
"""Those that say anything for a role: nothing stands below one."""

# The original's first name of the attributes' permissions, which its documents still use.
_OTHER_NAMES: Final[Mapping[str, str]] = MappingProxyType({"ATTRIBUTE": "ATTRIBUTES", "REQUEST": "REQUESTS"})
_WORD: Final = re.compile(r"(?P<what>[A-Z_]+?)_(?P<how>READ|WRITE|RW)")


def parse_permissions(text: str) -> Permission:
    """Names joined by ``|`` or commas: ``ALL``, ``NONE``, ``CONTAINER_READ``, ``MEMBERSHIP_RW`` (read and write) ...

    Raises `Refusal` (``voms.permission``).
    """
    found = Permission.NONE
    for word in re.split(r"[|,]", text):
        found |= _one(word.strip().upper())
    return found


def permissions_text(permissions: Permission) -> str:
    """The shortest text that `parse_permissions` reads as these."""
    if permissions == Permission.ALL:
        return "ALL"
    words: list[str] = []
    for each in SINGLE:
        name = str(each.name)
        if not permissions & each:
            continue
        if name.endswith("_WRITE") and words and words[-1] == f"{name.removesuffix('_WRITE')}_READ":
            words[-1] = f"{name.removesuffix('_WRITE')}_RW"
        else:
            words.append(name)
    return "|".join(words) or "NONE"


def _one(word: str) -> Permission:
    if word in ("ALL", "NONE", "ACL_DEFAULT", "SUSPEND"):
        return Permission[word]
    matched = _WORD.fullmatch(word)
    if matched is not None:
        what = _OTHER_NAMES.get(matched["what"], matched["what"])
        wanted = ("READ", "WRITE") if matched["how"] == "RW" else (matched["how"],)
        names = [f"{what}_{how}" for how in wanted]
        if all(name in Permission.__members__ for name in names):
            found = Permission.NONE
            for name in names:
                found |= Permission[name]
            return found
    raise Refusal("voms.permission", expected="names such as CONTAINER_READ or MEMBERSHIP_RW", found=word[:80])
