"""The configuration of the ways to log in: which there are, in which order, and what each needs."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from idp.login.certificate import Field as CertificateField
from idp.login.certificate import FieldRule
from idp.login.mapping import NAME, NameRule
from idp.people import PeopleSettings
from ostiary.config import (
    DirectoryFromHere,
    FileFromHere,
    HeaderName,
    ListenSettings,
    NetworkText,
    PublicUrl,
    Settings,
    TrustedPeerSettings,
    WrongSetting,
)


def _pattern(value: str) -> str:
    try:
        groups = re.compile(value).groupindex
    except re.error as error:
        raise WrongSetting("login.pattern", expected="a regular expression", found=error) from None
    if "name" not in groups:
        raise WrongSetting("login.pattern", expected="a group (?P<name>...)", found=value[:80])
    return value


def _template(value: str) -> str:
    if value.count(NAME) != 1 or "{" in value.replace(NAME, ""):
        raise WrongSetting("login.login_name", expected=f"a text with {NAME} once", found=value[:80])
    return value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("https", "http") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good or len(value) > 2_000 or any(character.isspace() for character in value):
        raise WrongSetting("login.web_address", expected="https://...", found=value[:80])
    return value


PatternText = Annotated[str, Field(max_length=500), AfterValidator(_pattern)]
"""A regular expression for a whole text; its group ``name`` is what is taken."""

LoginTemplate = Annotated[str, Field(max_length=200), AfterValidator(_template)]
"""How a login name is made: a text with ``{name}`` in it."""

WebAddress = Annotated[str, AfterValidator(_web_address)]


def is_beside(url: str, own: str) -> bool:
    """Whether this is another port of the same host, over TLS as the service itself."""
    here, there = urlsplit(own), urlsplit(url)
    return here.scheme == there.scheme and here.hostname == there.hostname and here.netloc != there.netloc


class PasswordMethodSettings(Settings):
    """User name and password. ``people`` is a further directory beside the service's own; several are asked in their order, and a name
    that one knows is decided by it."""

    type: Literal["password"] = "password"
    people: PeopleSettings | None = None


class KerberosMethodSettings(Settings):
    """Kerberos V5 by SPNEGO. ``keytab`` (a private file) holds the key of ``service``, such as ``HTTP/login.example.org``. ``realms`` says
    for each realm how a login name is made of a principal. Browsers in ``networks`` are asked at once, others find a link."""

    type: Literal["kerberos"]
    keytab: FileFromHere
    service: Annotated[str, Field(pattern=r"^HTTP/[A-Za-z0-9.-]{1,253}(@[A-Za-z0-9.-]{1,253})?$")] | None = None
    realms: Annotated[
        Mapping[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")], LoginTemplate], Field(min_length=1)
    ]
    networks: tuple[NetworkText, ...] = ()


class CertificateRuleSettings(Settings):
    """Takes the login name from one ``field`` of the certificate: ``pattern`` must match all of it, and its group ``name`` takes the place
    of ``{name}`` in ``login_name``."""

    field: CertificateField
    pattern: PatternText = "(?P<name>.+)"
    login_name: LoginTemplate = NAME

    def rule(self) -> FieldRule:
        """The same for `CertificateLogin`."""
        return FieldRule(self.field, NameRule(re.compile(self.pattern), self.login_name))


class CertificatePortSettings(Settings):
    """A port of its own that asks browsers for their certificate, on the same host name as the service; ``certificate`` (with its
    intermediates) and ``key`` (a private file) are the server's, in PEM. ``ostiary serve idp-certificates`` serves it."""

    listen: ListenSettings
    public_url: PublicUrl
    certificate: FileFromHere
    key: FileFromHere

    @model_validator(mode="after")
    def _speaks_tls(self) -> Self:
        parts = urlsplit(self.public_url)
        if parts.scheme != "https" or parts.path:
            raise WrongSetting("login.certificate_port", expected="https://HOST:PORT", found=self.public_url)
        return self


class CertificateHeaderSettings(TrustedPeerSettings):
    """A web server in front that asks for certificates and passes them on in ``header``: PEM (percent-encoded or in one line) or base64."""

    header: HeaderName = "ClientCert"


class CertificateMethodSettings(Settings):
    """X.509 client certificates. ``ca_directory`` holds the CAs (``HASH.0``) and their CRLs (``HASH.r0``); with ``require_crl`` a CA
    without a CRL is not believed. ``registered``: certificates that people of the embedded directory registered; then ``rules`` in
    their order."""

    type: Literal["certificate"]
    ca_directory: DirectoryFromHere
    require_crl: bool = True
    registered: bool = True
    rules: tuple[CertificateRuleSettings, ...] = ()
    port: CertificatePortSettings | None = None
    from_front_end: CertificateHeaderSettings | None = None

    @model_validator(mode="after")
    def _can_be_shown(self) -> Self:
        if self.port is None and self.from_front_end is None:
            raise WrongSetting("login.certificate_source", expected="port or from_front_end", found="none of them")
        if not self.registered and not self.rules:
            raise WrongSetting("login.certificate_rules", expected="rules, or registered: true", found="none of them")
        return self


class FrontEndMethodSettings(TrustedPeerSettings):
    """A web server in front that has authenticated the person already, and names her in ``header``. ``pattern`` and ``login_name`` as in
    the rules for certificates."""

    type: Literal["front_end"]
    header: HeaderName = "RemoteUser"
    pattern: PatternText = "(?P<name>.+)"
    login_name: LoginTemplate = NAME

    def rule(self) -> NameRule:
        """The same for `FrontEndLogin`."""
        return NameRule(re.compile(self.pattern), self.login_name)


MethodSettings = Annotated[
    PasswordMethodSettings | KerberosMethodSettings | CertificateMethodSettings | FrontEndMethodSettings,
    Field(discriminator="type"),
]


class LoginSettings(Settings):
    """The ways to log in. ``methods`` stand on the page in this order. ``password_change_url`` is where people change a password that a
    directory elsewhere says has expired; ``known_browsers`` whether a browser is remembered in which somebody logged in."""

    methods: Annotated[tuple[MethodSettings, ...], Field(min_length=1, max_length=10)] = (PasswordMethodSettings(),)
    password_change_url: WebAddress | None = None
    known_browsers: bool = True

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        kinds = [method.type for method in self.methods if method.type != "password"]
        if len(kinds) != len(set(kinds)):
            raise WrongSetting("login.method_twice", expected="each kind but password once", found=", ".join(kinds))
        return self

    def names(self) -> frozenset[str]:
        """By what people log in, as a session's proofs call it."""
        return frozenset(method.type for method in self.methods)

    def certificates(self) -> CertificateMethodSettings | None:
        """The method by certificate, where there is one."""
        return next((method for method in self.methods if isinstance(method, CertificateMethodSettings)), None)
