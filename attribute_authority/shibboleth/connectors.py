"""Data connectors of a Shibboleth resolver as connectors of the Attribute Authority, as far as there are such."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from attribute_authority.shibboleth.names import is_usable
from attribute_authority.shibboleth.resolver_file import ResolverFile, ResolverPart, below, text_below
from attribute_authority.shibboleth.source import local_name

_PRINCIPAL: Final = re.compile(
    r"'\$\{?(?:resolutionContext\.principal|requestContext\.principalName|principal)\}?'|"
    r"\$\{?(?:resolutionContext\.principal|requestContext\.principalName|principal)\}?"
)
_BINARY: Final = "java.naming.ldap.attributes.binary"
_JDBC: Final = re.compile(r"jdbc:(postgresql|mysql|mariadb)://([A-Za-z0-9.-]+(?::[0-9]+)?)/([A-Za-z0-9_.-]+)")
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9:._-]+")

RemarkReason = Literal[
    "condition",
    "unused",
    "computed_id",
    "stored_id",
    "script",
    "connector_type",
    "definition_type",
    "property",
    "query",
    "ldap_file",
    "ldap_filter",
    "sql_principal",
    "database",
    "failover",
    "connector_input",
    "element",
    "same_name",
    "name",
    "needs",
    "without",
    "no_source",
    "no_wire_name",
    "principal",
    "name_id",
    "scope",
    "scope_delimiter",
    "template",
    "regex",
    "map",
    "default_without_values",
    "definition",
]
"""Why somebody should know something about a part: the last part of the key of a text."""

_WITHOUT_EQUAL: Final[Mapping[str, RemarkReason]] = {
    "ComputedId": "computed_id",
    "StoredId": "stored_id",
    "PairwiseId": "computed_id",
    "ScriptedDataConnector": "script",
    "Script": "script",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to know about a part: where it stands, its type and id, why and a detail; whether the part was ``left_out``, or is there
    and somebody has to ``look_at`` it."""

    line: int
    type: str
    id: str
    reason: RemarkReason
    detail: str = ""
    effect: Literal["left_out", "look_at"] = "look_at"


@dataclass(frozen=True, slots=True)
class ImportedConnector:
    """A connector's settings, and what it calls each attribute that definitions take from it."""

    settings: Mapping[str, Any]
    names: Mapping[str, str]


Rename = Callable[[str], str]
"""Under which name an attribute of the connector is known to definitions."""


def offered(file: ResolverFile, part: ResolverPart) -> tuple[str, ...]:
    """The names of the attributes that the connector gives, as far as the file says."""
    match part.type:
        case "Static":
            return tuple(one.get("id", "") for one in below(part.element, "Attribute"))
        case "RelationalDatabase":
            columns = below(part.element, "Column")
            return tuple(one.get("attributeID") or one.get("columnName") or "" for one in columns)
    listed = text_below(part.element, "ReturnAttributes") or ""
    return tuple((file.filled(f"{listed} {part.element.get('exportAttributes', '')}") or "").split())


def connector_of(
    file: ResolverFile, part: ResolverPart, used: Iterable[str], rename: Rename
) -> tuple[ImportedConnector | None, tuple[Remark, ...]]:
    """The connector for what definitions use of ``part``, None where there is none; and what to know about it."""
    if part.conditional:
        return None, (_left_out(part, "condition"),)
    needed = tuple(dict.fromkeys(used))
    if not needed:
        return None, (_left_out(part, "unused"),)
    make = {"Static": _static, "LDAPDirectory": _ldap, "RelationalDatabase": _sql}.get(part.type)
    if make is None:
        return None, (_left_out(part, _WITHOUT_EQUAL.get(part.type, "connector_type")),)
    connector, remarks = make(file, part, {attribute: rename(attribute) for attribute in needed})
    failover = [one.get("ref", "") for one in below(part.element, "FailoverDataConnector")]
    return connector, (*remarks, *(_look_at(part, "failover", ref) for ref in failover))


def name_from(text: str) -> str:
    """A name of the configuration that looks like this text."""
    name = _NOT_IN_A_NAME.sub("-", text).strip("-")
    return name if is_usable(name) else f"x-{name}"[:200]


