"""Reads an attribute-resolver.xml: data connectors and attribute definitions, and what each takes its values from. Translates nothing."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from attribute_authority.shibboleth.source import SourceFile, elements_in, line_of, local_name, read_source
from ostiary.saml.xml import Element

RESOLVER: Final = "urn:mace:shibboleth:2.0:resolver"
_NAMESPACES: Final = (RESOLVER, f"{RESOLVER}:ad", f"{RESOLVER}:dc", f"{RESOLVER}:pc", f"{RESOLVER}:sec")
MAX_CHAIN: Final = 100
_CONDITIONS: Final = ("activationConditionRef", "activationCondition", "relyingParties", "excludeRelyingParties")
_PROPERTY: Final = re.compile(r"%\{([^}:\s]+)(?::([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Input:
    """Where values come from: the id of a definition or connector; of a connector the names of its attributes, None for all.
    ``unknown``: what they are called with a property that is not known."""

    ref: str
    line: int
    attributes: tuple[str, ...] | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class ResolverPart:
    """A DataConnector or an AttributeDefinition (``defines``)."""

    id: str
    type: str
    defines: bool
    element: Element
    line: int
    inputs: tuple[Input, ...]

    @property
    def conditional(self) -> bool:
        """Whether it applies for some relying parties only, or under a condition."""
        return any(self.element.get(name) is not None for name in _CONDITIONS)


@dataclass(frozen=True, slots=True)
class ResolverFile:
    """What the file holds. ``properties`` fill its ``%{...}``."""

    source: SourceFile
    parts: Mapping[str, ResolverPart]
    others: tuple[tuple[int, str], ...]
    properties: Mapping[str, str]

    def definitions(self) -> Iterator[ResolverPart]:
        """In the order of the file."""
        return (part for part in self.parts.values() if part.defines)

    def connectors(self) -> Iterator[ResolverPart]:
        """In the order of the file."""
        return (part for part in self.parts.values() if not part.defines)

    def filled(self, text: str) -> str | None:
        """``text`` with its properties filled in; None where one is not known."""
        return _filled(text, self.properties)

    def with_exports(self) -> "ResolverFile":
        """The same, each attribute that a connector exports as it is defined by a part of its own, where no other part is called so."""
        parts = dict(self.parts)
        others = list(self.others)
        for connector in self.connectors():
            for name in (self.filled(connector.element.get("exportAttributes", "")) or "").split():
                if name not in parts:
                    source = Input(connector.id, connector.line, (name,))
                    parts[name] = ResolverPart(name, "Simple", True, connector.element, connector.line, (source,))
                elif not parts[name].defines:
                    others.append((connector.line, f"exportAttributes {name}"))
        return replace(self, parts=parts, others=tuple(others))


def read_resolver(data: bytes, file: Path, properties: Mapping[str, str]) -> ResolverFile:
    """The parts of the file by id.

    Raises `ConfigurationError` with file and line: ``xml.*`` for what is no such XML, ``aa.shibboleth_*`` for an id given twice, a
    reference to nothing or in a circle, and a part without id or type.
    """
    root = read_source(data, file, RESOLVER, "AttributeResolver")
    source = SourceFile(file)
    parts: dict[str, ResolverPart] = {}
    others: list[tuple[int, str]] = []
    for element in elements_in(root):
        kind = local_name(element)
        if kind not in ("DataConnector", "AttributeDefinition"):
            others.append((line_of(element), kind))
            continue
        part = _part(element, kind == "AttributeDefinition", source, properties)
        if part.id in parts:
            before = f"{part.id}, also in line {parts[part.id].line}"
            raise source.refuse("aa.shibboleth_duplicate", element, expected="each id once", found=before)
        parts[part.id] = part
    for part in parts.values():
        for needed in part.inputs:
            if needed.ref not in parts:
                raise source.refuse(
                    "aa.shibboleth_reference", part.element, expected="an id in this file", found=needed.ref
                )
    _refuse_circles(parts, source)
    return ResolverFile(source, parts, tuple(others), properties).with_exports()


def _filled(text: str, properties: Mapping[str, str]) -> str | None:
    found: list[str | None] = [properties.get(match[1], match[2]) for match in _PROPERTY.finditer(text)]
    if None in found:
        return None
    values = iter(found)
    return _PROPERTY.sub(lambda _: next(values) or "", text)


def _part(element: Element, defines: bool, source: SourceFile, properties: Mapping[str, str]) -> ResolverPart:
    namespace, type_ = source.type_of(element)
    if namespace not in _NAMESPACES:
        type_ = f"{namespace} {type_}"
    return ResolverPart(
        source.required(element, "id"),
        type_,
        defines,
        element,
        line_of(element),
        tuple(_inputs(element, source, properties)),
    )


def _inputs(element: Element, source: SourceFile, properties: Mapping[str, str]) -> Iterator[Input]:
    own = element.get("sourceAttributeID")
    for child in elements_in(element):
        match local_name(child):
            case "InputAttributeDefinition":
                yield Input(source.required(child, "ref"), line_of(child))
            case "InputDataConnector":
                ref = source.required(child, "ref")
                if source.boolean(child, "allAttributes", False):
                    yield Input(ref, line_of(child))
                    continue
                written = source.required(child, "attributeNames")
                names = _filled(written, properties)
                unknown = written if names is None else ""
                yield Input(ref, line_of(child), tuple((names or "").split()), unknown)
            case "Dependency":
                yield Input(source.required(child, "ref"), line_of(child), (own,) if own is not None else None)


def _refuse_circles(parts: Mapping[str, ResolverPart], source: SourceFile) -> None:
    done: set[str] = set()
    for start in parts:
        stack: list[tuple[str, Iterator[Input]]] = [(start, iter(parts[start].inputs))]
        path = [start]
        while stack:
            id_, rest = stack[-1]
            needed = next((one.ref for one in rest if one.ref not in done), None)
            if needed is None:
                done.add(id_)
                stack.pop()
                path.pop()
            elif needed in path:
                circle = " -> ".join([*path[path.index(needed) :], needed])
                raise source.refuse("aa.shibboleth_circle", parts[needed].element, expected="no circle", found=circle)
            elif len(path) == MAX_CHAIN:
                expected = f"at most {MAX_CHAIN} that depend on each other"
                raise source.refuse("aa.shibboleth_nesting", parts[needed].element, expected=expected)
            else:
                stack.append((needed, iter(parts[needed].inputs)))
                path.append(needed)


def text_below(element: Element, *names: str) -> str | None:
    """The text of the first element of one of these names inside ``element``, without white space at the ends; None without one."""
    for child in element.iter():
        if isinstance(child.tag, str) and local_name(child) in names:
            return "".join(child.itertext()).strip()
    return None


def below(element: Element, *names: str) -> list[Element]:
    """The elements of these names inside ``element``, in their order."""
    return [child for child in element.iter() if isinstance(child.tag, str) and local_name(child) in names]
