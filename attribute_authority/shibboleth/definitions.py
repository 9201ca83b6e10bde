"""Attribute definitions of a Shibboleth resolver as definitions of the Attribute Authority, as far as they can mean the same."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from attribute_authority.resolver.definition_settings import DefinitionSettings
from attribute_authority.shibboleth.connectors import Remark, RemarkReason
from attribute_authority.shibboleth.java_regex import pattern_ignoring_case, pattern_of
from attribute_authority.shibboleth.resolver_file import ResolverFile, ResolverPart, below, text_below
from attribute_authority.shibboleth.source import XSI_TYPE
from ostiary.errors import Refusal
from ostiary.policy.captures import compile_capture
from ostiary.saml.attribute_names import friendly_name, is_known
from ostiary.saml.names import URI_NAME

_PLACE: Final = re.compile(r"\$!?(?:\{([A-Za-z][A-Za-z0-9:._-]*)\}|([A-Za-z][A-Za-z0-9_-]*))")
# Velocity calls methods of what it fills in.
_CALL: Final = re.compile(r"\$!?[A-Za-z][A-Za-z0-9_-]*[.\[(][A-Za-z0-9_]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9 @,;:/_=~-]*")
_SCOPE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_OF_STANDARDS: Final = ("Simple", "Scoped", "Prescoped", "Mapped", "Template", "RegexSplit")

_WITHOUT_EQUAL: Final[Mapping[str, RemarkReason]] = {
    "ScriptedAttribute": "script",
    "Script": "script",
    "PrincipalName": "principal",
    "SAML2NameID": "name_id",
    "SAML1NameIdentifier": "name_id",
    "TransientId": "name_id",
    "CryptoTransientId": "name_id",
}


class CanNotSay(Exception):
    """A definition has no equal: why, and a detail."""

    def __init__(self, reason: RemarkReason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason, detail)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a definition may take values from: names of what is known here, in the order of its inputs; ``placed`` by the names that a
    template uses."""

    names: tuple[str, ...]
    placed: Mapping[str, str]


def name_of(part: ResolverPart) -> str:
    """The friendly name of the attribute by what its encoders put on the wire, else its id."""
    for name in _names_on_the_wire(part):
        friendly = friendly_name(name, URI_NAME)
        if friendly != name:
            return friendly
    return part.id


def is_scoped(part: ResolverPart) -> bool | None:
    """Whether values of the definition have a scope in Shibboleth; None where the definition alone does not say."""
    if part.type in ("Scoped", "Prescoped"):
        return True
    return False if part.type in ("Mapped", "Template", "RegexSplit") else None


def check_kind(part: ResolverPart) -> None:
    """Raises `CanNotSay` for a definition of a kind that there is not here."""
    if part.conditional:
        raise CanNotSay("condition")
    if part.type not in _OF_STANDARDS:
        raise CanNotSay(_WITHOUT_EQUAL.get(part.type, "definition_type"))


def definition_of(
    file: ResolverFile, part: ResolverPart, name: str, sources: Sources
) -> tuple[dict[str, Any], tuple[Remark, ...]]:
    """The definition ``name`` of a kind that there is, and what to know about it. Raises `CanNotSay` where it can't be."""
    definition: dict[str, Any] = {"attribute": name}
    remarks: list[Remark] = []
    if part.type == "Template":
        definition["template"] = _template(file, part, sources)
    elif not sources.names:
        raise CanNotSay("no_source")
    elif sources.names != (name,):
        definition["from"] = sources.names[0] if len(sources.names) == 1 else list(sources.names)
    match part.type:
        case "Scoped":
            definition["scope"] = _scope(file, part)
        case "Prescoped" if part.element.get("scopeDelimiter", "@") != "@":
            raise CanNotSay("scope_delimiter", part.element.get("scopeDelimiter", ""))
        case "RegexSplit":
            definition["split"] = _split(file, part)
        case "Mapped":
            definition["map"] = _map(file, part)
            if "default" in definition["map"]:
                remarks.append(Remark(part.line, part.type, part.id, "default_without_values"))
    if file.source.boolean(part.element, "dependencyOnly", False):
        definition["internal"] = True
    elif not is_known(name):
        remarks.extend(_wire_name(part, definition))
    # What can't be had fails here, with its reason, rather than at the start of a service.
    try:
        DefinitionSettings.model_validate(definition)
    except ValueError as problem:
        raise CanNotSay("definition", str(problem).splitlines()[-1].strip()) from problem
    return definition, tuple(remarks)


