"""The OASIS schemas (as pysaml2 ships them), compiled once by lxml. Checks form only; says nothing about trust."""

import functools
import threading
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from lxml import etree

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.xml import Element

if TYPE_CHECKING:
    from lxml.etree._docloader import _InputDocument

Kind = Literal["protocol", "metadata", "soap"]
# What finds the files of imports is one for the whole process in libxml2: another thread that compiles, or parses, may take it away.
# Then an import is missing, and the schema does not compile.
_COMPILING: Final = threading.Lock()
_ATTEMPTS: Final = 20
_MOST_COMPLAINTS: Final = 50

_ROOTS: Final[dict[Kind, tuple[tuple[str, str], ...]]] = {
    "protocol": (
        (names.SAMLP, "saml-schema-protocol-2.0.xsd"),
        (names.SAML, "saml-schema-assertion-2.0.xsd"),
        # The parameters of RSA-OAEP: what stands in EncryptionMethod has to be declared.
        (names.XENC11, "xenc-schema-11.xsd"),
    ),
    "metadata": (
        (names.MD, "saml-schema-metadata-2.0.xsd"),
        (names.MDUI, "sstc-saml-metadata-ui-v1.0.xsd"),
        (names.MDATTR, "sstc-metadata-attr.xsd"),
        (names.XENC11, "xenc-schema-11.xsd"),
    ),
    "soap": ((names.SOAP11, "envelope.xsd"),),
}


def shipped_by_pysaml2(*parts: str) -> Path:
    """A file inside the pysaml2 distribution, found without importing it (its import pulls in a second XML stack)."""
    spec = find_spec("saml2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pysaml2 is not installed")
    return Path(spec.origin).parent.joinpath(*parts)


def check_schema(element: Element, kind: Kind) -> None:
    """Raises `Refusal` (``xml.schema``) with the first complaint unless the element, in place, follows its schema."""
    schema = _compiled(kind)
    if not schema.validate(element):
        # The log belongs to the shared schema object; another thread may have emptied it meanwhile.
        first = next(iter(schema.error_log), None)
        raise Refusal(
            "xml.schema",
            expected=f"a valid SAML 2.0 {kind} document",
            found=f"line {first.line}: {first.message[:300]}" if first is not None else "invalid",
        )


def schema_complaints(element: Element, kind: Kind) -> tuple[tuple[int, str], ...]:
    """Everything that the schema finds wrong in an element, in place: line (from 1) and message, bounded in number and length."""
    schema = _compiled(kind)
    if schema.validate(element):
        return ()
    found = tuple((entry.line, entry.message[:300]) for entry in islice(schema.error_log, _MOST_COMPLAINTS))
    return found or ((element.sourceline or 0, "invalid"),)


class _ByFileName(etree.Resolver):
    """Maps each import, which names an address on the network, to the file of the same name that is shipped."""

    def resolve(self, system_url: str | None, public_id: str | None, context: Any) -> "_InputDocument | None":
        path = shipped_by_pysaml2("data", "schemas", (system_url or "").rsplit("/", 1)[-1])
        return self.resolve_filename(str(path), context)


@functools.cache
def _compiled(kind: Kind) -> etree.XMLSchema:
    with _COMPILING:
        for _ in range(_ATTEMPTS - 1):
            try:
                return _compile(kind)
            except etree.XMLSchemaParseError:
                continue
        return _compile(kind)


@functools.cache
def _compile(kind: Kind) -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True, load_dtd=False, resolve_entities=False)
    parser.resolvers.add(_ByFileName())
    schema = etree.Element("{http://www.w3.org/2001/XMLSchema}schema")
    for namespace, name in _ROOTS[kind]:
        imported = etree.SubElement(schema, "{http://www.w3.org/2001/XMLSchema}import")
        imported.set("namespace", namespace)
        imported.set("schemaLocation", shipped_by_pysaml2("data", "schemas", name).as_uri())
    return etree.XMLSchema(etree.fromstring(etree.tostring(schema), parser))
