"""What a client asks of the VO: the REST query (``generate-ac``) and the legacy commands, as one `Asked`. Bounded; looks nothing up.

Source: measured behaviour of vomsd 2.1 and its clients; see docs/voms-protocol.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from lxml import etree

from ostiary.errors import OstiaryError, Refusal
from ostiary.saml.xml import MESSAGE, parse_xml
from ostiary.x509.fqan import Fqan, parse_fqan

MAXIMUM_NAMES: Final = 100
MAXIMUM_TARGETS: Final = 100
LONGEST_LIFETIME: Final = 10 * 366 * 24 * 3600

_PARAMETERS: Final = ("fqans", "order", "lifetime", "targets")
_BARE_ROLE: Final = re.compile(r"/Role=([A-Za-z0-9_.-]{1,128})")
_TARGET: Final = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_LIFETIME: Final = re.compile(r"-?[0-9]{1,18}")
_DECLARATION: Final = re.compile(rb"\A\s*<\?xml[^>]{0,100}\?>")
_COMMAND_ROLE: Final = re.compile(r"(/[^:]*):([A-Za-z0-9_.-]{1,128})")


@dataclass(frozen=True, slots=True)
class RoleAnywhere:
    """A role in every group where the member holds it (``/Role=x``, legacy ``Rx``)."""

    role: str

    def __str__(self) -> str:
        return f"/Role={self.role}"


@dataclass(frozen=True, slots=True)
class Everything:
    """All groups and all roles (``all``, legacy ``A``)."""

    def __str__(self) -> str:
        return "all"


Wish = Fqan | RoleAnywhere | Everything


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. ``wishes`` in their order, empty asks for the groups; ``lifetime`` in seconds, None for as long as the VO gives;
    ``unknown`` are parameters that nobody understands. ``list_only``: names, no certificate (legacy ``N``). ``plain_base64``: how a
    legacy answer is written."""

    wishes: tuple[Wish, ...] = ()
    order: tuple[Wish, ...] = ()
    lifetime: int | None = None
    targets: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    list_only: bool = False
    plain_base64: bool = True


def read_query(query: str) -> Asked:
    """The request of a REST query string. Raises `Refusal` (``voms.request_*``)."""
    values: dict[str, str] = {}
    unknown: list[str] = []
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError as error:
        raise Refusal("voms.request", expected="a query of name=value", found=error) from None
    for name, value in pairs:
        if name not in _PARAMETERS:
            unknown.append(name[:64])
        elif name in values:
            raise Refusal("voms.request_twice", expected=f"{name} once", found="twice", name=name)
        else:
            values[name] = value
    return Asked(
        wishes=_wishes(values.get("fqans", "").split(",")),
        order=_wishes(values.get("order", "").split(",")),
        lifetime=_lifetime(values.get("lifetime", "")),
        targets=_targets(values.get("targets", "").split(",")),
        unknown=tuple(unknown),
    )


def read_legacy(document: bytes) -> Asked:
    """The request of the legacy protocol: one ``voms`` document with commands. Raises `Refusal` (``voms.request*``, ``xml.*``)."""
    try:
        # The clients declare US-ASCII, which UTF-8 contains.
        root = parse_xml(_DECLARATION.sub(b"", document), limits=MESSAGE)
    except OstiaryError as problem:
        raise Refusal("voms.request", expected="a voms document", found=problem) from problem
    if root.tag != "voms":
        raise Refusal("voms.request", expected="a voms document", found=root.tag)
    wishes: list[Wish] = []
    list_only = False
    commands = _texts(root, "command")
    if not commands:
        raise Refusal("voms.request", expected="a command", found="none")
    if len(commands) > MAXIMUM_NAMES:
        raise Refusal("voms.request_too_many", expected=f"at most {MAXIMUM_NAMES}", found=len(commands))
    for command in commands:
        if command in ("A", "N", "Gall"):
            wishes.append(Everything())
            list_only = list_only or command == "N"
        else:
            wishes.append(_command(command))
    # The original takes a lifetime that is empty or not above zero as the default.
    lifetime = _lifetime(next(iter(_texts(root, "lifetime")), ""))
    return Asked(
        wishes=tuple(wishes),
        order=_wishes(_listed(root, "order")),
        lifetime=lifetime or None,
        targets=_targets(_listed(root, "targets")),
        list_only=list_only,
        plain_base64=bool(_texts(root, "base64")),
    )


def _texts(root: etree._Element, name: str) -> list[str]:
    return [(element.text or "").strip() for element in root.findall(name)]


def _listed(root: etree._Element, name: str) -> list[str]:
    return [part for text in _texts(root, name) for part in text.split(",")]


def _command(command: str) -> Wish:
    letter, rest = command[:1], command[1:]
    if letter == "R" and _BARE_ROLE.fullmatch(f"/Role={rest}"):
        return RoleAnywhere(rest)
    if letter == "B" and (matched := _COMMAND_ROLE.fullmatch(rest)):
        return _fqan(f"{matched[1]}/Role={matched[2]}")
    if letter in ("G", "B"):
        return _fqan(rest)
    raise Refusal("voms.request_name", expected="a group or role", found=command[:256])


def _wishes(texts: Sequence[str]) -> tuple[Wish, ...]:
    named = [text.strip(" ") for text in texts if text.strip(" ")]
    if len(named) > MAXIMUM_NAMES:
        raise Refusal("voms.request_too_many", expected=f"at most {MAXIMUM_NAMES}", found=len(named))
    return tuple(dict.fromkeys(_wish(text) for text in named))


def _wish(text: str) -> Wish:
    if text == "all":
        return Everything()
    if matched := _BARE_ROLE.fullmatch(text):
        return RoleAnywhere(matched[1])
    return _fqan(text)


def _fqan(text: str) -> Fqan:
    # The long form is for certificates; no client sends it, and the original breaks down over it.
    if "/Capability=" in text:
        raise Refusal("voms.request_name", expected="a name without a capability", found=text[:256])
    try:
        return parse_fqan(text)
    except Refusal as problem:
        raise Refusal("voms.request_name", expected=problem.expected, found=problem.found) from None


def _lifetime(text: str) -> int | None:
    """Seconds; None for absent, zero and negative: as long as the VO gives."""
    if not text:
        return None
    if _LIFETIME.fullmatch(text) is None:
        raise Refusal("voms.request_lifetime", expected="a number of seconds", found=text[:64])
    seconds = int(text)
    return min(seconds, LONGEST_LIFETIME) if seconds > 0 else None


def _targets(texts: Sequence[str]) -> tuple[str, ...]:
    named = [text.strip(" ") for text in texts if text.strip(" ")]
    if len(named) > MAXIMUM_TARGETS:
        raise Refusal("voms.request_too_many", expected=f"at most {MAXIMUM_TARGETS}", found=len(named))
    for text in named:
        if _TARGET.fullmatch(text) is None:
            raise Refusal("voms.request_target", expected="the name of a host", found=text[:256])
    return tuple(dict.fromkeys(named))
