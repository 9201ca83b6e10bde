"""The configuration of the identity provider."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo

from idp.accounts.passwords import Argon2Parameters, Passwords
from idp.accounts.settings import LinkSettings, PasswordPolicySettings, RegistrationSettings
from idp.authorities import AuthoritiesSettings
from idp.consent.settings import ConsentPageSettings
from idp.factors.settings import SecondFactorSettings
from idp.identifiers.settings import IdentifierSettings
from idp.login.contexts import SECOND, Assurance
from idp.login.settings import LoginSettings, is_beside
from idp.login.throttle import Limits
from idp.logout.settings import LogoutSettings
from idp.operate.settings import MaintenanceSettings
from idp.partners import PartnerRules, PartnerSettings, allowed_sha1, effective
from idp.people import EmbeddedPeopleSettings, PeopleSettings
from idp.portal.settings import PortalSettings
from idp.sessions.session import Lifetimes
from idp.sign_on.requests import Rules
from idp.terms.settings import TermsOfUseSettings
from ostiary.config import (
    DatabaseSettings,
    Duration,
    FileOrDirectoryFromHere,
    ListenSettings,
    PublicUrl,
    Settings,
    WrongSetting,
    is_loopback,
)
from ostiary.federation.model import Entity
from ostiary.federation.publish.about import Contacts, Language, Links, Logos, Text, Uri
from ostiary.federation.publish.about import OrganisationSettings as PublishedOrganisationSettings
from ostiary.federation.settings import TrustSettings
from ostiary.mail import MailSettings
from ostiary.saml import names
from ostiary.web.branding import BrandingSettings
from ostiary.web.operators import StatusSettings

REDIRECT_PATH = "/saml/sso/redirect"
UNSOLICITED_PATH = "/saml/sso/unsolicited"
POST_PATH = "/saml/sso/post"
SIMPLE_SIGN_PATH = "/saml/sso/simple-sign"
ECP_PATH = "/saml/sso/ecp"
ARTIFACT_PATH = "/saml/artifact"


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


def _on_the_same_host(value: LoginSettings, info: ValidationInfo) -> LoginSettings:
    """Cookies go by host names: a certificate that is shown on another host would belong to no login."""
    certificates = value.certificates()
    own, port = info.data.get("public_url"), certificates.port if certificates is not None else None
    if own is not None and port is not None and not is_beside(port.public_url, own):
        raise WrongSetting("login.certificate_host", expected=f"another port of {own}", found=port.public_url)
    return value


def _mail_for_registration(value: RegistrationSettings, info: ValidationInfo) -> RegistrationSettings:
    if value.by and info.data.get("mail", True) is None:
        raise WrongSetting("config.registration_needs_mail", expected="mail", found="nothing")
    return value


class OrganisationSettings(Settings):
    """What people are shown, by language; English must be there. ``domains`` help people to find it (mdui:DomainHint)."""

    name: _LocalizedTexts
    description: Mapping[_Language, _Text] = {}
    domains: tuple[_Scope, ...] = ()


class PublishedSettings(Settings):
    """What the organisation says in its metadata beside keys, endpoints, names. ``logos``: for discovery pages; ``keywords`` by language,
    under which it is found there, too; ``error_url``: its page about errors at resources (REFEDS errorURL profile); ``organisation``: who
    runs the service, where that is somebody else; ``entity_attributes``: values by name, such as
    http://macedir.org/entity-category-support. ``valid_for``: how long the document that it serves counts."""

    logos: Logos = ()
    keywords: Mapping[Language, Annotated[tuple[Text, ...], Field(max_length=50)]] = {}
    information_url: Links | None = None
    privacy_statement_url: Links | None = None
    error_url: Annotated[str, Field(pattern=r"^https://[!-~]{1,1000}$")] | None = None
    organisation: PublishedOrganisationSettings | None = None
    contacts: Contacts = ()
    registration_authority: Uri | None = None
    entity_attributes: Mapping[Uri, tuple[Text, ...]] = {}
    valid_for: Duration = timedelta(days=7)


class SessionSettings(Settings):
    """Lifetimes of the single sign-on session: ``idle`` from its last use, ``absolute`` from the login; ``shared_...`` where the person
    said that others use this computer."""

    idle: Duration = timedelta(hours=2)
    absolute: Duration = timedelta(hours=10)
    shared_idle: Duration = timedelta(minutes=10)
    shared_absolute: Duration = timedelta(hours=2)

    def lifetimes(self) -> Lifetimes:
        """The same for `Sessions`."""
        return Lifetimes(self.idle, self.absolute, self.shared_idle, self.shared_absolute)


class ThrottleSettings(Settings):
    """Login attempts in one ``window``: of one address at one user name, at one user name from everywhere, of one address at any
    user names. An address that used up its attempts at a name waits ``window``, then twice as long each time, up to ``longest_wait``. While
    a name is used up, each address that is new to it has ``for_new_addresses`` attempts a day, all of them together ``new_addresses`` an
    hour."""

    per_name_and_address: Annotated[int, Field(ge=1, le=10_000)] = 10
    per_name: Annotated[int, Field(ge=1, le=100_000)] = 50
    per_address: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    window: Duration = timedelta(minutes=1)
    longest_wait: Duration = timedelta(minutes=15)
    for_new_addresses: Annotated[int, Field(ge=0, le=100)] = 2
    new_addresses: Annotated[int, Field(ge=0, le=1_000_000)] = 2_500

    def limits(self) -> Limits:
        """The same for `Throttle`."""
        return Limits(
            self.per_name_and_address,
            self.per_name,
            self.per_address,
            self.window,
            self.longest_wait,
            self.for_new_addresses,
            self.new_addresses,
        )


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


