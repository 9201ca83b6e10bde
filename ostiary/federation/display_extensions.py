"""What people are shown of a role: mdui:UIInfo and mdui:DiscoHints (MDUI 1.0). What members write there is hostile until it is cleaned."""

import re
from collections.abc import Sequence
from typing import Final

from ostiary.federation.endpoints import is_link
from ostiary.federation.model import Display, LocalizedText, Logo
from ostiary.federation.shown_text import LONGEST_NAME, LONGEST_TEXT, shown_text
from ostiary.saml import names
from ostiary.saml.xml import Children, Element, qname

MOST: Final = 200
"""Of each kind: more texts, logos or hints than there are languages are nobody's honest metadata."""
LONGEST_LOGO: Final = 131_072
_LONGEST_HINT: Final = 255
LONGEST_LANGUAGE: Final = 35

LANG: Final = qname(names.XML, "lang")
INFORMATION: Final = qname(names.MDUI, "UIInfo")
HINTS: Final = qname(names.MDUI, "DiscoHints")
_DISPLAY_NAME, _DESCRIPTION, _KEYWORDS, _LOGO, _INFORMATION_URL, _PRIVACY_STATEMENT_URL = (
    qname(names.MDUI, name)
    for name in ("DisplayName", "Description", "Keywords", "Logo", "InformationURL", "PrivacyStatementURL")
)
_DOMAIN_HINT, _IP_HINT, _GEOLOCATION_HINT = (
    qname(names.MDUI, name) for name in ("DomainHint", "IPHint", "GeolocationHint")
)

# Pictures that can't hold a script; SVG can.
_PICTURE: Final = re.compile(r"data:image/(?:png|jpeg|gif);base64,[A-Za-z0-9+/]+={0,2}", re.IGNORECASE)
_NOTHING: Final = Display()


def read_display(extensions: Children) -> Display:
    """Of the Extensions of a role. Left out are: empty texts, links that are not http or https, logos that are neither these nor a PNG,
    JPEG or GIF in a ``data:`` URL. Raises `Refusal` (``xml.repeated_element``) for a second UIInfo: nobody knows which name is meant."""
    info, hints = extensions.one(INFORMATION), extensions.one(HINTS)
    if info is None and hints is None:
        return _NOTHING
    said = Children(info if info is not None else ())
    domains, networks, places = read_hints(Children(hints)) if hints is not None else ((), (), ())
    return Display(
        names=read_localized(said.all(_DISPLAY_NAME)),
        descriptions=read_localized(said.all(_DESCRIPTION), LONGEST_TEXT),
        keywords=read_localized(said.all(_KEYWORDS), LONGEST_TEXT),
        logos=read_logos(said.all(_LOGO)),
        information_urls=read_links(said.all(_INFORMATION_URL)),
        privacy_statement_urls=read_links(said.all(_PRIVACY_STATEMENT_URL)),
        domain_hints=domains,
        ip_hints=networks,
        geolocation_hints=places,
    )


def read_hints(hints: Children) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Of mdui:DiscoHints: domains, networks and geo: URIs, those that are printable and not too long."""
    return _hints(hints.all(_DOMAIN_HINT)), _hints(hints.all(_IP_HINT)), _hints(hints.all(_GEOLOCATION_HINT))


def read_localized(elements: Sequence[Element], longest: int = LONGEST_NAME) -> tuple[LocalizedText, ...]:
    """Texts with their language, cleaned by `shown_text`; those that are empty then are left out, and those in which an element stands:
    nobody knows what such a text is."""
    if not elements:
        return ()
    return tuple(
        [
            LocalizedText(text, one.get(LANG, "")[:LONGEST_LANGUAGE])
            for one in elements[:MOST]
            if not len(one) and (text := shown_text(one.text or "", longest))
        ]
    )


def read_links(elements: Sequence[Element]) -> tuple[LocalizedText, ...]:
    """Links with their language, as `is_link` allows them."""
    if not elements:
        return ()
    return tuple(
        [
            LocalizedText(url, one.get(LANG, "")[:LONGEST_LANGUAGE])
            for one in elements[:MOST]
            if not len(one) and is_link(url := (one.text or "").strip())
        ]
    )


def read_logos(elements: Sequence[Element]) -> tuple[Logo, ...]:
    """Logos with their size: links, and pictures in ``data:`` URLs that can hold no script."""
    return tuple(
        [
            Logo(url, _pixels(one, "width"), _pixels(one, "height"), one.get(LANG))
            for one in elements[:MOST]
            if not len(one) and _is_picture(url := "".join((one.text or "").split()))
        ]
    )


def _is_picture(url: str) -> bool:
    return is_link(url) or (len(url) <= LONGEST_LOGO and _PICTURE.fullmatch(url) is not None)


def _pixels(logo: Element, name: str) -> int:
    text = logo.get(name, "0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0


def _hints(elements: Sequence[Element]) -> tuple[str, ...]:
    found = [(one.text or "").strip() for one in elements[:MOST] if not len(one)]
    return tuple([hint for hint in found if 0 < len(hint) <= _LONGEST_HINT and hint.isprintable()])
