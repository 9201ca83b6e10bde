"""What the core works with: the configuration in force, which is swapped as a whole, and the stores. Decides nothing."""

from dataclasses import dataclass

from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.policy.acceptance import AcceptancePolicy
from ostiary.policy.access import AccessDecider
from ostiary.storage.stores import Groups, ReplayStore, SessionStore


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What may change while the resource runs."""

    registry: Registry
    accept: AcceptancePolicy
    access: AccessDecider
    keys: KeyRing


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the SHIRE keeps what it must remember: sessions, pending logins and logouts, answers on their way from the ACS, messages used,
    which sessions a NameID has."""

    sessions: SessionStore
    logins: SessionStore
    tickets: SessionStore
    replay: ReplayStore
    groups: Groups
