"""What a client asks a token to say: the scopes of WLCG Common JWT Profiles 1.0, and which capability covers which. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from ostiary.errors import Refusal

MAXIMUM_SCOPE: Final = 8_192
MAXIMUM_SCOPES: Final = 100
VERSION: Final = "1.0"
GROUPS: Final = "wlcg.groups"
ATTRIBUTES: Final = "vo.attributes"
READ: Final = "vo.read"
MANAGE: Final = "vo.manage"
"""For the administration API: look, and look and change. What somebody may there, her rights in the VO decide."""

WITH_PATH: Final = ("storage.read", "storage.create", "storage.modify", "storage.stage")
WITHOUT_PATH: Final = ("compute.read", "compute.modify", "compute.create", "compute.cancel")
OPERATIONS: Final = frozenset((*WITH_PATH, *WITHOUT_PATH))
# WLCG 2.2.1: what changes may create, what stages may read.
_MORE_THAN: Final = {"storage.modify": "storage.create", "storage.stage": "storage.read"}
# What clients of OpenID Connect always ask for, and nobody gets here; the answer says what was given (RFC 6749 3.3).
_IGNORED: Final = frozenset(("openid", "profile", "email", "offline_access", "wlcg", f"wlcg:{VERSION}"))
_TOKEN: Final = re.compile(r"[!#-\[\]-~]+")
_GROUP: Final = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9_.-]*)+(?:/Role=[A-Za-z0-9][A-Za-z0-9_.-]*)?")
_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})*")
# RFC 3986 6.2.2: what needs no escape has none; an escaped slash or dot would be a second way to write another path.
_NEEDLESS: Final = re.compile(r"%(?:4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A]|3[0-9]|2D|2E|2F|5F|7E|00)")


@dataclass(frozen=True, slots=True)
class Capability:
    """``storage.read:/data``; ``path`` is None for what has none."""

    operation: str
    path: str | None = None

    def covers(self, other: "Capability") -> bool:
        """Whether who has this has the other, too: the same operation or a lesser one, at the same path or below."""
        lesser = (self.operation, _MORE_THAN.get(self.operation))
        if other.operation not in lesser:
            return False
        if self.path is None or other.path is None:
            return self.path is other.path
        below = self.path if self.path.endswith("/") else f"{self.path}/"
        return other.path == self.path or other.path.startswith(below)

    def __str__(self) -> str:
        return self.operation if self.path is None else f"{self.operation}:{self.path}"


@dataclass(frozen=True, slots=True)
class Scopes:
    """``groups`` in the order asked for, None among them for those that are stated without asking; empty for no groups at all.
    ``others``: `ATTRIBUTES`, `READ`, `MANAGE`."""

    groups: tuple[str | None, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    others: tuple[str, ...] = ()

    def text(self) -> str:
        """As the ``scope`` of an answer and of a token."""
        groups = (GROUPS if name is None else f"{GROUPS}:{name}" for name in self.groups)
        return " ".join((*groups, *map(str, self.capabilities), *self.others))


DEFAULT: Final = Scopes(groups=(None,))
"""For who asks for nothing in particular: her groups, and no roles."""


def read_scopes(text: str) -> Scopes:
    """What a ``scope`` parameter asks for (RFC 6749 3.3, WLCG 3). Raises `Refusal` (``voms.token_scope``)."""
    if len(text) > MAXIMUM_SCOPE:
        raise _refused(f"at most {MAXIMUM_SCOPE} characters", f"{len(text)}")
    named = [part for part in text.split(" ") if part]
    if len(named) > MAXIMUM_SCOPES:
        raise _refused(f"at most {MAXIMUM_SCOPES} scopes", f"{len(named)}")
    groups: list[str | None] = []
    capabilities: list[Capability] = []
    others: list[str] = []
    for part in dict.fromkeys(named):
        if _TOKEN.fullmatch(part) is None:
            raise _refused("printable ASCII", repr(part[:80]))
        if part == GROUPS:
            groups.append(None)
        elif part.startswith(f"{GROUPS}:"):
            groups.append(_group(part.removeprefix(f"{GROUPS}:")))
        elif part in (ATTRIBUTES, READ, MANAGE):
            others.append(part)
        elif part not in _IGNORED:
            capabilities.append(read_capability(part))
    if groups and None not in groups:
        groups.append(None)
    found = Scopes(tuple(groups), tuple(capabilities), tuple(others))
    return found if found != Scopes() else DEFAULT


def read_capability(text: str) -> Capability:
    """One capability scope, its path in the one spelling that there is. Raises `Refusal` (``voms.token_scope``)."""
    operation, colon, path = text.partition(":")
    if operation in WITHOUT_PATH and not colon:
        return Capability(operation)
    if operation in WITH_PATH and is_normal(path):
        return Capability(operation, path)
    raise _refused("a scope of the WLCG profile; storage with a path", text[:80])


def is_normal(path: str) -> bool:
    """Whether it is an absolute path, normalised by RFC 3986 6.2: no ``.``, no ``..``, no empty segments, no needless escapes."""
    if not path.startswith("/") or _NEEDLESS.search(path):
        return False
    segments = path[1:].split("/")
    inner = segments[:-1] if segments[-1] == "" else segments
    return all(each not in ("", ".", "..") and _SEGMENT.fullmatch(each) for each in inner) or path == "/"


def _group(name: str) -> str:
    if len(name) > 255 or _GROUP.fullmatch(name) is None:
        raise _refused("a group", name[:80])
    return name


def _refused(expected: str, found: str) -> Refusal:
    return Refusal("voms.token_scope", expected=expected, found=found)
