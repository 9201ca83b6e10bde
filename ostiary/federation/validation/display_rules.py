"""Rules for what people see of an entity: names, descriptions, logos, links (MDUI 1.0). Pure functions; fetches nothing."""

import base64
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from ostiary.federation.validation.addresses import split_address
from ostiary.federation.validation.descriptor import EntityView, RoleView, all_of, in_language, words_of
from ostiary.federation.validation.findings import Complaint, complain
from ostiary.saml import names
from ostiary.saml.xml import Element

MAX_DESCRIPTION: Final = 140
MAX_DATA_LOGO: Final = 50_000
_PIXELS: Final = range(8, 2_001)
_WIDEST: Final = 10
_DATA: Final = re.compile(r"data:(image/(?:png|jpeg|gif|webp|svg\+xml))((?:;[a-z0-9=+.-]+)*),", re.IGNORECASE)
_SCRIPT: Final = re.compile(
    rb"<\s*(?:\w+:)?(?:script|foreignObject|iframe)|\son[a-z]+\s*=|javascript:|<!ENTITY", re.IGNORECASE
)


def display_rules(view: EntityView) -> Iterator[Complaint]:
    """MDUI 2.1, 2.1.5 and 3; SDP-MD09, SDP-MD10; eduGAIN SAML profile 4."""
    for misplaced in all_of(view.extensions, names.MDUI, "UIInfo"):
        yield complain("display.misplaced", misplaced)
    for role in view.of("idp", "sp"):
        for repeated in list(all_of(role.extensions, names.MDUI, "UIInfo"))[1:]:
            yield complain("display.repeated", repeated)
        yield from _names(role)
        yield from _logos(role)
        for link in all_of(role.ui, names.MDUI, "InformationURL", "PrivacyStatementURL"):
            if split_address(words_of(link)) is None:
                yield complain("display.link", link, found=words_of(link) or "-")


def _names(role: RoleView) -> Iterator[Complaint]:
    shown = list(all_of(role.ui, names.MDUI, "DisplayName"))
    if not any(map(words_of, shown)):
        yield complain("display.name_missing", role.element)
    elif not in_language(shown):
        yield complain("display.name_english", shown[0])
    described = list(all_of(role.ui, names.MDUI, "Description"))
    longest = max((len(words_of(one)) for one in described), default=0)
    if not in_language(described) or longest > MAX_DESCRIPTION:
        yield complain("display.description", described[0] if described else role.element, most=MAX_DESCRIPTION)


def _logos(role: RoleView) -> Iterator[Complaint]:
    logos = list(all_of(role.ui, names.MDUI, "Logo"))
    if not logos:
        yield complain("display.logo_missing", role.element)
    for logo in logos:
        width, height = logo.get("width", ""), logo.get("height", "")
        if not _plausible(width, height):
            yield complain("display.logo_size", logo, found=f"{width or '-'} x {height or '-'}")
        address = words_of(logo)
        if address[:5].lower() == "data:":
            yield from _data(logo, address)
            continue
        parts = split_address(address)
        if parts is None or parts.scheme != "https":
            yield complain("display.logo_address", logo, found=address or "-")


def _plausible(width: str, height: str) -> bool:
    """A size in pixels (MDUI 2.1.5) that a page could show."""
    if not all(text.isascii() and text.isdecimal() and len(text) < 6 for text in (width, height)):
        return False
    small, large = sorted((int(width), int(height)))
    return small in _PIXELS and large in _PIXELS and large <= small * _WIDEST


def _data(logo: Element, address: str) -> Iterator[Complaint]:
    """An image in the metadata itself (RFC 2397), which each reader of the metadata has to carry."""
    if len(address) > MAX_DATA_LOGO:
        yield complain("display.logo_data_large", logo, found=len(address), most=MAX_DATA_LOGO)
    kind = _DATA.match(address)
    image = _decoded(address[kind.end() :], kind[2]) if kind is not None else None
    if kind is None or not image:
        yield complain("display.logo_data", logo, found=address[:60])
    elif kind[1].lower() == "image/svg+xml" and _SCRIPT.search(image):
        yield complain("display.logo_script", logo)


def _decoded(text: str, parameters: str) -> bytes | None:
    if ";base64" not in parameters.lower():
        return unquote_to_bytes(text)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return None
