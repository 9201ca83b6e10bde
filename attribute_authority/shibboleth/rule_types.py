"""What each type of rule in an attribute-filter.xml says (Shibboleth IdP 3 to 5; the type names of 2 as well), as a formula.

A type that release policies have no words for is an `Untold`; one that Shibboleth does not have is an error.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from attribute_authority.shibboleth.formula import (
    ALWAYS,
    NEVER,
    All,
    AskedFor,
    Formula,
    LoggedInBy,
    OwnValue,
    Part,
    PersonCount,
    PersonHas,
    Reason,
    RegisteredBy,
    RequesterAttribute,
    RequesterName,
    Some,
    TextTest,
    Untold,
    ValueText,
    is_not,
)
from attribute_authority.shibboleth.java_regex import (
    checked_pattern,
    pattern_ignoring_case,
    pattern_of,
    pattern_of_texts,
)
from attribute_authority.shibboleth.names import AttributeIds, is_usable
from attribute_authority.shibboleth.rule_names import NAMES_OF_TODAY, WITHOUT_WORDS
from attribute_authority.shibboleth.source import SourceFile, elements_in, line_of, local_name
from ostiary.attributes import CASE_INSENSITIVE, SCOPED
from ostiary.errors import Refusal
from ostiary.saml.attribute_names import friendly_name
from ostiary.saml.names import URI_NAME
from ostiary.saml.xml import Element, qname

AFP: Final = "urn:mace:shibboleth:2.0:afp"
BASIC: Final = f"{AFP}:mf:basic"
SAML: Final = f"{AFP}:mf:saml"
NAMESPACES: Final = (AFP, BASIC, SAML)

MAX_NESTING: Final = 40
MAX_RULES: Final = 300_000
_COMPARED: Final = ("regex", "attributeValueRegex", "value", "attributeValue")
# What a release policy takes.
MAX_TEXT: Final = 4_096
MAX_NUMBER: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Translation:
    """What the administrator adds to the file: names of attributes, the attribute that holds the login name (``principal_name``), and who
    registers the members of an entity group (``groups``)."""

    ids: AttributeIds = field(default_factory=AttributeIds)
    principal_name: str | None = None
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Reads the rules of one file. ``named`` are the rules that others refer to, by id."""

    source: SourceFile
    translation: Translation
    named: Mapping[str, Element]
    _read: Iterator[int] = field(default_factory=itertools.count)

    def read(self, element: Element, about: str | None, inside: tuple[Element, ...] = ()) -> Formula:
        """The formula of a rule with an xsi:type; ``about`` is the attributeID that an attribute rule is about, None for a requirement of a
        policy. ``inside`` are the rules that it stands in.

        Raises `ConfigurationError` (``aa.shibboleth_*``) with the line of what is wrong.
        """
        if element in inside:
            raise self.source.refuse(
                "aa.shibboleth_circle", element, expected="no circle", found=element.get("id", local_name(element))
            )
        if len(inside) > MAX_NESTING:
            raise self.source.refuse("aa.shibboleth_nesting", element, expected=f"at most {MAX_NESTING} levels")
        if next(self._read) > MAX_RULES:
            # References may stand for each other many times over.
            raise self.source.refuse("aa.shibboleth_rules", element, expected=f"at most {MAX_RULES} rules")
        namespace, written = self.source.type_of(element)
        if namespace not in NAMESPACES:
            return self.untold(element, written, "extension")
        name = NAMES_OF_TODAY.get(written, written)
        if name in ("AND", "OR", "NOT"):
            return self._combined(name, element, about, inside)
        if name in WITHOUT_WORDS:
            return self.untold(element, written, WITHOUT_WORDS[name])
        reader = _READERS.get(name)
        if reader is None:
            raise self.source.refuse(
                "aa.shibboleth_type", element, expected="a type of rule that a Shibboleth IdP has", found=written
            )
        try:
            return reader(self, element, about)
        except Refusal as problem:
            compared = next((element.get(key) for key in _COMPARED if element.get(key) is not None), None)
            return self.untold(element, written, "regex", f"{compared}, because of {problem.found}")

    def _combined(self, name: str, element: Element, about: str | None, inside: tuple[Element, ...]) -> Formula:
        parts = tuple(self.read(rule, about, (*inside, element)) for rule in self._rules_in(element))
        if not parts or (name == "NOT" and len(parts) > 1):
            expected = "exactly one Rule" if name == "NOT" else "at least one Rule"
            raise self.source.refuse("aa.shibboleth_missing", element, expected=expected, found=len(parts))
        if name == "NOT":
            return is_not(parts[0])
        return All(parts) if name == "AND" else Some(parts)

    def _rules_in(self, element: Element) -> list[Element]:
        found: list[Element] = []
        for child in elements_in(element):
            if child.tag in (qname(AFP, "Rule"), qname(BASIC, "Rule")):
                found.append(child)
            elif child.tag in (qname(AFP, "RuleReference"), qname(BASIC, "RuleReference")):
                found.append(self.referred(child))
            else:
                raise self.source.refuse("aa.shibboleth_element", child, expected="Rule", found=str(child.tag)[:200])
        return found

    def referred(self, element: Element) -> Element:
        """The rule that a reference means. Raises `ConfigurationError` ``aa.shibboleth_reference``."""
        id_ = self.source.required(element, "ref")
        if id_ not in self.named:
            raise self.source.refuse("aa.shibboleth_reference", element, expected="an id in this file", found=id_)
        return self.named[id_]

    def untold(self, element: Element, type_: str, reason: Reason, detail: str = "") -> Part:
        """What release policies have no words for; each is another one, whatever it has in common with others."""
        return Part(self.without_words(element, type_, reason, detail))

    def without_words(self, element: Element, type_: str, reason: Reason, detail: str = "") -> Untold:
        """The same, not yet part of a formula."""
        return Untold(line_of(element), type_, reason, detail, next(self._read))

    def text_test(self, element: Element, key: str, *, one_line: bool = True) -> TextTest:
        """The test on a text that ``value`` or ``regex`` (``key``) makes; ``one_line`` where such texts hold no line end, as URIs do.
        Raises `Refusal` for a regex without an equal."""
        text = _fits(self.source.required(element, key))
        ignore_case = not self._case_counts(element)
        if key in ("value", "attributeValue"):
            return TextTest(pattern=pattern_ignoring_case(text)) if ignore_case else TextTest(exact=frozenset({text}))
        return TextTest(pattern=pattern_of(text, ignore_case=ignore_case, one_line=one_line))

    def value_test(self, element: Element, attribute_id: str) -> ValueText | Untold | None:
        """The test of a Value or ValueRegex rule on values of ``attribute_id``: of a scoped value Shibboleth looks at the part before the
        ``@`` only. Raises `Refusal` for a regex without an equal."""
        scoped = self._scoped(element, attribute_id)
        if isinstance(scoped, Untold):
            return scoped
        test = self.text_test(element, self.key(element), one_line=False)
        if not scoped:
            return ValueText(exact=test.exact, pattern=test.pattern)
        name = self.translation.ids.name(attribute_id)
        if test.exact and name in SCOPED:
            return ValueText(left=_as_kept(name, test.exact))
        before = test.pattern if test.pattern is not None else pattern_of_texts(test.exact)
        return ValueText(pattern=checked_pattern(f"({before})@[^@]*"))

    def scope_test(self, element: Element, attribute_id: str) -> ValueText | Untold | None:
        """The test of a Scope or ScopeRegex rule; None where values of the attribute have no scope. Raises as `value_test`."""
        scoped = self._scoped(element, attribute_id)
        if isinstance(scoped, Untold):
            return scoped
        if not scoped:
            return None
        if self.key(element) == "regex":
            regex = self.source.required(element, "regex")
            scope = pattern_of(regex, ignore_case=not self._case_counts(element), without="@")
            return ValueText(pattern=checked_pattern(f"[\\s\\S]*@({scope})"))
        test = self.text_test(element, "value")
        if any("@" in scope for scope in test.exact) or "@" in (test.pattern or ""):
            return None
        name = self.translation.ids.name(attribute_id)
        if test.exact and name in SCOPED:
            return ValueText(scope=_as_kept(name, test.exact))
        behind = test.pattern if test.pattern is not None else pattern_of_texts(test.exact)
        return ValueText(pattern=checked_pattern(f"[\\s\\S]*@({behind})"))

    def _scoped(self, element: Element, attribute_id: str) -> bool | Untold:
        """Whether values of the attribute have a scope."""
        ids = self.translation.ids
        scoped = ids.has_scope(attribute_id)
        type_ = self.source.type_of(element)[1]
        if scoped is None:
            return self.without_words(element, type_, "scope_unknown", attribute_id)
        if scoped and attribute_id not in ids.scoped and "@" in element.get("value", ""):
            # By standards it has one; but then no part of a value has an @.
            return self.without_words(element, type_, "scope_unknown", attribute_id)
        if ids.name(attribute_id) in CASE_INSENSITIVE and self.key(element) == "regex":
            return self.without_words(element, type_, "lower_case", attribute_id)
        return scoped

    def key(self, element: Element) -> str:
        """The XML attribute that holds what a rule compares with."""
        return "regex" if self.source.type_of(element)[1].endswith("Regex") else "value"

    def _case_counts(self, element: Element) -> bool:
        ignored = self.source.boolean(element, "ignoreCase", False)
        return self.source.boolean(element, "caseSensitive", not ignored)


