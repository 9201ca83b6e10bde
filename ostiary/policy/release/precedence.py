"""What people may decide themselves, between the bounds of the organisation's release policies (the meta-policy): its document, read and
compiled. Applies it to nobody.

The format is the schema precedence.schema.json.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ostiary.config import Document, Sources, WrongSetting, load_document, settings_from
from ostiary.policy.fields import AttributeNames, PolicyFields, Text
from ostiary.policy.names import friendly
from ostiary.policy.release.audience_fields import KnownAudienceFields
from ostiary.policy.release.policy import Audience
from ostiary.policy.release.requester import Requester

PersonMay = Literal["withhold", "release"]
NewResources = Literal["recommended", "minimal", "ask"]

ALL_DEFAULTS: tuple[NewResources, ...] = ("recommended", "minimal", "ask")


@dataclass(frozen=True, slots=True)
class Precedence:
    """What the organisation leaves to people, where no mandatory or forbidden policy binds them.

    ``people_may``: ``withhold`` what policies permit, ``release`` what policies do not. ``new_resources``: what people may choose to
    happen at a resource that they said nothing about, the first being the organisation's own answer. ``release_only_to``: for whom people
    may release more than policies do, None for every resource that metadata knows. ``never_release``: attributes that nobody may release
    herself.
    """

    people_may: frozenset[PersonMay] = frozenset(("withhold", "release"))
    new_resources: tuple[NewResources, ...] = ALL_DEFAULTS
    release_only_to: Audience | None = None
    never_release: frozenset[str] = frozenset()

    def may_withhold(self) -> bool:
        """Whether people may keep back what an ordinary policy permits."""
        return "withhold" in self.people_may

    def may_release_to(self, requester: Requester) -> bool:
        """Whether people may let this requester have more than policies permit: never one that metadata does not know."""
        return (
            "release" in self.people_may
            and requester.known
            and not requester.anonymous
            and (self.release_only_to is None or self.release_only_to.includes(requester))
        )

    def may_release(self, requester: Requester, attribute: str) -> bool:
        """The same for one attribute."""
        return attribute not in self.never_release and self.may_release_to(requester)


DEFAULT_PRECEDENCE = Precedence()
"""What holds where no document says anything else."""


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise WrongSetting("policy.twice", expected="each once", found=", ".join(value))
    return value


class PrecedenceDocument(PolicyFields):
    """What people may decide about their own attributes. Mandatory and forbidden policies bind them in any case."""

    description: Text | None = Field(default=None, description="For people.")
    people_may: Annotated[tuple[PersonMay, ...], AfterValidator(_each_once)] = Field(
        default=("withhold", "release"),
        description="withhold: keep back what an ordinary policy permits. release: let go what no policy permits or an ordinary "
        "one denies.",
    )
    new_resources: Annotated[tuple[NewResources, ...], Field(min_length=1), AfterValidator(_each_once)] = Field(
        default=ALL_DEFAULTS,
        description="What people may choose to happen at a resource that they said nothing about; the first is what happens when "
        "they choose nothing.",
    )
    release_only_to: KnownAudienceFields | None = Field(
        default=None,
        description="For whom people may let go more than policies permit; every resource that metadata knows by default.",
    )
    never_release: AttributeNames | None = Field(
        default=None, description="Attributes that people may never release beyond what policies permit."
    )


def load_precedence(path: Path, *, sources: Sources | None = None) -> Precedence:
    """The document at ``path``. ``sources`` notes what was read, for `ostiary.config.Holder`.

    Raises `ConfigurationError` (file, line, key).
    """
    return compile_precedence(load_document(path, sources=sources))


def compile_precedence(document: Document) -> Precedence:
    """The same for a document already read."""
    fields = settings_from(document, PrecedenceDocument)
    return Precedence(
        people_may=frozenset(fields.people_may),
        new_resources=fields.new_resources,
        release_only_to=None if fields.release_only_to is None else fields.release_only_to.audience(),
        never_release=frozenset(map(friendly, fields.never_release or ())),
    )
