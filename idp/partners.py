"""What is different for single partners: the settings of ``partners``, and what of them holds for one SP, as a pure function.

Entries are read from top to bottom, and each field is taken from the first entry that fits the SP and sets it. What makes a partner
less safe than the others (``allow_...``, ``encrypt: never``) needs the partner's own name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from idp.identifiers.settings import FORMAT_NAMES, FormatName
from ostiary.config import Duration, Settings, WrongSetting
from ostiary.federation.model import Entity

Digest = Literal["sha256", "sha384", "sha512"]
Signed = Literal["response", "assertion", "both"]
Encrypt = Literal["never", "if_key", "required"]

_SELECTORS: Final = ("entity_id", "entity_category", "registration_authority")
_Uri = Annotated[str, Field(min_length=1, max_length=1024)]


class PartnerSettings(Settings):
    """One entry of ``partners``: for the SP with this ``entity_id``, or all with this ``entity_category`` or
    ``registration_authority`` (one of the three).

    ``signing_algorithm`` is the digest; RSA or ECDSA is as our key is. ``sign``: what carries a signature. ``session_lifetime`` ends the
    SP's own session (SessionNotOnOrAfter), never later than ours. ``handle_lifetime``: how long it may ask about a person.
    ``name_id_format``: what it gets when its request names none. ``encrypt``: ``if_key`` where its metadata has a key for it;
    ``required`` answers with an error where it has none. ``allow_cbc_for_this_partner`` encrypts by CBC, which anybody can change
    unnoticed, where its metadata asks for nothing better; ``allow_sha1_from_legacy_partner`` takes requests that it signs with SHA-1.
    ``attributes_in_response``: push them, or leave them to its queries.
    """

    entity_id: _Uri | None = None
    entity_category: _Uri | None = None
    registration_authority: _Uri | None = None
    signing_algorithm: Digest | None = None
    sign: Signed | None = None
    assertion_lifetime: Duration | None = None
    session_lifetime: Duration | None = None
    handle_lifetime: Duration | None = None
    name_id_format: FormatName | None = None
    encrypt: Encrypt | None = None
    allow_cbc_for_this_partner: bool | None = None
    allow_sha1_from_legacy_partner: bool | None = None
    attributes_in_response: bool | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        selectors = [name for name in _SELECTORS if getattr(self, name) is not None]
        if len(selectors) != 1:
            raise WrongSetting(
                "partners.selector", expected="one of " + ", ".join(_SELECTORS), found=", ".join(selectors) or "none"
            )
        if self.assertion_lifetime is not None and self.assertion_lifetime > timedelta(hours=1):
            raise WrongSetting("partners.assertion_lifetime", expected="at most 1h", found=str(self.assertion_lifetime))
        weaker = self._weaker()
        if weaker and self.entity_id is None:
            raise WrongSetting(
                "partners.weaker_needs_name", expected="entity_id", found=f"{selectors[0]} with {weaker}"
            )
        return self

    def _weaker(self) -> str:
        """The first field that is about making its partner less safe."""
        if self.allow_cbc_for_this_partner is not None:
            return "allow_cbc_for_this_partner"
        if self.allow_sha1_from_legacy_partner is not None:
            return "allow_sha1_from_legacy_partner"
        return "encrypt: never" if self.encrypt == "never" else ""

    def fits(self, sp: Entity) -> bool:
        """Whether this entry is about the SP."""
        return (
            sp.entity_id == self.entity_id
            or (self.entity_category is not None and self.entity_category in sp.entity_categories)
            or (self.registration_authority is not None and self.registration_authority == sp.registration_authority)
        )


@dataclass(frozen=True, slots=True)
class PartnerRules:
    """What holds for one SP. None: as for everybody. ``name_id_format`` is the URI."""

    signing_algorithm: Digest | None = None
    sign: Signed = "both"
    assertion_lifetime: timedelta | None = None
    session_lifetime: timedelta | None = None
    handle_lifetime: timedelta | None = None
    name_id_format: str | None = None
    encrypt: Encrypt = "if_key"
    allow_cbc_for_this_partner: bool = False
    allow_sha1_from_legacy_partner: bool = False
    attributes_in_response: bool | None = None

    @property
    def signs_response(self) -> bool:
        return self.sign in ("response", "both")

    @property
    def signs_assertion(self) -> bool:
        return self.sign in ("assertion", "both")


NOTHING_SPECIAL: Final = PartnerRules()

_FIELDS: Final = tuple(name for name in PartnerSettings.model_fields if name not in _SELECTORS)


def effective(partners: Sequence[PartnerSettings], sp: Entity) -> PartnerRules:
    """What the configuration says about this SP: each field from the first entry that fits and sets it."""
    entries = [entry for entry in partners if entry.fits(sp)]
    if not entries:
        return NOTHING_SPECIAL
    found: dict[str, Any] = {}
    for name in _FIELDS:
        value = next((set_ for entry in entries if (set_ := getattr(entry, name)) is not None), None)
        if value is not None:
            found[name] = FORMAT_NAMES[value] if name == "name_id_format" else value
    return PartnerRules(**found)


def allowed_sha1(partners: Sequence[PartnerSettings]) -> frozenset[str]:
    """The SPs (entityIDs) whose requests may be signed with SHA-1. As `effective`, the first entry that says something counts."""
    said: dict[str, bool] = {}
    for entry in partners:
        if entry.entity_id is not None and entry.allow_sha1_from_legacy_partner is not None:
            said.setdefault(entry.entity_id, entry.allow_sha1_from_legacy_partner)
    return frozenset(entity_id for entity_id, allowed in said.items() if allowed)