_Reader = Callable[[RuleReader, Element, str | None], Formula]


def _as_kept(name: str, texts: frozenset[str]) -> frozenset[str]:
    """In lower case where values of the attribute are kept so."""
    return frozenset(text.lower() for text in texts) if name in CASE_INSENSITIVE else texts


def _fits(text: str) -> str:
    """The text, unless it is longer than policies take."""
    if len(text) > MAX_TEXT:
        raise Refusal("aa.shibboleth_regex", expected=f"at most {MAX_TEXT} characters", found=len(text))
    return text


def _any(_reader: RuleReader, _element: Element, _about: str | None) -> Formula:
    return ALWAYS


def _inbound(_reader: RuleReader, _element: Element, _about: str | None) -> Formula:
    return NEVER


def _requester(reader: RuleReader, element: Element, _about: str | None) -> Formula:
    return Part(RequesterName(reader.text_test(element, reader.key(element))))


def _entity_attribute(reader: RuleReader, element: Element, _about: str | None) -> Formula:
    name = _fits(reader.source.required(element, "attributeName"))
    return Part(RequesterAttribute(name, reader.text_test(element, "attributeValue")))


def _entity_attribute_regex(reader: RuleReader, element: Element, _about: str | None) -> Formula:
    name = _fits(reader.source.required(element, "attributeName"))
    return Part(RequesterAttribute(name, reader.text_test(element, "attributeValueRegex")))


