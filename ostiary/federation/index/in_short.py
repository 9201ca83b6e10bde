"""What the index keeps of an entity in short, straight from the tree: what `summary_of` makes of the entity when it is read whole, without
its keys and most of its endpoints. Reads only.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from ostiary.federation.display_extensions import LANG, LONGEST_LANGUAGE, MOST, read_hints, read_logos
from ostiary.federation.endpoints import is_usable_location
from ostiary.federation.entity_extensions import read_entity_attributes, read_scopes
from ostiary.federation.index.records import InShort, stamp
from ostiary.federation.model import Scope
from ostiary.federation.role_descriptors import EXTENSIONS, supports_saml2
from ostiary.federation.shown_text import LONGEST_NAME, LONGEST_TEXT, shown_text
from ostiary.federation.sources.scopes import may_speak_for
from ostiary.federation.summary import RoleName
from ostiary.saml import names
from ostiary.saml.xml import Children, Element, qname, read_instant

_ORGANIZATION: Final = qname(names.MD, "Organization")
_ORGANIZATION_NAME: Final = qname(names.MD, "OrganizationDisplayName")
_REGISTRATION: Final = qname(names.MDRPI, "RegistrationInfo")
# Each kind of role, and the endpoints without which it is of no use.
_ROLES: Final[tuple[tuple[RoleName, str, str], ...]] = (
    ("idp", qname(names.MD, "IDPSSODescriptor"), qname(names.MD, "SingleSignOnService")),
    ("sp", qname(names.MD, "SPSSODescriptor"), qname(names.MD, "AssertionConsumerService")),
    ("aa", qname(names.MD, "AttributeAuthorityDescriptor"), qname(names.MD, "AttributeService")),
)
_UI_INFO: Final = qname(names.MDUI, "UIInfo")
_DISCO_HINTS: Final = qname(names.MDUI, "DiscoHints")
_DISPLAY_NAME, _KEYWORDS, _LOGO = (qname(names.MDUI, name) for name in ("DisplayName", "Keywords", "Logo"))


_Texts = list[tuple[str, str]]
_Shown = tuple[_Texts, _Texts, list[tuple[str, int, int, str | None]]]
_Hints = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
_NO_HINTS: Final[_Hints] = ((), (), ())
_NO_CHILDREN: Final = Children(())


def in_short(element: Element, limits: Sequence[str] | None) -> InShort:
    """Of an EntityDescriptor, with those domains that ``limits`` allow (`may_speak_for`; None: all).

    Raises `Refusal` for some of the entities that can't be read whole either; does not find everything that is wrong with one.
    """
    extensions = _extensions(element)
    registration = extensions.one(_REGISTRATION)
    roles: list[tuple[RoleName, int | None]] = []
    shown: _Shown | None = None
    hints, domains, bindings = _NO_HINTS, list[str](), list[str]()
    for name, tag, needed in _ROLES:
        # As when it is read whole: the first that supports SAML 2.0 and can be used.
        usable = None
        for role in element.iterchildren(tag):
            if supports_saml2(role) and (usable := _bindings(role, needed)) is not None:
                break
        if usable is None:
            continue
        end = role.get("validUntil")
        roles.append((name, stamp(read_instant(end)) if end is not None else None))
        said = _extensions(role)
        if shown is None:
            shown = _shown(said)
        if name == "idp":
            bindings = usable
            found = said.one(_DISCO_HINTS)
            hints = read_hints(Children(found)) if found is not None else _NO_HINTS
            domains = _domains((*read_scopes(said), *read_scopes(extensions)), limits)
    return (
        roles,
        *(shown if shown is not None else (_organization_names(element), (), ())),
        domains,
        *hints,
        registration.get("registrationAuthority") if registration is not None else None,
        read_entity_attributes(extensions),
        bool(bindings),
        names.SHIBBOLETH_REQUEST in bindings,
    )


def _domains(scopes: Sequence[Scope], limits: Sequence[str] | None) -> list[str]:
    return [
        scope.value for scope in scopes if not scope.is_pattern and (limits is None or may_speak_for(scope, limits))
    ]


def _extensions(element: Element) -> Children:
    found = next(element.iterchildren(EXTENSIONS), None)
    return Children(found) if found is not None else _NO_CHILDREN


def _organization_names(element: Element) -> _Texts:
    organization = next(element.iterchildren(_ORGANIZATION), None)
    return _texts(organization.iterchildren(_ORGANIZATION_NAME), LONGEST_NAME) if organization is not None else []


def _shown(extensions: Children) -> _Shown | None:
    """Names, keywords and logos; None without a name."""
    info = extensions.one(_UI_INFO)
    if info is None:
        return None
    shown = _texts(info.iterchildren(_DISPLAY_NAME), LONGEST_NAME)
    if not shown:
        return None
    logos = [(logo.url, logo.width, logo.height, logo.lang) for logo in read_logos([*info.iterchildren(_LOGO)])]
    return shown, _texts(info.iterchildren(_KEYWORDS), LONGEST_TEXT), logos


def _texts(elements: Iterable[Element], longest: int) -> _Texts:
    """`read_localized`, as it is kept. There are some fifty thousand of them in a federation."""
    found = []
    for one in islice(elements, MOST):
        if not len(one) and (text := shown_text(one.text or "", longest)):
            found.append((text, one.get(LANG, "")[:LONGEST_LANGUAGE]))
    return found


def _bindings(role: Element, needed: str) -> list[str] | None:
    """The bindings of the endpoints that can be used; None when there are endpoints, and none of them can: then there is no such role."""
    usable = []
    one = None
    for one in role.iterchildren(needed):
        answers = one.get("ResponseLocation")
        if is_usable_location(one.get("Location", "")) and (not answers or is_usable_location(answers)):
            usable.append(one.get("Binding", ""))
    return usable if usable or one is None else None