def _static(
    file: ResolverFile, part: ResolverPart, names: Mapping[str, str]
) -> tuple[ImportedConnector | None, tuple[Remark, ...]]:
    values: dict[str, list[str]] = {}
    remarks: list[Remark] = []
    for attribute in below(part.element, "Attribute"):
        name = names.get(attribute.get("id", ""))
        if name is None:
            continue
        for written in below(attribute, "Value"):
            value = file.filled("".join(written.itertext()).strip())
            if value is None:
                remarks.append(_look_at(part, "property", "".join(written.itertext()).strip()))
            else:
                values.setdefault(name, []).append(value)
    settings = {"type": "static", "name": name_from(part.id), "everybody": values}
    return ImportedConnector(settings, names), tuple(remarks)


def _ldap(
    file: ResolverFile, part: ResolverPart, names: Mapping[str, str]
) -> tuple[ImportedConnector | None, tuple[Remark, ...]]:
    rename = {attribute: name for attribute, name in names.items() if name != attribute}
    listed = [text_below(part.element, "BinaryAttributes") or ""]
    listed += [one.get("value", "") for one in below(part.element, "LDAPProperty") if one.get("name") == _BINARY]
    binary = [attribute for attribute in names if attribute in " ".join(listed).split()]
    settings = {
        "type": "ldap",
        "name": name_from(part.id),
        "directory": "ldap.yaml",
        "attributes": [attribute for attribute in names if attribute not in rename],
        **({"rename": rename} if rename else {}),
        "binary": binary,
    }
    facts = {
        "servers": part.element.get("ldapURL"),
        "base_dn": part.element.get("baseDN"),
        "bind_dn": part.element.get("principal"),
        "start_tls": part.element.get("useStartTLS"),
    }
    said = ", ".join(f"{key}: {file.filled(value) or value}" for key, value in facts.items() if value)
    remarks = [_look_at(part, "ldap_file", said)]
    written = text_below(part.element, "FilterTemplate")
    if written is not None:
        remarks.append(_look_at(part, "ldap_filter", file.filled(written) or written))
    return ImportedConnector({key: value for key, value in settings.items() if value != []}, names), tuple(remarks)


def _sql(
    file: ResolverFile, part: ResolverPart, names: Mapping[str, str]
) -> tuple[ImportedConnector | None, tuple[Remark, ...]]:
    written = file.filled(text_below(part.element, "QueryTemplate") or "")
    if not written:
        return None, (_left_out(part, "property" if written is None else "query", "QueryTemplate"),)
    query = " ".join(_PRINCIPAL.sub(":principal", written.replace(":", "\\:")).split())
    if "$" in query or "#" in query or ":principal" not in query.replace("\\:", ""):
        return None, (_left_out(part, "query", " ".join(written.split())),)
    if query.split()[0].lower() not in ("select", "with"):
        return None, (_left_out(part, "query", " ".join(written.split())),)
    by_name = {
        one.get("attributeID") or one.get("columnName"): one.get("columnName") for one in below(part.element, "Column")
    }
    columns = {by_name.get(attribute) or attribute: name for attribute, name in names.items()}
    remarks = [_look_at(part, "sql_principal", query)]
    url = _database(file, part)
    if url is None:
        url = "postgresql://database.example/people"
        remarks.append(_look_at(part, "database"))
    settings = {
        "type": "sql",
        "name": name_from(part.id),
        "database": {"url": url},
        "query": query,
        "columns": columns,
    }
    return ImportedConnector(settings, names), tuple(remarks)


def _database(file: ResolverFile, part: ResolverPart) -> str | None:
    for element in part.element.iter():
        if isinstance(element.tag, str) and local_name(element).endswith("ManagedConnection"):
            found = _JDBC.fullmatch((file.filled(element.get("jdbcURL", "")) or "").partition("?")[0])
            if found is not None:
                kind = "postgresql" if found[1] == "postgresql" else "mariadb+pymysql"
                return f"{kind}://{found[2]}/{found[3]}"
    return None


def _left_out(part: ResolverPart, reason: RemarkReason, detail: str = "") -> Remark:
    return Remark(part.line, part.type, part.id, reason, detail, "left_out")


def _look_at(part: ResolverPart, reason: RemarkReason, detail: str = "") -> Remark:
    return Remark(part.line, part.type, part.id, reason, detail)