def _wire_name(part: ResolverPart, definition: dict[str, Any]) -> Sequence[Remark]:
    names = _names_on_the_wire(part)
    if names and (":" in names[0]):
        definition["wire_name"] = names[0]
        return ()
    return (Remark(part.line, part.type, part.id, "no_wire_name", ", ".join(names)),)


def _names_on_the_wire(part: ResolverPart) -> list[str]:
    """What its SAML 2 encoders call it."""
    encoders = below(part.element, "AttributeEncoder")
    found = [one.get("name", "") for one in encoders if "SAML2" in one.get(XSI_TYPE, "")]
    return [name for name in found if name]


def _scope(file: ResolverFile, part: ResolverPart) -> str:
    scope = _filled(file, file.source.required(part.element, "scope"))
    if _SCOPE.fullmatch(scope) is None:
        raise CanNotSay("scope", scope)
    return scope


def _template(file: ResolverFile, part: ResolverPart, sources: Sources) -> str:
    written = _filled(file, text_below(part.element, "Template") or "")
    if not written:
        raise CanNotSay("template", "nothing")
    rest = _PLACE.sub("", written)
    if any(mark in rest for mark in "$#\\") or _CALL.search(written):
        raise CanNotSay("template", " ".join(written.split()))
    parts: list[str] = []
    at = 0
    for place in _PLACE.finditer(written):
        name = place[1] or place[2]
        if name not in sources.placed:
            raise CanNotSay("template", name)
        parts += [_literal(written[at : place.start()]), "{" + sources.placed[name] + "}"]
        at = place.end()
    return "".join([*parts, _literal(written[at:])])


def _filled(file: ResolverFile, text: str) -> str:
    filled = file.filled(text)
    if filled is None:
        raise CanNotSay("property", text)
    return filled


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _split(file: ResolverFile, part: ResolverPart) -> str:
    regex = _filled(file, file.source.required(part.element, "regex"))
    if not file.source.boolean(part.element, "caseSensitive", True):
        raise CanNotSay("regex", regex)
    try:
        # Both readings have to be possible: the group's comes from the text itself.
        pattern_of(regex)
        compile_capture(regex)
    except Refusal as problem:
        raise CanNotSay("regex", f"{regex}: {problem.expected}") from problem
    return regex


def _map(file: ResolverFile, part: ResolverPart) -> dict[str, Any]:
    table: dict[str, list[str]] = {}
    patterns: list[dict[str, Any]] = []
    for entry in below(part.element, "ValueMap"):
        to = _filled(file, text_below(entry, "ReturnValue") or "")
        if not to or "$" in to:
            raise CanNotSay("map", to)
        for source in below(entry, "SourceValue"):
            text = _filled(file, "".join(source.itertext()).strip())
            ignored = file.source.boolean(source, "ignoreCase", False)
            counts = file.source.boolean(source, "caseSensitive", not ignored)
            partial = file.source.boolean(source, "partialMatch", False)
            if counts and not partial and _PLAIN.fullmatch(text):
                table.setdefault(text, []).append(to)
            else:
                patterns.append({"pattern": _source_pattern(text, counts, partial), "to": to})
    if not table and not patterns:
        raise CanNotSay("map", "ValueMap")
    found: dict[str, Any] = {}
    if table:
        found["table"] = {text: values[0] if len(values) == 1 else values for text, values in table.items()}
    if patterns:
        found["patterns"] = patterns
    default = next(iter(below(part.element, "DefaultValue")), None)
    if default is not None:
        if file.source.boolean(default, "passThru", False):
            found["otherwise"] = "keep"
        elif text := _filled(file, "".join(default.itertext()).strip()):
            found["default"] = text
    return found


def _source_pattern(text: str, case_counts: bool, partial: bool) -> str:
    """A source value is a regular expression, or with partialMatch a text that stands somewhere in the value."""
    try:
        if not partial:
            return pattern_of(text, ignore_case=not case_counts)
        inside = pattern_of(f"\\Q{text}\\E") if case_counts else pattern_ignoring_case(text)
        return f"[\\s\\S]*{inside}[\\s\\S]*"
    except Refusal as problem:
        raise CanNotSay("regex", f"{text}: {problem.expected}") from problem