def _registration(reader: RuleReader, element: Element, _about: str | None) -> Formula:
    listed = frozenset(_fits(text) for text in reader.source.required(element, "registrars").split())
    registered = Part(RegisteredBy(listed))
    if not reader.source.boolean(element, "matchIfMetadataSilent", False):
        return registered
    return Some((registered, reader.untold(element, "RegistrationAuthority", "silent")))


def _group(reader: RuleReader, element: Element, _about: str | None) -> Formula:
    group = reader.source.required(element, "groupID")
    authorities = reader.translation.groups.get(group)
    if authorities is None:
        return reader.untold(element, "InEntityGroup", "group", group)
    return Part(RegisteredBy(authorities))


def _in_metadata(reader: RuleReader, element: Element, about: str | None) -> Formula:
    only_required = reader.source.boolean(element, "onlyIfRequired", True)
    silent = reader.source.boolean(element, "matchIfMetadataSilent", False)
    type_ = reader.source.type_of(element)[1]
    if about is None or element.get("attributeID") is not None:
        return reader.untold(element, type_, "other_attribute", element.get("attributeID", ""))
    name = element.get("attributeName")
    if name is not None:
        meant = friendly_name(name, element.get("attributeNameFormat", URI_NAME))
        if meant != reader.translation.ids.name(about):
            return reader.untold(element, type_, "other_attribute", name)
    asked = Part(AskedFor(only_required))
    return Some((asked, reader.untold(element, type_, "silent"))) if silent else asked


