"""A SAML message for the eye: indented, long base64 cut short, in colour. What is verified or saved is never this text."""

import copy
import re
from typing import Final

from lxml import etree
from rich.text import Text

from ostiary.command.trace.shown import Veil
from ostiary.saml import names
from ostiary.saml.xml import Element, qname

_LONG: Final = tuple(qname(names.DS, name) for name in ("X509Certificate", "SignatureValue", "Modulus"))
_TOKEN: Final = re.compile(
    r'(?P<tag></?[\w:.-]+|/?>)|(?P<name>[\w:.-]+)(?==")|(?P<value>"[^"]*")|(?P<text>[^<>"\s=][^<]*|.)'
)
_STYLES: Final = {"tag": "cyan", "name": "green", "value": "yellow", "text": ""}


def pretty_xml(element: Element, veil: Veil) -> list[Text]:
    """The lines of the message."""
    shown = copy.deepcopy(element)
    shown.tail = None
    for part in shown.iter(*_LONG):
        text = "".join((part.text or "").split())
        if len(text) > 60:
            part.text = f"{text[:24]}… ({len(text)} characters)"
    etree.indent(shown, space="  ")
    return [_coloured(veil.show(line)) for line in etree.tostring(shown, encoding="unicode").splitlines()]


def _coloured(line: str) -> Text:
    text = Text(no_wrap=False)
    inside_tag = False
    for token in _TOKEN.finditer(line):
        kind = token.lastgroup or "text"
        if kind == "tag":
            inside_tag = not token.group().endswith(">")
        elif not inside_tag:
            kind = "text"
        text.append(token.group(), style=_STYLES[kind])
    return text
