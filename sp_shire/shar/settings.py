"""The configuration of attribute queries at a resource: how long and how often one asks, and whom else."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ostiary.config import Duration, Settings, WrongSetting
from ostiary.identifiers.syntax import PAIRWISE_ID, SUBJECT_ID
from ostiary.saml import names
from sp_shire.shar.breaker import Limits

HANDLE: Final = "handle"
CERTIFICATE_SUBJECT: Final = "certificate-subject"
CERTIFICATE_ATTRIBUTE: Final = "voPersonCertificateDN"
"""The attribute (voPerson 2.0) that holds the subject of a person's certificate."""

_FORMATS: Final = {
    PAIRWISE_ID: "urn:oasis:names:tc:SAML:attribute:pairwise-id",
    SUBJECT_ID: "urn:oasis:names:tc:SAML:attribute:subject-id",
    "eduPersonPrincipalName": "urn:oid:1.3.6.1.4.1.5923.1.1.1.6",
    CERTIFICATE_SUBJECT: names.X509_SUBJECT_NAME,
    HANDLE: names.TRANSIENT,
}

Down = Literal["refuse", "go_on"]
AttributesFrom = Literal["response", "response_or_query", "query", "response_and_query"]


class BreakerSettings(Settings):
    """After ``failures`` questions in a row that an authority did not answer, within ``window``, it is left alone for ``pause``: who
    needs it is told so at once. Then one question is asked on trial."""

    failures: int = Field(default=5, ge=1, le=1000)
    window: Duration = timedelta(minutes=1)
    pause: Duration = timedelta(seconds=30)

    def limits(self) -> Limits:
        """The same for the rules."""
        return Limits(self.failures, self.window, self.pause)


class QuerySettings(Settings):
    """``timeout`` is for one question to one authority, with all its endpoints and repetitions; ``retries``: how often one is asked anew
    when a connection died before an answer began."""

    timeout: Duration = timedelta(seconds=5)
    retries: int = Field(default=1, ge=0, le=3)
    breaker: BreakerSettings = BreakerSettings()


class DownSettings(Settings):
    """What happens while an authority does not answer, ``login``: at a login; ``renewal``: when attributes have become old. ``refuse``
    shows a page that says so; ``go_on`` takes what came with the Response, or was last known (until ``sessions.attributes_at_most``)."""

    login: Down = "refuse"
    renewal: Down = "go_on"


class FurtherAuthoritySettings(Settings):
    """Another Attribute Authority (``authority``: its entityID, with metadata) that is asked about everybody who logs in.

    ``subject`` names her: an accepted attribute of her home organisation (``pairwise-id``, ``subject-id``, ``eduPersonPrincipalName`` or
    another), ``certificate-subject`` (the accepted attribute voPersonCertificateDN), or the ``handle`` of her login; ``format`` is that of
    the NameID, and needed for an attribute not named here. ``attributes``: by name, everything where none is given. ``required``: a login
    fails without its answer."""

    authority: str = Field(min_length=1, max_length=1024)
    subject: str = Field(min_length=1, max_length=200)
    format: Annotated[str, Field(min_length=1, max_length=300)] | None = Field(default=None, validate_default=True)
    attributes: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(default=(), max_length=100)
    required: bool = False

    @field_validator("format")
    @classmethod
    def _known(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("subject", HANDLE) not in _FORMATS:
            raise WrongSetting("sp.aggregation_format", expected="the format of the NameID", found="none")
        return value

    @property
    def name_id_format(self) -> str:
        """The format of the NameID that names her."""
        return self.format if self.format is not None else _FORMATS[self.subject]


def _each_once(value: tuple[FurtherAuthoritySettings, ...]) -> tuple[FurtherAuthoritySettings, ...]:
    for position, one in enumerate(value):
        if any(one.authority == other.authority for other in value[:position]):
            raise WrongSetting(
                "sp.aggregation_twice", at=(position, "authority"), expected="each once", found=one.authority
            )
    return value


FurtherAuthorities = Annotated[tuple[FurtherAuthoritySettings, ...], Field(max_length=10), AfterValidator(_each_once)]
"""Those that a resource asks beside people's homes."""
