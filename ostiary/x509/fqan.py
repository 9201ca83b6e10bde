"""Fully qualified attribute names of a VO: ``/vo/group/Role=r``. Reads both forms that are on the wire, writes either."""

import re
from dataclasses import dataclass
from typing import Final

from ostiary.errors import Refusal

MAX_LENGTH: Final = 255

_NAME: Final = r"[A-Za-z0-9_.-]+"
_FQAN: Final = re.compile(rf"((?:/{_NAME})+)(?:/Role=({_NAME}))?(?:/Capability=NULL)?")


@dataclass(frozen=True, slots=True, order=True)
class Fqan:
    """A group (``/vo/group``), or a role in it. ``role`` is None for the bare group."""

    group: str
    role: str | None = None

    @property
    def vo(self) -> str:
        """The VO in whose namespace it stands: the first component."""
        return self.group.split("/", 2)[1]

    def short(self) -> str:
        """``/vo/group`` or ``/vo/group/Role=r``."""
        return self.group if self.role is None else f"{self.group}/Role={self.role}"

    def long(self) -> str:
        """``/vo/group/Role=r/Capability=NULL``, with ``Role=NULL`` for a bare group: what the original service writes by default."""
        return f"{self.group}/Role={self.role or 'NULL'}/Capability=NULL"

    def __str__(self) -> str:
        return self.short()


def parse_fqan(text: str) -> Fqan:
    """The name that a short or a long form stands for. Capabilities other than NULL are not in use any more.

    Raises `Refusal` (``x509.fqan``).
    """
    matched = _FQAN.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if matched is None:
        raise Refusal("x509.fqan", expected="/vo/group or /vo/group/Role=name", found=text[: MAX_LENGTH + 1])
    group, role = matched.groups()
    return Fqan(group, None if role in (None, "NULL") else role)
