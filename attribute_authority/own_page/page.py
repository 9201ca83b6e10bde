"""What the person's pages work with, and what they share: who she is, which resource is meant, what would leave to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from flask import Response, request

from attribute_authority.authority import FindRequester
from attribute_authority.explained import Previews, explain_release
from attribute_authority.own_page.finding import Finder
from attribute_authority.own_page.places import Joined, joined, targets_of
from attribute_authority.own_page.releases import Trail
from attribute_authority.own_page.switches import Sheet, sheet_of
from attribute_authority.pages import sign_out_url
from ostiary.consent.choices import Choice, ReadPurpose
from ostiary.consent.general_rule import GeneralRules
from ostiary.consent.personal import Personal, rule_in_force
from ostiary.consent.purpose import purpose_of
from ostiary.consent.settings import ConsentSettings
from ostiary.consent.store import Choices
from ostiary.errors import Missing
from ostiary.federation.model import Entity
from ostiary.federation.registry import Registry
from ostiary.policy.release import Requester
from ostiary.policy.release.application_domain import domain_of_consumers
from ostiary.policy.release.precedence import NewResources, Precedence
from ostiary.ports import ReleaseRequest
from ostiary.web import incoming
from ostiary.web.forms import Fields, one
from ostiary.web.identity import person
from ostiary.web.service import page as html_page
from ostiary.web.service import public_url_for, shell

MAXIMUM_ENTITY_ID: Final = 1024


class PagesAuthority(Previews, Protocol):
    """The Attribute Authority, as far as her pages ask it."""

    def precedence(self, at: datetime) -> Precedence:
        """What people may decide themselves at the moment."""
        ...

    def about(self, principal: str, at: datetime) -> Mapping[str, tuple[str, ...]]:
        """All that is known about her, by name. Raises `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class OwnPage:
    """``signed_in`` says who sent the present request (`Denied` where nobody can be told); ``authority`` and ``find_requester`` answer what
    would leave; ``registry`` gives the metadata of the moment. ``own_entity_id`` is that of these pages, which are no resource to show.
    ``origins``: where each attribute comes from, in the configuration's words; ``also_stored``: what else is kept about her, by what it is
    called in the download, each a function of her principal that gives something to write as JSON."""

    signed_in: Callable[[], str]
    authority: PagesAuthority
    find_requester: FindRequester
    registry: Callable[[], Registry]
    choices: Choices
    rules: GeneralRules
    trail: Trail
    settings: ConsentSettings
    own_entity_id: str
    now: Callable[[], datetime]
    origins: Mapping[str, object] = field(default_factory=dict)
    also_stored: Mapping[str, Callable[[str], object]] = field(default_factory=dict)
    finder: Finder = field(default_factory=Finder)

    def precedence(self) -> Precedence:
        """What people may decide themselves at the moment."""
        return self.authority.precedence(self.now())


@dataclass(frozen=True, slots=True)
class Looked:
    """One resource as one person sees it at one moment. ``entity`` None: metadata does not know it (any more). ``required``: nothing goes
    there without consent; ``spared``: the organisation alone decides; ``incomplete``: a source did not answer, so something is missing."""

    principal: str
    requester: Requester
    entity: Entity | None
    name: str
    said: Personal
    sheet: Sheet
    purpose: ReadPurpose
    required: bool
    spared: bool
    incomplete: bool
    rule: NewResources

    @property
    def choice(self) -> Choice | None:
        """What she said about it."""
        return self.said.choice

    @property
    def is_taken_back(self) -> bool:
        """Whether she took back what she had said."""
        return self.choice is not None and self.choice.revoked_at is not None

    @property
    def fingerprint(self) -> str:
        """Of what she decides about."""
        return self.sheet.fingerprint(self.principal, self.requester.entity_id)


def her_page(template: str, *, status: int = 200, **values: Any) -> Response:
    """One of these pages in their frame, with the links that each has on top: the word of the catalogue, and the address."""
    endpoints = (("list", "my"), ("rule", "my_default"), ("history", "my_history"))
    links = [*((name, public_url_for(endpoint)) for name, endpoint in endpoints), ("sign_out", sign_out_url())]
    return html_page(f"own_page/{template}", status=status, home_url=public_url_for("my"), links=links, **values)


def look_at(page: OwnPage, principal: str, fields: Fields) -> Looked:
    """The resource that ``fields`` name as ``id``. Raises `Missing` (``my.unknown_resource``) where neither metadata nor she knows it,
    `Unavailable`, and `Refusal` for what is no entityID."""
    entity_id, now = one(fields, "id", max_length=MAXIMUM_ENTITY_ID), page.now()
    entity = page.registry().get(entity_id, now)
    if entity is not None and (entity.sp is None or entity_id == page.own_entity_id):
        entity = None
    said = page.choices.personal(principal, entity_id)
    if entity is None and said.choice is None and not _was_told(page, principal, entity_id):
        raise Missing(
            "my.unknown_resource", expected="a resource of metadata, or one that she visited", found=entity_id
        )
    requester = page.find_requester(entity_id, now) or Requester(entity_id, known=False)
    seen = _look_everywhere(page, _as_if_she_came_now(principal, entity_id, _usual_target(entity), now), requester)
    precedence, settings = page.authority.precedence(now), page.settings
    spared = settings.spares(entity_id, requester.entity_categories)
    required = settings.binds(entity_id, requester.entity_categories)
    language = incoming.language(shell().pages.catalogue)
    return Looked(
        principal,
        requester,
        entity,
        entity.name(language) if entity is not None else entity_id,
        said,
        sheet_of(seen, requester, precedence, spared=spared),
        purpose_of(entity).read_in(language) if entity is not None else ReadPurpose(),
        required,
        spared,
        any(note.reason == "connector_failed" for note in seen.explained.release.notes),
        rule_in_force(said.rule, precedence, required=required),
    )


def _as_if_she_came_now(principal: str, entity_id: str, target: str | None, now: datetime) -> ReleaseRequest:
    """From where she is, and logged in as she is: policies may have conditions on both."""
    who = person(request.environ)
    return ReleaseRequest(
        principal,
        entity_id,
        now,
        target=target,
        network=request.remote_addr,
        authn_context=who.authn_context if who is not None else None,
    )


def _look_everywhere(page: OwnPage, asked: ReleaseRequest, requester: Requester) -> Joined:
    """What every part of the resource would be told."""
    targets = targets_of(page.authority.policies(asked.at), requester, asked.target)
    return joined(
        [explain_release(page.authority, page.find_requester, asked._replace(target=target)) for target in targets]
    )


def _usual_target(entity: Entity | None) -> str | None:
    """For which application domain the resource would ask if it named none."""
    consumers = entity.sp.assertion_consumers if entity is not None and entity.sp is not None else ()
    return domain_of_consumers([endpoint.location for endpoint in consumers]) if consumers else None


def _was_told(page: OwnPage, principal: str, entity_id: str) -> bool:
    return entity_id != page.own_entity_id and any(told.resource == entity_id for told in page.trail.told(principal))
