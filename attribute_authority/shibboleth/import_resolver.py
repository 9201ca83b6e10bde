"""Turns an attribute-resolver.xml into the ``resolver`` section of aa.yaml, with a list of what somebody has to look at. Reads no file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attribute_authority.shibboleth.connectors import ImportedConnector, Remark, connector_of, name_from, offered
from attribute_authority.shibboleth.definitions import (
    CanNotSay,
    Sources,
    check_kind,
    definition_of,
    is_scoped,
    name_of,
)
from attribute_authority.shibboleth.names import AttributeIds, is_usable
from attribute_authority.shibboleth.resolver_file import Input, ResolverFile, ResolverPart, read_resolver
from attribute_authority.shibboleth.written import as_yaml, in_a_comment


@dataclass(frozen=True, slots=True)
class ImportedResolver:
    """``document`` is the section, YAML; ``connectors`` and ``definitions`` how many are in it, of how many (``of``); ``remarks`` what is
    not, and what to look at, by line; ``ids`` under which name each attributeID is known."""

    document: str
    connectors: int
    definitions: int
    of: tuple[int, int]
    remarks: tuple[Remark, ...]
    ids: AttributeIds


def import_resolver(data: bytes, file: Path, properties: Mapping[str, str]) -> ImportedResolver:
    """The connectors and definitions that mean what those in ``data`` mean. ``properties`` fill ``%{...}``.

    Raises `ConfigurationError` with file and line for a file that a Shibboleth IdP would not take (`read_resolver`).
    """
    read = read_resolver(data, file, properties)
    remarks = [Remark(line, kind, "", "element", "", "left_out") for line, kind in read.others]
    names = _names(read, remarks)
    connectors = _connectors(read, names, remarks)
    definitions = _definitions(read, names, connectors, remarks)
    section = {
        "connectors": [dict(found.settings) for found in connectors.values()],
        "definitions": list(definitions.values()),
    }
    document = f"# {in_a_comment(file.name)}\n" + as_yaml({"resolver": section})
    return ImportedResolver(
        document,
        len(connectors),
        len(definitions),
        (len(list(read.connectors())), len(list(read.definitions()))),
        tuple(sorted(remarks, key=lambda one: (one.line, one.id, one.reason))),
        attribute_ids(read),
    )


def attribute_ids(read: ResolverFile) -> AttributeIds:
    """What the names in the filter's file mean."""
    names = _names(read, [])
    known: dict[str, bool | None] = {}
    for part in read.definitions():
        _find_scope(read, part, known)
    return AttributeIds(
        {id_: name for id_, name in names.items() if id_ != name},
        {id_: scoped for id_, scoped in known.items() if scoped is not None},
    )


def _find_scope(read: ResolverFile, part: ResolverPart, known: dict[str, bool | None]) -> bool | None:
    """A simple definition has the values of what it takes them from; those of connectors have no scope."""
    if part.id not in known:
        known[part.id] = is_scoped(part)
        if part.type == "Simple":
            inputs = [read.parts[needed.ref] for needed in part.inputs]
            found = {_find_scope(read, one, known) if one.defines else _of_connector(one) for one in inputs}
            known[part.id] = next(iter(found)) if len(found) == 1 else None
    return known[part.id]


def _of_connector(part: ResolverPart) -> bool | None:
    return False if part.type in ("Static", "LDAPDirectory", "RelationalDatabase") else None


def _names(read: ResolverFile, remarks: list[Remark]) -> dict[str, str]:
    """The name of each definition; of two that would have the same, the later keeps its id."""
    names: dict[str, str] = {}
    wanted = {part.id: name_of(part) for part in read.definitions()}
    ids = set(wanted)
    for id_, name in wanted.items():
        part = read.parts[id_]
        taken = name in names.values() or (name != id_ and name in ids and wanted[name] == name)
        if taken and name != id_:
            remarks.append(Remark(part.line, part.type, id_, "same_name", name))
        names[id_] = id_ if taken else name
    return names


