"""The configuration of attribute queries: the back channel, who may ask by which names, and how answers are protected."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Self

from cryptography import x509
from pydantic import AfterValidator, Field, model_validator

from attribute_authority.queries.encryption import EncryptAnswers
from ostiary.config import FileFromHere, ListenSettings, NetworkText, PublicUrl, Settings, WrongSetting

NAME: Final = "{name}"

EntityIdText = Annotated[str, Field(min_length=1, max_length=1024)]

MayAskFor = Mapping[EntityIdText, Annotated[tuple[EntityIdText, ...], Field(min_length=1, max_length=100)]]
EncryptAnswersFor = Mapping[EntityIdText, EncryptAnswers]


def _subject(value: str) -> str:
    try:
        return x509.Name.from_rfc4514_string(value).rfc4514_string()
    except ValueError:
        raise WrongSetting("aa.certificate_subject", expected="CN=Example CA,O=Example,C=DE", found=value) from None


def _pattern(value: str) -> str:
    try:
        groups = re.compile(value).groupindex
    except re.error as error:
        raise WrongSetting("aa.certificate_pattern", expected="a regular expression", found=error) from None
    if "name" not in groups:
        raise WrongSetting("aa.certificate_pattern", expected="a group (?P<name>...)", found=value)
    return value


def _template(value: str) -> str:
    if NAME not in value:
        raise WrongSetting("aa.certificate_pattern", expected=f"a text with {NAME}", found=value)
    return value


class FrontEndCertificateSettings(Settings):
    """A web server at one of ``addresses`` (of the connection itself) that asks for client certificates, takes any, and passes them on in
    ``header``: PEM (percent-encoded or in one line) or base64. Requests from anybody else are taken to have none."""

    addresses: Annotated[tuple[NetworkText, ...], Field(min_length=1, max_length=100)]
    # Without - and _, so that no other spelling arrives under the same name.
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,64}$")] = "ClientCert"


class BackChannelSettings(Settings):
    """Where resources ask over TLS, known by the keys of their certificates: its ``public_url`` stands in metadata in place of the
    service's own, and so does the key of ``certificate`` (PEM, with its intermediates), and of ``next_certificate`` while it changes.

    Either our own listener (``listen`` and ``key``, a private file; ``ostiary serve aa-back-channel``), or a web server in front
    (``from_front_end``)."""

    public_url: PublicUrl
    certificate: FileFromHere
    next_certificate: FileFromHere | None = None
    listen: ListenSettings | None = None
    key: FileFromHere | None = None
    from_front_end: FrontEndCertificateSettings | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.public_url.startswith("https:"):
            raise WrongSetting("aa.back_channel_url", expected="https://HOST:PORT", found=self.public_url)
        own = self.listen is not None and self.key is not None
        part = self.listen is not None or self.key is not None
        if own == (self.from_front_end is not None) or part != own:
            raise WrongSetting("aa.back_channel", expected="listen and key, or from_front_end", found="both, or a part")
        return self


class CertificateNameRuleSettings(Settings):
    """Takes a login name of the embedded directory from the subject of a certificate: ``pattern`` must match all of it (as RFC 4514 writes
    it), and its group ``name`` takes the place of ``{name}`` in ``login_name``."""

    pattern: Annotated[str, Field(max_length=500), AfterValidator(_pattern)]
    login_name: Annotated[str, Field(max_length=200), AfterValidator(_template)] = NAME

    def login_name_of(self, subject: str) -> str | None:
        """The login name; None for a subject that the pattern does not match."""
        found = re.fullmatch(self.pattern, subject)
        name = found["name"] if found is not None else None
        return self.login_name.replace(NAME, name) if name else None


class CertificateNamesSettings(Settings):
    """Queries about whoever a certificate names (X509SubjectName), for these ``requesters`` (entityIDs) alone.

    ``registered_from``: issuers (RFC 4514) whose certificates count that people of the embedded directory registered; then ``rules`` in
    their order."""

    requesters: Annotated[tuple[EntityIdText, ...], Field(min_length=1, max_length=1000)]
    registered_from: Annotated[tuple[Annotated[str, AfterValidator(_subject)], ...], Field(max_length=100)] = ()
    rules: Annotated[tuple[CertificateNameRuleSettings, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _finds_somebody(self) -> Self:
        if not self.registered_from and not self.rules:
            raise WrongSetting("aa.certificate_names", expected="registered_from or rules", found="none of them")
        return self


class PrincipalNamesSettings(Settings):
    """Queries about whoever has an eduPersonPrincipalName, for these ``requesters`` (entityIDs) alone: it is a login name of the embedded
    directory, as it stands there, so an authority that speaks of people of other organisations keeps them under those names."""

    requesters: Annotated[tuple[EntityIdText, ...], Field(min_length=1, max_length=1000)]


class ExternalNamesSettings(Settings):
    """Queries about whoever has a pairwise-id, subject-id or eduPersonPrincipalName from another organisation, for these ``requesters``
    (entityIDs) alone: the person of the embedded directory who has this value in her attribute voPersonExternalID."""

    requesters: Annotated[tuple[EntityIdText, ...], Field(min_length=1, max_length=1000)]
