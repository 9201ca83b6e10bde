"""Names a person to a resource: mints a handle, finds or issues her persistent identifier, or takes her mail address.

Which of these it is, `idp.identifiers.rules` decides; whether the mail address may leave, the release policies.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from idp.identifiers.rules import NameIdPolicy, choose_name_id, may_create
from idp.identifiers.settings import IdentifierSettings
from idp.identifiers.stored import MakeValue, PersistentIds
from ostiary.attributes import Attribute, texts_of
from ostiary.federation.model import Entity
from ostiary.handle import HandleKey, mint
from ostiary.identifiers.computed import persistent_value
from ostiary.identifiers.salt import load_salt
from ostiary.ports import AttributeSource, ReleaseRequest
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.protocol import Status

MAIL: Final = "mail"
# One address and nothing else (RFC 5322 addr-spec, without quoting and comments).
_ADDRESS: Final = re.compile(
    r"[^@\s<>(),;:\"\\\[\]\x00-\x20\x7f]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
)


class Subject(NamedTuple):
    """Whom to name: her ``principal``, the index of the ``authority`` that knows her, and until when a handle of hers opens."""

    principal: str
    authority: int
    handle_expires: datetime


class NameIds:
    """Names people to the SPs of one identity provider (``entity_id``). ``handle_keys`` gives the keys of the moment, of which the first
    mints; ``source`` is asked for mail addresses. Safe for several threads.

    Raises `ConfigurationError` (``identifiers.salt_file``, ``config.private_file_*``) when the salt can't be used.
    """

    def __init__(
        self,
        settings: IdentifierSettings,
        *,
        entity_id: str,
        handle_keys: Callable[[], Sequence[HandleKey]],
        stored: PersistentIds,
        source: AttributeSource,
    ) -> None:
        self._settings = settings
        self._entity_id = entity_id
        self._handle_keys = handle_keys
        self._stored = stored
        self._source = source
        persistent = settings.persistent
        self._salt = load_salt(persistent.salt) if persistent is not None and persistent.salt is not None else None

    def name_id_for(
        self,
        subject: Subject,
        sp: Entity,
        policy: NameIdPolicy | None,
        now: datetime,
        *,
        override: str | None = None,
    ) -> NameId | Status:
        """The name for this SP (SAML core 3.4.1.1), or the Status that says that there is none as it wants it. ``override`` is the format
        that was configured for this partner.

        A persistent identifier that is made here is in the database, with its audit row, before it is returned. Raises `Unavailable` when
        the database or the Attribute Authority does not answer.
        """
        available = _Available(self, subject, sp, policy, now)
        chosen = choose_name_id(
            policy,
            requester=sp.entity_id,
            metadata_formats=sp.sp.nameid_formats if sp.sp is not None else (),
            override=override,
            available=available,
        )
        match chosen:
            case Status():
                return chosen
            case names.PERSISTENT:
                return self._persistent(subject, sp, now)
            case names.EMAIL_ADDRESS if available.mail is not None:
                return NameId(available.mail, names.EMAIL_ADDRESS)
            case _:
                return self._transient(subject, sp)

    def may_have_persistent(self, subject: Subject, sp: Entity, policy: NameIdPolicy | None) -> bool:
        """Whether there is a persistent identifier for her there, or one may be made."""
        if self._settings.persistent is None:
            return False
        return may_create(policy) or self._stored.find(subject.principal, sp.entity_id) is not None

    def mail_of(self, subject: Subject, sp: Entity, now: datetime) -> str | None:
        """Her address, the first that is one, as far as the release policies let this SP know it; None for an SP that may not have one for
        a name."""
        if sp.entity_id not in self._settings.allow_email_name_id_for:
            return None
        wanted = ReleaseRequest(
            subject.principal, sp.entity_id, now, wanted=(Attribute(MAIL, ()),), authority=subject.authority
        )
        addresses = texts_of(self._source.release(wanted).attributes, MAIL)
        return next((address for address in addresses if _ADDRESS.fullmatch(address)), None)

    def _transient(self, subject: Subject, sp: Entity) -> NameId:
        handle = mint(
            self._handle_keys()[0],
            principal=subject.principal,
            requester=sp.entity_id,
            expires=subject.handle_expires,
            authority=subject.authority,
        )
        return NameId(handle, names.TRANSIENT, self._entity_id, sp.entity_id)

    def _persistent(self, subject: Subject, sp: Entity, now: datetime) -> NameId:
        known = self._stored.issue(
            subject.principal,
            sp.entity_id,
            self._maker(subject.principal, sp.entity_id),
            authority=subject.authority,
            origin="random" if self._salt is None else "computed",
            at=now,
        )
        return NameId(known.value, names.PERSISTENT, self._entity_id, sp.entity_id)

    def _maker(self, principal: str, sp: str) -> MakeValue:
        salt = self._salt
        if salt is None:
            return _random
        return lambda generation: persistent_value(salt, principal, sp, generation)


class _Available:
    """The formats that there are for one person at one SP, each found out only when it comes into question."""

    def __init__(
        self, name_ids: NameIds, subject: Subject, sp: Entity, policy: NameIdPolicy | None, now: datetime
    ) -> None:
        self._name_ids = name_ids
        self._subject = subject
        self._sp = sp
        self._policy = policy
        self._now = now
        self.mail: str | None = None

    def __contains__(self, wanted: object) -> bool:
        match wanted:
            case names.TRANSIENT:
                return True
            case names.PERSISTENT:
                return self._name_ids.may_have_persistent(self._subject, self._sp, self._policy)
            case names.EMAIL_ADDRESS:
                self.mail = self._name_ids.mail_of(self._subject, self._sp, self._now)
                return self.mail is not None
        return False


def _random(_generation: int) -> str:
    return secrets.token_hex(20)