def _connectors(read: ResolverFile, names: Mapping[str, str], remarks: list[Remark]) -> dict[str, ImportedConnector]:
    """Connectors by id."""
    used: dict[str, dict[str, set[str]]] = {part.id: {} for part in read.connectors()}
    for part in read.definitions():
        for needed in part.inputs:
            if needed.ref in used:
                for attribute in _attributes(read, needed):
                    used[needed.ref].setdefault(attribute, set()).add(names[part.id])
    found: dict[str, ImportedConnector] = {}
    plain = {names[part.id] for part in read.definitions() if _as_it_is(part, names[part.id])}
    for part in read.connectors():
        elsewhere = {attribute for id_, others in used.items() if id_ != part.id for attribute in others}

        def rename(attribute: str, part: ResolverPart = part, elsewhere: set[str] = elsewhere) -> str:
            users = used[part.id][attribute]
            # A definition of that name would be taken in place of the connector's attribute, by all but itself.
            hidden = attribute in names.values() and users != {attribute} and attribute not in plain
            if attribute in elsewhere or hidden or not is_usable(attribute):
                return name_from(f"{part.id}.{attribute}")
            return attribute

        for needed in part.inputs:
            if not read.parts[needed.ref].defines or part.type == "Static":
                remarks.append(Remark(part.line, part.type, part.id, "connector_input", needed.ref))
        connector, more = connector_of(read, part, used[part.id], rename)
        remarks.extend(more)
        if connector is not None:
            found[part.id] = connector
    return found


def _as_it_is(part: ResolverPart, name: str) -> bool:
    """Whether the definition is nothing but a connector's attribute of the same name."""
    return part.type == "Simple" and not part.conditional and [one.attributes for one in part.inputs] == [(name,)]


def _attributes(read: ResolverFile, needed: Input) -> Iterable[str]:
    return needed.attributes if needed.attributes is not None else offered(read, read.parts[needed.ref])


def _definitions(
    read: ResolverFile,
    names: Mapping[str, str],
    connectors: Mapping[str, ImportedConnector],
    remarks: list[Remark],
) -> dict[str, dict[str, Any]]:
    """Definitions by id, in the order of the file; those that need what is not there are not there either."""
    made: dict[str, dict[str, Any] | None] = {}

    def make(part: ResolverPart) -> dict[str, Any] | None:
        if part.id in made:
            return made[part.id]
        made[part.id] = None
        missing: list[str] = []
        sources = _sources(read, part, names, connectors, lambda id_: make(read.parts[id_]) is not None, missing)
        try:
            if not is_usable(names[part.id]):
                raise CanNotSay("name", names[part.id])
            check_kind(part)
            if missing and not sources.names:
                raise CanNotSay("needs", ", ".join(missing))
            definition, more = definition_of(read, part, names[part.id], sources)
        except CanNotSay as problem:
            remarks.append(Remark(part.line, part.type, part.id, problem.reason, problem.detail, "left_out"))
            return None
        remarks.extend(more)
        if missing:
            remarks.append(Remark(part.line, part.type, part.id, "without", ", ".join(missing)))
        made[part.id] = definition
        return definition

    for part in read.definitions():
        make(part)
    return {part.id: definition for part in read.definitions() if (definition := made[part.id]) is not None}


def _sources(
    read: ResolverFile,
    part: ResolverPart,
    names: Mapping[str, str],
    connectors: Mapping[str, ImportedConnector],
    is_made: Callable[[str], bool],
    missing: list[str],
) -> Sources:
    found: dict[str, None] = {}
    placed: dict[str, str] = {}
    for needed in part.inputs:
        if read.parts[needed.ref].defines:
            if is_made(needed.ref):
                found[names[needed.ref]] = None
                placed[needed.ref] = names[needed.ref]
            else:
                missing.append(needed.ref)
        elif needed.unknown:
            missing.append(needed.unknown)
        elif needed.ref in connectors:
            known = connectors[needed.ref].names
            for attribute in _attributes(read, needed):
                if attribute in known:
                    found[known[attribute]] = None
                    placed.setdefault(attribute, known[attribute])
        else:
            missing.append(needed.ref)
    return Sources(tuple(found), placed)
