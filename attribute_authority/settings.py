"""The configuration of the Attribute Authority. Reads nothing but its file; opens nothing."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from attribute_authority.administration.settings import AdministratorsSettings
from attribute_authority.connectors.settings import each_once
from attribute_authority.queries.encryption import EncryptAnswers
from attribute_authority.queries.settings import (
    BackChannelSettings,
    CertificateNamesSettings,
    EncryptAnswersFor,
    EntityIdText,
    ExternalNamesSettings,
    MayAskFor,
    PrincipalNamesSettings,
)
from attribute_authority.resolver.settings import ResolverSettings
from ostiary.config import (
    DatabaseSettings,
    Duration,
    DurationOrZero,
    FileFromHere,
    FileOrDirectoryFromHere,
    ListenSettings,
    PublicUrl,
    Settings,
    load_settings,
)
from ostiary.consent.settings import ConsentSettings
from ostiary.federation.settings import TrustSettings
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.settings import LdapSettings, Report
from ostiary.policy.release.bundles import PolicyPathFromHere

QUERY_PATH = "/saml/attribute-query"


class EmbeddedPeopleSettings(Settings):
    """The embedded directory in ``database``."""

    type: Literal["embedded"] = "embedded"


class LdapPeopleSettings(Settings):
    """People in a directory that speaks LDAP; ``directory`` is the file that describes it, the same as the identity provider's."""

    type: Literal["ldap"]
    directory: FileFromHere

    def open(self, report: Report) -> LdapPeople:
        """Raises `ConfigurationError` where a file can't be used; connects when somebody is asked for."""
        return load_settings(self.directory, LdapSettings).open(report)


PeopleSettings = Annotated[EmbeddedPeopleSettings | LdapPeopleSettings, Field(discriminator="type")]


class OtherAuthoritySettings(Settings):
    """Another Attribute Authority of the same organisation: the ``authority_index`` that its own settings have, the URL where it takes
    queries, the certificates with whose keys it signs its answers, and the authorities (PEM) that its TLS chains to, the system's when left
    out."""

    index: int = Field(ge=0, le=65535)
    allow_http_beyond_loopback: bool = False
    location: PublicUrl
    certificates: tuple[FileFromHere, ...] = Field(min_length=1)
    tls_authorities: FileFromHere | None = None


class PagesSettings(Settings):
    """The pages for people and for administrators, which are a resource of the organisation itself: ``entity_id`` is what it is called, the
    public URL with ``/pages`` when left out. No federation has to know it."""

    entity_id: str | None = Field(default=None, min_length=1, max_length=1024)


class AttributeAuthoritySettings(Settings):
    """``entity_id`` is the home organisation's; ``people`` says where its people are, ``further_people`` where more of them are;
    ``handle_keys`` are the Handle Service's secrets, all of which open a handle: private files, or directories of them (``ostiary keys
    rotate``). ``allow_sha1_from_legacy_partners``: SPs (entityIDs) whose software signs queries with nothing better than SHA-1.

    Where the organisation has several authorities, each has an ``authority_index`` of its own. The one that metadata names lists the
    ``others``, which it gives ``other_timeout`` to answer; these have ``accepts_passed_on``.

    ``consent`` is the same as in idp.yaml: what people answered there is kept to here. With ``pages`` the authority shows each person what
    leaves about her, at ``/my`` below its public URL; ``trust`` then holds the metadata of the organisation's own identity provider too.

    ``release_policies`` are files, directories and shipped bundles (``bundle:research-and-scholarship``). ``precedence`` is the document
    that says what people may decide themselves (policies/precedence/default.yaml); left out, everything between mandatory and forbidden.

    Queries that are neither signed nor come with a certificate that proves who asks are refused, or with ``answers_anonymous`` answered as
    to anybody. ``denied_requesters`` (entityIDs) are told that they get no answer. ``may_ask_for``: requesters, and those whose names for
    people they may use beside their own. ``encrypt_answers``: whether attributes are encrypted for the requester, ``when_possible`` where
    its metadata has a key for it; ``encrypt_answers_for`` says otherwise for some. ``allow_cbc_for_legacy_partners`` encrypts by CBC for
    those whose metadata asks for nothing better.

    ``administrators`` says who may open the administrators' pages, at ``/admin``; ``remember_requests`` for how long requests are
    remembered, without values, for trying out changes of policies on them (``ostiary policy dry-run``; ``0s``: not at all).
    """

    entity_id: str = Field(min_length=1, max_length=1024)
    display_name: str = Field(min_length=1, max_length=200)
    allow_http_beyond_loopback: bool = False
    public_url: PublicUrl
    listen: ListenSettings
    database: DatabaseSettings
    people: PeopleSettings = EmbeddedPeopleSettings()
    further_people: Annotated[tuple[PeopleSettings, ...], Field(max_length=10)] = ()
    trust: TrustSettings
    handle_keys: tuple[FileOrDirectoryFromHere, ...] = Field(min_length=1)
    authority_index: int = Field(default=0, ge=0, le=65535)
    others: tuple[OtherAuthoritySettings, ...] = ()
    other_timeout: Duration = timedelta(seconds=5)
    accepts_passed_on: bool = False
    resolver: ResolverSettings
    release_policies: tuple[PolicyPathFromHere, ...] = Field(min_length=1)
    precedence: FileFromHere | None = None
    consent: ConsentSettings = ConsentSettings()
    administrators: AdministratorsSettings = AdministratorsSettings()
    remember_requests: DurationOrZero = timedelta(days=14)
    pages: PagesSettings | None = None
    answer_lifetime: Duration = timedelta(minutes=5)
    back_channel: BackChannelSettings | None = None
    answers_anonymous: bool = False
    denied_requesters: tuple[EntityIdText, ...] = ()
    may_ask_for: MayAskFor = Field(default_factory=dict, max_length=1000)
    certificate_names: CertificateNamesSettings | None = None
    principal_names: PrincipalNamesSettings | None = None
    external_names: ExternalNamesSettings | None = None
    encrypt_answers: EncryptAnswers = "never"
    encrypt_answers_for: EncryptAnswersFor = Field(default_factory=dict)
    allow_sha1_from_legacy_partners: tuple[str, ...] = ()
    allow_cbc_for_legacy_partners: tuple[EntityIdText, ...] = ()
    trusted_proxies: int = Field(default=0, ge=0, le=10)

    @field_validator("others")
    @classmethod
    def _one_of_each(
        cls, value: tuple[OtherAuthoritySettings, ...], info: ValidationInfo
    ) -> tuple[OtherAuthoritySettings, ...]:
        indexes = [str(info.data.get("authority_index", 0)), *(str(other.index) for other in value)]
        each_once(indexes, "aa.duplicate_authority")
        return value

    @property
    def pages_entity_id(self) -> str:
        """What the pages are called as a resource."""
        own = self.pages.entity_id if self.pages is not None else None
        return own or f"{self.public_url}/pages"

    @property
    def query_location(self) -> str:
        """Where queries are posted to, as metadata says it."""
        return (self.back_channel.public_url if self.back_channel is not None else self.public_url) + QUERY_PATH

    @property
    def query_locations(self) -> tuple[str, ...]:
        """The same, and the service's own address where that is another one."""
        return tuple(dict.fromkeys((self.query_location, self.public_url + QUERY_PATH)))
