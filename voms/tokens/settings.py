"""The configuration of tokens: who this issuer is, which keys sign, for how long a token is good, whose tokens may be exchanged."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator

from ostiary.config import DirectoryFromHere, Duration, FileFromHere, PublicUrl, Settings, WrongSetting

LONGEST = timedelta(hours=24)
Audience = Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,512}$")]


class TrustedIssuerSettings(Settings):
    """An issuer whose tokens say who somebody is. ``keys``: its JWK set, a file. A token must be meant for one of ``audience`` (the VO's
    own issuer URL when empty); its claim ``claim`` is looked up among the members' identities as the value of ``attribute`` that
    ``asserted_by`` (the issuer itself unless named) asserts."""

    issuer: Annotated[str, Field(min_length=1, max_length=512)]
    keys: FileFromHere
    audience: Annotated[tuple[Audience, ...], Field(max_length=16)] = ()
    claim: Annotated[str, Field(min_length=1, max_length=128)] = "sub"
    attribute: Annotated[str, Field(min_length=1, max_length=255)] = "sub"
    asserted_by: Annotated[str | None, Field(max_length=1024)] = None


class VoTokenSettings(Settings):
    """Tokens (JWT) besides attribute certificates. ``issuer`` is the URL under which they are issued, ``https://HOST:PORT`` of the VO
    unless named; ``keys`` a directory of ``ostiary keys``, the same keys for nothing else. ``longest``: no token is good for longer.

    ``default_audience``: for whom tokens are when nobody says; without it each request must. ``certificate_bound``: tokens got with a
    certificate are good only together with it (RFC 8705 3).
    """

    issuer: PublicUrl | None = None
    keys: DirectoryFromHere
    longest: Annotated[Duration, Field(le=LONGEST)] = timedelta(hours=1)
    default_audience: Annotated[tuple[Audience, ...], Field(max_length=10)] = ()
    certificate_bound: bool = False
    trusted_issuers: Annotated[tuple[TrustedIssuerSettings, ...], Field(max_length=64)] = ()

    @field_validator("trusted_issuers")
    @classmethod
    def _each_once(cls, value: tuple[TrustedIssuerSettings, ...]) -> tuple[TrustedIssuerSettings, ...]:
        names = [each.issuer for each in value]
        if len(set(names)) != len(names):
            raise WrongSetting("voms.token_issuer_twice", expected="each issuer once", found="one twice")
        return value