class AssuranceSettings(Settings):
    """What the organisation promises about its logins. ``refeds_sfa``: each first factor keeps the REFEDS Single-Factor Authentication
    Profile."""

    refeds_sfa: bool = False


class AttributesInResponseSettings(Settings):
    """Whether the Response carries the released attributes, or leaves them to the SHAR's query."""

    default: bool = True
    never_for: tuple[str, ...] = ()

    def sends_to(self, entity_id: str) -> bool:
        """Whether the Response for this SP carries attributes."""
        return self.default and entity_id not in self.never_for


class IdpSettings(Settings):
    """One identity provider.

    ``people`` says where its people are; ``password_hashing`` is for those of the embedded directory. ``scopes`` are those that it
    may assert. ``handle_keys`` are private files of 32 bytes, or 64 hexadecimal digits, or a directory of them (``ostiary keys
    rotate``): the first mints handles, all of them open some; every node, and the Attribute Authority, has the same.
    ``handle_lifetime`` is how long an SP may ask about a person after her login. Without ``second_factor`` nobody has one.
    ``password_policy``, ``password_links`` and ``registration`` are for people of the embedded directory. ``trusted_proxies`` counts
    the reverse proxies in front whose ``X-Forwarded-For`` is believed.
    """

    entity_id: Annotated[str, AfterValidator(_entity_id)]
    allow_http_beyond_loopback: bool = False
    public_url: PublicUrl
    listen: ListenSettings
    organisation: OrganisationSettings
    scopes: tuple[_Scope, ...] = ()
    published: PublishedSettings = PublishedSettings()
    database: DatabaseSettings
    people: PeopleSettings = EmbeddedPeopleSettings()
    login: Annotated[LoginSettings, AfterValidator(_on_the_same_host)] = LoginSettings()
    trust: TrustSettings
    handle_keys: Annotated[tuple[FileOrDirectoryFromHere, ...], Field(min_length=1)]
    handle_lifetime: Duration = timedelta(hours=4)
    sessions: SessionSettings = SessionSettings()
    logout: LogoutSettings = LogoutSettings()
    throttle: ThrottleSettings = ThrottleSettings()
    password_hashing: PasswordHashingSettings = PasswordHashingSettings()
    password_policy: PasswordPolicySettings = PasswordPolicySettings()
    password_links: LinkSettings = LinkSettings()
    mail: MailSettings | None = None
    registration: Annotated[RegistrationSettings, AfterValidator(_mail_for_registration)] = RegistrationSettings()
    second_factor: SecondFactorSettings | None = None
    attributes_in_response: AttributesInResponseSettings = AttributesInResponseSettings()
    consent: ConsentPageSettings = ConsentPageSettings()
    terms_of_use: TermsOfUseSettings | None = None
    portal: PortalSettings | None = None
    identifiers: IdentifierSettings = IdentifierSettings()
    authorities: AuthoritiesSettings = AuthoritiesSettings()
    assurance: AssuranceSettings = AssuranceSettings()
    want_authn_requests_signed: bool = False
    partners: Annotated[tuple[PartnerSettings, ...], Field(max_length=1000)] = ()
    status: StatusSettings = StatusSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    branding: BrandingSettings = BrandingSettings()
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0

    @property
    def known_words(self) -> tuple[str, ...]:
        """What everybody knows about the organisation, so no password is to consist of it."""
        host = urlsplit(self.public_url).hostname or ""
        return (*self.organisation.name.values(), *self.organisation.domains, *self.scopes, host)

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
            assurance=Assurance(
                password=names.PASSWORD_PROTECTED_TRANSPORT if self._is_protected else names.PASSWORD,
                sfa=self.assurance.refeds_sfa,
            ),
            methods=self.login.names() | (SECOND if self.second_factor is not None else frozenset()),
            want_authn_requests_signed=self.want_authn_requests_signed,
            handle_lifetime=self.handle_lifetime,
            allow_sha1_from=allowed_sha1(self.partners),
            name_id_formats=self.identifiers.formats(),
            mail_names_for=frozenset(self.identifiers.allow_email_name_id_for),
            simple_sign_url=self.public_url + SIMPLE_SIGN_PATH,
            ecp_url=self.public_url + ECP_PATH,
        )

    def partner(self, sp: Entity) -> PartnerRules:
        """What ``partners`` says about this SP."""
        return effective(self.partners, sp)

    def rules_for(self, sp: Entity) -> Rules:
        """The same as `rules`, with what ``partners`` says about this SP."""
        rules, special = self.rules(), self.partner(sp)
        return replace(
            rules,
            assertion_lifetime=special.assertion_lifetime or rules.assertion_lifetime,
            handle_lifetime=special.handle_lifetime or rules.handle_lifetime,
        )

    def sends_attributes_to(self, sp: Entity) -> bool:
        """Whether the Response for this SP carries attributes."""
        special = self.partner(sp).attributes_in_response
        return special if special is not None else self.attributes_in_response.sends_to(sp.entity_id)
