"""Composition of the person's own pages at the Attribute Authority: which stores they read, and what else is kept about her."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from attribute_authority.authority import Authority
from attribute_authority.own_page.kept import remembered_requests, told_identifiers
from attribute_authority.own_page.page import OwnPage
from attribute_authority.own_page.releases import Trail
from attribute_authority.pages import SignedIn
from attribute_authority.requesters import find_requester_in
from attribute_authority.settings import AttributeAuthoritySettings
from idp.identifiers.stored import PersistentIds
from ostiary.clock import Clock
from ostiary.consent.general_rule import GeneralRules
from ostiary.consent.store import Choices
from ostiary.federation.registry import Registry

_TOLD_OF_DEFINITIONS: Final = {"attribute", "source", "template", "scope", "merge"}


def make_own_page(
    settings: AttributeAuthoritySettings,
    authority: Authority,
    signed_in: SignedIn,
    registry: Callable[[], Registry],
    engine: Engine,
    clock: Clock,
) -> OwnPage:
    """The pages over ``engine``, the home organisation's database."""
    return OwnPage(
        signed_in=lambda: signed_in.visitor().principal,
        authority=authority,
        find_requester=find_requester_in(registry),
        registry=registry,
        choices=Choices(engine, writer="aa", precedence=authority.precedence),
        rules=GeneralRules(engine, writer="aa", precedence=authority.precedence),
        trail=Trail(engine),
        settings=settings.consent,
        own_entity_id=settings.pages_entity_id,
        now=clock.now,
        origins=_origins(settings),
        also_stored={
            "lasting_names": _lasting_names(PersistentIds(engine)),
            "told_identifiers": told_identifiers(engine),
            "remembered_requests": remembered_requests(engine),
        },
    )


def _origins(settings: AttributeAuthoritySettings) -> Mapping[str, object]:
    """For each attribute its definition, and the connectors (name and kind) from which anything may come. Tables and conditions stay here:
    what stands in them may be about others."""
    connectors = [{"name": one.name, "type": one.type} for one in settings.resolver.connectors]
    return {
        one.attribute: {
            "definition": one.model_dump(mode="json", by_alias=True, exclude_none=True, include=_TOLD_OF_DEFINITIONS),
            "connectors": connectors,
        }
        for one in settings.resolver.definitions
    }


def _lasting_names(names: PersistentIds) -> Callable[[str], object]:
    def stored(principal: str) -> object:
        return [
            {
                "resource": one.sp,
                "name": one.value,
                "issued": _instant(one.issued),
                "revoked": _instant(one.revoked) if one.revoked is not None else None,
            }
            for one in names.all(principal)
        ]

    return stored


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
