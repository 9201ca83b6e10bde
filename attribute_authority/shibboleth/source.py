"""A file of a Shibboleth IdP as one hardened, bounded tree; what is wrong in it is named by file and line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lxml import etree

from ostiary.errors import ConfigurationError, Refusal
from ostiary.saml.names import XSI
from ostiary.saml.xml import Element, Limits, parse_xml, qname

LIMITS: Final = Limits(
    max_bytes=16_777_216, max_depth=60, max_elements=300_000, max_attributes=60, max_namespaces=20_000
)
_LINE: Final = re.compile(r", line ([0-9]+)")
XSI_TYPE: Final = qname(XSI, "type")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """Where the elements stand, for errors."""

    path: Path

    def refuse(self, code: str, element: Element, *, expected: object = "", found: object = "") -> ConfigurationError:
        """The error about ``element``."""
        return ConfigurationError(
            code, file=self.path, line=line_of(element), key=local_name(element), expected=expected, found=found
        )

    def required(self, element: Element, attribute: str) -> str:
        """The value of an XML attribute. Raises `ConfigurationError` ``aa.shibboleth_missing`` when it is not there, or empty."""
        value = element.get(attribute, "").strip()
        if not value:
            raise self.refuse("aa.shibboleth_missing", element, expected=attribute, found="nothing")
        return value

    def boolean(self, element: Element, attribute: str, default: bool) -> bool:
        """An xs:boolean. Raises `ConfigurationError` ``aa.shibboleth_value``, for a property that is filled in elsewhere too."""
        match element.get(attribute, "").strip():
            case "":
                return default
            case "true" | "1":
                return True
            case "false" | "0":
                return False
            case other:
                raise self.refuse("aa.shibboleth_value", element, expected=f"{attribute}: true or false", found=other)

    def type_of(self, element: Element) -> tuple[str, str]:
        """Namespace and name of the element's xsi:type. Raises `ConfigurationError` ``aa.shibboleth_missing`` or ``aa.shibboleth_type``."""
        written = self.required(element, XSI_TYPE)
        prefix, colon, name = written.rpartition(":")
        namespace = element.nsmap.get(prefix if colon else None)
        if namespace is None:
            expected = f"a declaration of the prefix {prefix}" if colon else "a prefix, or a default namespace"
            raise self.refuse("aa.shibboleth_type", element, expected=expected, found=written)
        return namespace, name


def read_source(data: bytes, file: Path, namespace: str, *roots: str) -> Element:
    """The root, one of ``roots`` of ``namespace``. Raises `ConfigurationError` (``xml.*``, ``aa.shibboleth_root``)."""
    try:
        root = parse_xml(data, LIMITS)
    except Refusal as problem:
        raise ConfigurationError(
            problem.code, file=file, line=_line_in(data, problem), expected=problem.expected, found=problem.found
        ) from None
    if root.tag not in {qname(namespace, name) for name in roots}:
        raise ConfigurationError(
            "aa.shibboleth_root",
            file=file,
            line=line_of(root),
            key=local_name(root),
            expected=f"{' or '.join(roots)} of {namespace}",
            found=str(root.tag)[:200],
        )
    return root


def elements_in(element: Element) -> Iterator[Element]:
    """The child elements."""
    return (child for child in element if isinstance(child.tag, str))


def local_name(element: Element) -> str:
    """The name without its namespace."""
    return etree.QName(element).localname


def line_of(element: Element) -> int:
    """Where the element begins, counted from 1."""
    return int(element.sourceline or 1)


def _line_in(data: bytes, problem: Refusal) -> int | None:
    """Where the problem is, as far as the parser or a look at the bytes tells."""
    if problem.code == "xml.doctype":
        found = [at for mark in (b"<!DOCTYPE", b"<!ENTITY") if (at := data.find(mark)) >= 0]
        return data.count(b"\n", 0, min(found)) + 1 if found else None
    told = _LINE.search(problem.found)
    return int(told[1]) if told is not None else None