def _principal(reader: RuleReader, element: Element, _about: str | None) -> Formula:
    test = reader.text_test(element, reader.key(element), one_line=False)
    attribute = reader.translation.principal_name
    if attribute is None:
        return reader.untold(element, "PrincipalName", "principal")
    return Part(PersonHas(attribute, ValueText(exact=test.exact, pattern=test.pattern)))


def _method(reader: RuleReader, element: Element, _about: str | None) -> Formula:
    return Part(LoggedInBy(reader.text_test(element, reader.key(element))))


def _count(reader: RuleReader, element: Element, _about: str | None) -> Formula:
    attribute = element.get("attributeID") or element.get("attributeId") or ""
    if not attribute.strip():
        raise reader.source.refuse("aa.shibboleth_missing", element, expected="attributeID", found="nothing")
    numbers: list[int] = []
    for key in ("minimum", "maximum"):
        text = reader.source.required(element, key)
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise reader.source.refuse("aa.shibboleth_value", element, expected=f"{key}: a number", found=text)
        numbers.append(int(text))
    name = reader.translation.ids.name(attribute.strip())
    if not is_usable(name):
        return reader.untold(element, "NumberOfAttributeValues", "name", name)
    if numbers[0] > min(numbers[1], MAX_NUMBER):
        return NEVER
    return Part(PersonCount(name, max(numbers[0], 1), numbers[1]))


def _value(reader: RuleReader, element: Element, about: str | None) -> Formula:
    return _tested(reader, element, about, reader.value_test)


def _scope(reader: RuleReader, element: Element, about: str | None) -> Formula:
    return _tested(reader, element, about, reader.scope_test)


def _tested(
    reader: RuleReader,
    element: Element,
    about: str | None,
    make: Callable[[Element, str], ValueText | Untold | None],
) -> Formula:
    """A rule on values: of the attribute that is decided about, or, with an attributeID of its own, a condition on the person."""
    other = element.get("attributeID", "").strip()
    attribute_id = other or about
    if attribute_id is None:
        return reader.untold(element, reader.source.type_of(element)[1], "any_attribute")
    test = make(element, attribute_id)
    if test is None:
        return NEVER
    if isinstance(test, Untold):
        return Part(test)
    if not other:
        return Part(OwnValue(test))
    name = reader.translation.ids.name(other)
    if not is_usable(name):
        return reader.untold(element, reader.source.type_of(element)[1], "name", name)
    return Part(PersonHas(name, test))


_READERS: Final[Mapping[str, _Reader]] = MappingProxyType(
    {
        "ANY": _any,
        "Outbound": _any,
        "Inbound": _inbound,
        "Requester": _requester,
        "RequesterRegex": _requester,
        "EntityAttributeExactMatch": _entity_attribute,
        "EntityAttributeRegexMatch": _entity_attribute_regex,
        "RegistrationAuthority": _registration,
        "InEntityGroup": _group,
        "AttributeInMetadata": _in_metadata,
        "MappedAttributeInMetadata": _in_metadata,
        "PrincipalName": _principal,
        "PrincipalNameRegex": _principal,
        "AuthenticationMethod": _method,
        "AuthenticationMethodRegex": _method,
        "NumberOfAttributeValues": _count,
        "Value": _value,
        "ValueRegex": _value,
        "Scope": _scope,
        "ScopeRegex": _scope,
    }
)

RULE_TYPES: Final = frozenset({"AND", "OR", "NOT", *_READERS})
"""The types that have an equal, by their names of today."""
