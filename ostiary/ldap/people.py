"""People in a directory: an entry is known by its principal, an id that outlives its name; implements `ostiary.ports.People`.

Decides who is active; proves no password.
"""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ostiary.clock import Clock, SystemClock
from ostiary.errors import Unavailable
from ostiary.ldap.accounts import ATTRIBUTES, account_state
from ostiary.ldap.filters import And, Compare, Filter, read_filter
from ostiary.ldap.port import Entry, LdapDirectory

if TYPE_CHECKING:
    from ostiary.ldap.settings import LdapSettings

# What a handle has room for (`ostiary.handle.MAXIMUM_PRINCIPAL`), in letters that mean the same in every encoding.
_PRINCIPAL: Final = re.compile(r"[!-~]{1,64}")
_HEX: Final = re.compile(r"(?:[0-9a-f]{2}){1,32}")
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """An entry and the principal that it holds."""

    principal: str
    entry: Entry


class LdapPeople:
    """The people below ``settings.base_dn``. ``directory`` is asked in the open for who wants more of it (`bind`).

    Every method raises `Unavailable` (``ldap.*``) when the directory does not answer. Safe for use by several threads. ``elapsed`` counts
    seconds, from wherever; by the ``clock`` accounts of Active Directory expire.
    """

    def __init__(
        self,
        directory: LdapDirectory,
        settings: "LdapSettings",
        *,
        elapsed: Callable[[], float] = time.monotonic,
        clock: Clock | None = None,
    ) -> None:
        self.directory = directory
        self.base_dn = settings.base_dn
        self.principal_attribute = settings.principal_attribute
        self._hex = settings.principal_encoding == "hex"
        self._active = read_filter(settings.active_filter) if settings.active_filter is not None else None
        self._remember = settings.remember.total_seconds()
        self._elapsed = elapsed
        self._clock = clock or SystemClock()
        self._has_account_states = settings.accounts == "active_directory"
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, float] = OrderedDict()

    def is_active(self, principal: str) -> bool:
        """Whether an entry with this principal exists, matches ``active_filter``, and is not an account that is disabled or expired; a yes
        is remembered for ``settings.remember``."""
        return self._was_seen(principal) or self.is_active_now(principal)

    def is_active_now(self, principal: str) -> bool:
        """The same, asked anew."""
        known = self._with_principal(principal)
        if known is None:
            return False
        wanted = known if self._active is None else And((known, self._active))
        entry = self.directory.find_one(self.base_dn, wanted, ATTRIBUTES if self._has_account_states else ())
        active = entry is not None
        if entry is not None and self._has_account_states:
            # A lock is not one of them: strangers can lock an account, and must not end its sessions by that.
            active = account_state(entry, self._clock.now()) not in ("disabled", "expired")
        self._note(principal, active)
        return active

    def find(self, principal: str, attributes: Sequence[str]) -> Entry | None:
        """The entry with this principal, active or not; None when there is none."""
        wanted = self._with_principal(principal)
        return self.directory.find_one(self.base_dn, wanted, attributes) if wanted is not None else None

    def find_by(self, wanted: Filter, attributes: Sequence[str]) -> FoundPerson | None:
        """The entry that matches, active or not; None when there is none.

        Raises `Unavailable` (``ldap.no_principal``) also when the entry has no principal that can be used, or several.
        """
        entry = self.directory.find_one(self.base_dn, wanted, (self.principal_attribute, *attributes))
        return FoundPerson(self._principal(entry), entry) if entry is not None else None

    def check(self) -> None:
        """Raises `Unavailable` while the directory does not answer."""
        self.directory.find_one(self.base_dn, Compare(self.principal_attribute, _NOBODY[self._hex]), ())

    def close(self) -> None:
        """Closes the connections to the directory; they are made anew when it is asked again."""
        self.directory.close()

    def _with_principal(self, principal: str) -> Compare | None:
        """None for what can't be a principal of this directory, for instance one of another that was used before."""
        if (_HEX if self._hex else _PRINCIPAL).fullmatch(principal) is None:
            return None
        value = bytes.fromhex(principal) if self._hex else principal.encode("ascii")
        return Compare(self.principal_attribute, value)

    def _principal(self, entry: Entry) -> str:
        values = entry.values(self.principal_attribute)
        if len(values) == 1:
            principal = values[0].hex() if self._hex else values[0].decode("ascii", "replace")
            if (_HEX if self._hex else _PRINCIPAL).fullmatch(principal):
                return principal
        expected = f"one value of {self.principal_attribute}, 1 to 64 visible ASCII characters, or 1 to 32 bytes in hex"
        found = f"{len(values)} values" if len(values) != 1 else "another kind of value"
        raise Unavailable("ldap.no_principal", expected=expected, found=f"{found} at {entry.dn}")

    def _was_seen(self, principal: str) -> bool:
        with self._lock:
            seen = self._seen.get(principal)
        return seen is not None and self._elapsed() < seen + self._remember

    def _note(self, principal: str, active: bool) -> None:
        with self._lock:
            self._seen.pop(principal, None)
            if active and self._remember > 0:
                self._seen[principal] = self._elapsed()
                while len(self._seen) > _REMEMBERED:
                    self._seen.popitem(last=False)


# An id that nobody has: a search for it costs nothing and proves that the directory answers.
_NOBODY: Final = (b"00000000-0000-0000-0000-000000000000", bytes(16))
