"""What is written down of policies that come into force, and what differs between two states of them. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ostiary.config import Document

Content = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Sections (``policies``, ``groups``, ``settings``), of each the things by their id, of each its keys as they stand in the file."""

POLICIES: Final = "policies"
GROUPS: Final = "groups"
VALUE_SETS: Final = "value_sets"
SETTINGS: Final = "settings"
FILE: Final = "file"
"""The key under which a policy or group says in which file it stands."""

ChangeKind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not what it was; ``keys`` which of its keys, where it was there before and after."""

    kind: ChangeKind
    section: str
    id: str
    keys: tuple[str, ...] = ()


def release_content(documents: Iterable[Document]) -> Content:
    """What these documents say, which were compiled without a complaint."""
    policies: dict[str, dict[str, Any]] = {}
    groups: dict[str, dict[str, Any]] = {}
    value_sets: dict[str, dict[str, Any]] = {}
    for document in documents:
        name = document.path.name
        for group, members in (document.data.get("groups") or {}).items():
            groups[group] = {"members": members, FILE: name}
        for value_set, values in (document.data.get("value_sets") or {}).items():
            value_sets[value_set] = {"values": values, FILE: name}
        for policy in document.data.get("policies") or ():
            policies[policy["id"]] = {**policy, FILE: name}
    return {POLICIES: policies, GROUPS: groups, VALUE_SETS: value_sets}


def settings_content(values: Mapping[str, Any]) -> Content:
    """A document of single settings: each counts by itself."""
    return {SETTINGS: {key: {"value": value} for key, value in values.items()}}


def canonical(content: Content) -> bytes:
    """The same bytes for the same content, whatever the order of its keys."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(content: bytes) -> str:
    """SHA-256 of what `canonical` made, in hex."""
    return hashlib.sha256(content).hexdigest()


def differences(before: Content, after: Content) -> tuple[Difference, ...]:
    """What became of each thing, by section and id."""
    found: list[Difference] = []
    for section in sorted({*before, *after}):
        old, new = before.get(section, {}), after.get(section, {})
        for id_ in sorted({*old, *new}):
            if id_ not in old:
                found.append(Difference("added", section, id_))
            elif id_ not in new:
                found.append(Difference("removed", section, id_))
            elif old[id_] != new[id_]:
                found.append(Difference("changed", section, id_, changed_keys(old[id_], new[id_])))
    return tuple(found)


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys whose values differ; a mapping is told key by key (``for.requesters``), rules by their names (``rules.affiliation``)."""
    found: list[str] = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        old_parts, new_parts = _parts(old), _parts(new)
        if old_parts is None or new_parts is None:
            found.append(key)
            continue
        names = sorted({*old_parts, *new_parts})
        inside = [f"{key}.{name}" for name in names if old_parts.get(name) != new_parts.get(name)]
        # The same parts in another order.
        found.extend(inside or [key])
    return tuple(found)


def _parts(value: Any) -> Mapping[str, Any] | None:
    """What a value is made of, where that has names."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        return {str(item.get("id", f"rule {number}")): item for number, item in enumerate(value, start=1)}
    return None
