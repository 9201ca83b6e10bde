"""The configuration of the identity provider."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from idp.accounts.passwords import Argon2Parameters, Passwords
from idp.login.contexts import Assurance
from idp.login.throttle import Limits
from idp.people import EmbeddedPeopleSettings, PeopleSettings
from idp.sessions.session import Lifetimes
from idp.sign_on.requests import Rules
from ostiary.config import (
    DatabaseSettings,
    Duration,
    FileFromHere,
    ListenSettings,
    PublicUrl,
    Settings,
    WrongSetting,
    is_loopback,
)
from ostiary.federation.settings import TrustSettings
from ostiary.saml import names

REDIRECT_PATH = "/saml/sso/redirect"
POST_PATH = "/saml/sso/post"


def _entity_id(value: str) -> str:
    # SAML metadata 2.2.1: a URI of at most 1024 characters.
    if not 0 < len(value) <= 1024 or ":" not in value or any(character.isspace() for character in value):
        raise WrongSetting("config.entity_id", expected="a URI of at most 1024 characters", found=f'"{value[:80]}"')
    return value


def _in_english(value: Mapping[str, str]) -> Mapping[str, str]:
    if "en" not in value:
        raise WrongSetting("config.no_english", expected="an entry for en", found=", ".join(sorted(value)) or "nothing")
    return value


_Text = Annotated[str, Field(min_length=1, max_length=500)]
_Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
_LocalizedTexts = Annotated[Mapping[_Language, _Text], AfterValidator(_in_english)]
_Scope = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class OrganisationSettings(Settings):
    """What people are shown, by language; English must be there. ``domains`` help people to find it (mdui:DomainHint)."""

    name: _LocalizedTexts
    description: Mapping[_Language, _Text] = {}
    domains: tuple[_Scope, ...] = ()


class SessionSettings(Settings):
    """Lifetimes of the single sign-on session; see `Lifetimes`."""

    idle: Duration = timedelta(hours=2)
    absolute: Duration = timedelta(hours=10)

    def lifetimes(self) -> Lifetimes:
        """The same for `Sessions`."""
        return Lifetimes(self.idle, self.absolute)


class ThrottleSettings(Settings):
    """Login attempts in one ``window``: of one address at one user name, at one user name from everywhere, of one address at any
    user names."""

    per_name_and_address: Annotated[int, Field(ge=1, le=10_000)] = 10
    per_name: Annotated[int, Field(ge=1, le=100_000)] = 50
    per_address: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    window: Duration = timedelta(minutes=1)

    def limits(self) -> Limits:
        """The same for `Throttle`."""
        return Limits(self.per_name_and_address, self.per_name, self.per_address, self.window)


class PasswordHashingSettings(Settings):
    """argon2id (RFC 9106): ``memory`` in KiB for each of at most ``concurrent`` checks at a time."""

    time_cost: Annotated[int, Field(ge=1, le=100)] = 3
    memory: Annotated[int, Field(ge=8, le=4_194_304)] = 65_536
    parallelism: Annotated[int, Field(ge=1, le=64)] = 4
    concurrent: Annotated[int, Field(ge=1, le=256)] = 4

    def parameters(self) -> Argon2Parameters:
        """The same for `Passwords`."""
        return Argon2Parameters(self.time_cost, self.memory, self.parallelism)

    def passwords(self) -> Passwords:
        """What checks passwords so."""
        return Passwords(self.parameters(), concurrent=self.concurrent)


class AttributesInResponseSettings(Settings):
    """Whether the Response carries the released attributes, or leaves them to the SHAR's query."""

    default: bool = True
    never_for: tuple[str, ...] = ()

    def sends_to(self, entity_id: str) -> bool:
        """Whether the Response for this SP carries attributes."""
        return self.default and entity_id not in self.never_for


class IdpSettings(Settings):
    """One identity provider.

    ``people`` says where its people are; ``password_hashing`` is for those of the embedded directory. ``scopes`` are those that it may
    assert. ``handle_keys`` are private files of 32 bytes, or 64 hexadecimal digits: the first mints handles, all of them open some; every
    node, and the Attribute Authority, has the same. ``handle_lifetime`` is how long an SP may ask about a person after her login.
    ``trusted_proxies`` counts the reverse proxies in front whose ``X-Forwarded-For`` is believed.
    """

    entity_id: Annotated[str, AfterValidator(_entity_id)]
    allow_http_beyond_loopback: bool = False
    public_url: PublicUrl
    listen: ListenSettings
    organisation: OrganisationSettings
    scopes: tuple[_Scope, ...] = ()
    database: DatabaseSettings
    people: PeopleSettings = EmbeddedPeopleSettings()
    trust: TrustSettings
    handle_keys: Annotated[tuple[FileFromHere, ...], Field(min_length=1)]
    handle_lifetime: Duration = timedelta(hours=4)
    sessions: SessionSettings = SessionSettings()
    throttle: ThrottleSettings = ThrottleSettings()
    password_hashing: PasswordHashingSettings = PasswordHashingSettings()
    attributes_in_response: AttributesInResponseSettings = AttributesInResponseSettings()
    want_authn_requests_signed: bool = False
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0

    @property
    def https(self) -> bool:
        """Whether browsers reach this service over TLS."""
        return self.public_url.startswith("https:")

    @property
    def _is_protected(self) -> bool:
        """Whether a password on its way here can be read by others: not over TLS, and not where it never leaves the machine."""
        return self.https or is_loopback(urlsplit(self.public_url).hostname or "")

    def rules(self) -> Rules:
        """What the Handle Service goes by. A password that travels in the open makes a login only ``Password``."""
        return Rules(
            entity_id=self.entity_id,
            redirect_url=self.public_url + REDIRECT_PATH,
            post_url=self.public_url + POST_PATH,
            assurance=Assurance(password=names.PASSWORD_PROTECTED_TRANSPORT if self._is_protected else names.PASSWORD),
            want_authn_requests_signed=self.want_authn_requests_signed,
            handle_lifetime=self.handle_lifetime,
        )
