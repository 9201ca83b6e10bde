"""Whether an answer is encrypted, and for whom: metadata has the requester's key, the settings say whether it is used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal

from attribute_authority.queries.statuses import DENIED, Unsatisfiable
from ostiary.errors import Refusal
from ostiary.federation.recipients import recipient_of
from ostiary.federation.registry import Registry
from ostiary.saml.encryption import Recipient

EncryptAnswers = Literal["never", "when_possible", "always"]

_NOBODY_SPECIAL: Final[Mapping[str, EncryptAnswers]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AnswerEncryption:
    """``when`` for everybody but those in ``special`` (entityIDs); ``allow_cbc_for_legacy_partners`` as in idp.yaml."""

    when: EncryptAnswers = "never"
    special: Mapping[str, EncryptAnswers] = field(default_factory=lambda: _NOBODY_SPECIAL)
    allow_cbc_for_legacy_partners: frozenset[str] = frozenset()


NO_ENCRYPTION: Final = AnswerEncryption()


def recipient_for(entity_id: str, encryption: AnswerEncryption, registry: Registry, now: datetime) -> Recipient | None:
    """To whom the answer for this entity is encrypted; None where it is not.

    Raises `Unsatisfiable` where it has to be and can't: a requester that lists keys to encrypt to wants encryption, too.
    """
    when = encryption.special.get(entity_id, encryption.when)
    if when == "never":
        return None
    role = registry.sp(entity_id, now)
    try:
        recipient = (
            recipient_of(
                entity_id, role, allow_cbc_for_this_partner=entity_id in encryption.allow_cbc_for_legacy_partners
            )
            if role is not None
            else None
        )
    except Refusal as problem:
        raise Unsatisfiable(DENIED, problem) from None
    if recipient is None and when == "always":
        raise Unsatisfiable(DENIED, Refusal("aa.cannot_encrypt", expected="a key to encrypt to", found="none"))
    return recipient
