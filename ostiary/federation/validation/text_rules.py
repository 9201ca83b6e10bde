"""Rules for texts that people read: each with its language, none empty, none that could mislead or attack the page that shows it."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from lxml import etree

from ostiary.federation.validation.descriptor import LANG, EntityView, words_of
from ostiary.federation.validation.findings import Complaint, complain
from ostiary.saml import names
from ostiary.saml.xml import Element, qname

_WITH_LANGUAGE: Final = (
    *(qname(names.MD, name) for name in ("OrganizationName", "OrganizationDisplayName", "OrganizationURL")),
    *(qname(names.MD, name) for name in ("ServiceName", "ServiceDescription")),
    *(
        qname(names.MDUI, name)
        for name in ("DisplayName", "Description", "Keywords", "InformationURL", "PrivacyStatementURL")
    ),
    qname(names.MDRPI, "RegistrationPolicy"),
)
_TAG: Final = re.compile(r"(?:[A-Za-z]{2,3}|x)(?:-[A-Za-z0-9]{1,8})*")
_MARKUP: Final = re.compile(r"<\s*[A-Za-z/!]|&#?\w+;|javascript:", re.IGNORECASE)
# Characters that turn the direction of what stands after them (Unicode Standard Annex 9), so that one name looks like another.
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def text_rules(view: EntityView) -> Iterator[Complaint]:
    """SAML metadata 2.2.4, MDUI 2.1 and 3: xml:lang on each text, one text for each language, plain characters."""
    seen: set[tuple[Element | None, str, str]] = set()
    for element in view.element.iter(*_WITH_LANGUAGE):
        local, language, text = etree.QName(element).localname, element.get(LANG), words_of(element)
        if language is None:
            yield complain("text.language_missing", element, part=local)
        elif not _TAG.fullmatch(language):
            yield complain("text.language_tag", element, part=local, found=language or "-")
        key = (element.getparent(), str(element.tag), (language or "").lower())
        if key in seen and language is not None:
            yield complain("text.language_repeated", element, part=local, language=language)
        seen.add(key)
        if not text:
            yield complain("text.empty", element, part=local)
        elif (odd := _odd(text)) is not None:
            yield complain("text.characters", element, part=local, found=odd)


def _odd(text: str) -> str | None:
    """What should not be in a text of a page: markup, control characters, characters that turn the direction."""
    for character in text:
        if character in _TURNING or (unicodedata.category(character) == "Cc" and character not in "\t\n\r"):
            return f"U+{ord(character):04X}"
    found = _MARKUP.search(text)
    return found[0] if found else None
