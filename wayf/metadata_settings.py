"""The configuration of the metadata service (``metadata.yaml``)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ostiary.config import Duration, DurationOrZero, ListenSettings, PathFromHere, PublicUrl, Settings, WrongSetting
from ostiary.federation.model import LocalizedText
from ostiary.federation.publish.documents import Publisher
from ostiary.federation.publish.publication import Publication
from ostiary.federation.settings import CriteriaSettings, TrustSettings
from ostiary.federation.sources.selection import Selection
from ostiary.web.branding import BrandingSettings
from ostiary.web.operators import StatusSettings

# What the service has at these addresses itself.
_TAKEN = frozenset({"entities", "health", "status", "assets"})

_Uri = Annotated[str, Field(min_length=1, max_length=1024)]
_Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]


def _free(name: str) -> str:
    if name.partition("/")[0] in _TAKEN:
        raise WrongSetting("config.taken_name", expected="another name", found=name)
    return name


_Name = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}(/[a-z0-9][a-z0-9_-]{0,62}){0,3}$"),
    AfterValidator(_free),
]


class PublisherSettings(Settings):
    """Who publishes (mdrpi:PublicationInfo): ``name`` is a URI, ``policies`` the addresses of the terms of use by language."""

    name: _Uri
    policies: Mapping[_Language, PublicUrl] = Field(default_factory=dict)

    def publisher(self) -> Publisher:
        """The same for documents."""
        return Publisher(self.name, tuple(LocalizedText(url, language) for language, url in self.policies.items()))


class SelectionSettings(Settings):
    """One selection: the entities that have everything of ``include`` and nothing of ``exclude``. ``name`` is what it is called in
    addresses, such as ``all`` or ``role/idp``; ``aggregate_name`` the ``Name`` of its document, a URI. What is left out is as for the
    whole service. ``allow_shrinking``: it may lose more than half of its entities at once."""

    name: _Name
    aggregate_name: _Uri
    include: CriteriaSettings = CriteriaSettings()
    exclude: CriteriaSettings = CriteriaSettings()
    valid_for: Duration | None = None
    cache_duration: Duration | None = None
    every: Duration | None = None
    allow_shrinking: bool = False

    def selection(self) -> Selection:
        """The same as a rule."""
        return Selection(self.include.criteria(), self.exclude.criteria())


class MetadataServiceSettings(Settings):
    """``trust``: the sources, and the keys that sign. ``published``: the directory of the documents, which a web server may show as well.
    ``selections``: what is published; the first one is also at ``/entities``.

    Documents are made ``every`` so often, and up to ``jitter`` later. ``valid_for`` and ``cache_duration`` are what they say, and what the
    answers about single entities say.
    """

    service_name: Annotated[str, Field(min_length=1, max_length=100)] = "Ostiary"
    allow_http_beyond_loopback: bool = False
    public_url: PublicUrl
    listen: ListenSettings
    trust: TrustSettings
    published: PathFromHere
    valid_for: Duration = timedelta(days=7)
    cache_duration: Duration = timedelta(hours=6)
    every: Duration = timedelta(hours=1)
    jitter: DurationOrZero = timedelta(minutes=5)
    publisher: PublisherSettings | None = None
    selections: Annotated[tuple[SelectionSettings, ...], Field(max_length=100)]
    status: StatusSettings = StatusSettings()
    branding: BrandingSettings = BrandingSettings()
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0

    @field_validator("selections")
    @classmethod
    def _in_order(cls, value: tuple[SelectionSettings, ...], info: ValidationInfo) -> tuple[SelectionSettings, ...]:
        if not value:
            raise WrongSetting("config.wrong_value", expected="at least one selection", found="none")
        names: set[str] = set()
        for place, one in enumerate(value):
            if one.name in names:
                raise WrongSetting("config.taken_name", at=(place, "name"), expected="each name once", found=one.name)
            names.add(one.name)
            valid_for = one.valid_for or info.data.get("valid_for")
            every = one.every or info.data.get("every")
            cache_duration, jitter = one.cache_duration or info.data.get("cache_duration"), info.data.get("jitter")
            if valid_for is None or every is None or cache_duration is None or jitter is None:
                # What is wrong with it is told where it stands.
                continue
            # Two attempts may fail before what is out ends.
            if (every + jitter) * 3 > valid_for:
                raise WrongSetting(
                    "config.order", at=(place,), expected="every and jitter together no more than a third of valid_for"
                )
            if cache_duration > valid_for:
                raise WrongSetting("config.order", at=(place,), expected="cache_duration no longer than valid_for")
        return value

    def publications(self) -> tuple[Publication, ...]:
        """Everything that is published, in order."""
        return tuple(
            Publication(
                one.name,
                one.aggregate_name,
                one.selection(),
                valid_for=one.valid_for or self.valid_for,
                cache_duration=one.cache_duration or self.cache_duration,
                every=one.every or self.every,
                jitter=self.jitter,
                publisher=self.publisher.publisher() if self.publisher is not None else None,
                may_shrink=one.allow_shrinking,
            )
            for one in self.selections
        )
