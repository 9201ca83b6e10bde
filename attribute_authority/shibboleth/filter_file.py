"""Reads an attribute-filter.xml: its policies, each with a requirement and the rules for attributes. Translates nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from attribute_authority.shibboleth.formula import ALWAYS, Formula
from attribute_authority.shibboleth.rule_types import AFP, BASIC, RuleReader, Translation
from attribute_authority.shibboleth.source import SourceFile, elements_in, line_of, local_name, read_source
from ostiary.saml.xml import Element, children, qname

_GROUP: Final = "AttributeFilterPolicyGroup"
_POLICY: Final = "AttributeFilterPolicy"
# What others may refer to by its id (Shibboleth 2 and 3).
_NAMED: Final = {
    qname(AFP, name) for name in ("PolicyRequirementRule", "AttributeRule", "PermitValueRule", "DenyValueRule", "Rule")
} | {qname(BASIC, "Rule")}


@dataclass(frozen=True, slots=True)
class FilterRule:
    """A rule about one attribute (its attributeID): the values for which the formula holds are permitted, or denied."""

    attribute_id: str
    line: int
    denies: bool
    formula: Formula


@dataclass(frozen=True, slots=True)
class FilterPolicy:
    """One AttributeFilterPolicy: ``rules`` apply where ``requirement`` holds."""

    id: str
    line: int
    requirement: Formula
    rules: tuple[FilterRule, ...]


def read_filter(data: bytes, file: Path, translation: Translation) -> tuple[FilterPolicy, ...]:
    """The policies of the file, in its order.

    Raises `ConfigurationError` with file and line: ``xml.*`` for what is no such XML, ``aa.shibboleth_*`` for what Shibboleth would refuse,
    too (unknown elements and types, references to nothing or in a circle, an id given twice).
    """
    root = read_source(data, file, AFP, _GROUP, _POLICY)
    source = SourceFile(file)
    policies = [root] if root.tag == qname(AFP, _POLICY) else list(children(root, AFP, _POLICY))
    _refuse_other_elements(root, source)
    reader = _FilterReader(source, RuleReader(source, translation, _by_id(root, source)))
    return tuple(reader.policy(element, number) for number, element in enumerate(policies, start=1))


def _by_id(root: Element, source: SourceFile) -> Mapping[str, Element]:
    found: dict[str, Element] = {}
    for element in root.iter():
        id_ = element.get("id")
        if id_ is None or not isinstance(element.tag, str) or element is root:
            continue
        if id_ in found:
            before = f"{id_}, also in line {line_of(found[id_])}"
            raise source.refuse("aa.shibboleth_duplicate", element, expected="each id once", found=before)
        found[id_] = element
    return {id_: element for id_, element in found.items() if element.tag in _NAMED}


def _refuse_other_elements(root: Element, source: SourceFile) -> None:
    if root.tag == qname(AFP, _POLICY):
        return
    known = {qname(AFP, _POLICY), *_NAMED}
    for element in elements_in(root):
        if element.tag not in known:
            raise source.refuse("aa.shibboleth_element", element, expected=_POLICY, found=str(element.tag)[:200])


@dataclass(frozen=True, slots=True)
class _FilterReader:
    source: SourceFile
    rules: RuleReader

    def policy(self, element: Element, number: int) -> FilterPolicy:
        requirement: Formula | None = None
        rules: list[FilterRule] = []
        for child in elements_in(element):
            match self._kind(child):
                case "PolicyRequirementRule" | "PolicyRequirementRuleReference" if requirement is None:
                    requirement = self.rules.read(self._meant(child, "PolicyRequirementRule"), None)
                case "AttributeRule" | "AttributeRuleReference":
                    rules.append(self._attribute_rule(self._meant(child, "AttributeRule")))
                case _:
                    raise self._unexpected(child, "one PolicyRequirementRule, then AttributeRule")
        if requirement is None:
            raise self.source.refuse(
                "aa.shibboleth_missing", element, expected="PolicyRequirementRule", found="nothing"
            )
        return FilterPolicy(element.get("id") or f"policy {number}", line_of(element), requirement, tuple(rules))

    def _attribute_rule(self, element: Element) -> FilterRule:
        attribute_id = self.source.required(element, "attributeID")
        found: list[tuple[bool, Formula]] = []
        for child in elements_in(element):
            kind = self._kind(child)
            name = kind.removesuffix("Reference")
            if name not in ("PermitValueRule", "DenyValueRule"):
                raise self._unexpected(child, "PermitValueRule or DenyValueRule")
            found.append((name == "DenyValueRule", self.rules.read(self._meant(child, name), attribute_id)))
        permit_any = self.source.boolean(element, "permitAny", False)
        if not found and permit_any:
            found.append((False, ALWAYS))
        if len(found) != 1:
            raise self.source.refuse(
                "aa.shibboleth_missing",
                element,
                expected='one PermitValueRule or DenyValueRule, or permitAny="true"',
                found=len(found),
            )
        denies, formula = found[0]
        return FilterRule(attribute_id, line_of(element), denies, formula)

    def _kind(self, element: Element) -> str:
        if element.tag != qname(AFP, local_name(element)):
            raise self._unexpected(element, f"an element of {AFP}")
        return local_name(element)

    def _meant(self, element: Element, name: str) -> Element:
        """The element, or the one that it refers to, which has to be of that name."""
        if not local_name(element).endswith("Reference"):
            return element
        meant = self.rules.referred(element)
        if local_name(meant) != name:
            raise self.source.refuse(
                "aa.shibboleth_reference", element, expected=f"the id of a {name}", found=local_name(meant)
            )
        return meant

    def _unexpected(self, element: Element, expected: str) -> Exception:
        return self.source.refuse("aa.shibboleth_element", element, expected=expected, found=str(element.tag)[:200])
