"""Names of people and CAs as VOMS-Admin wrote them, in the form in which certificates are compared here. Pure."""

import re
from collections.abc import Iterable
from typing import Final

from cryptography import x509

from ostiary.errors import Refusal
from ostiary.x509 import oids
from ostiary.x509.names import normal_slash_form, slash_form
from voms.exchange.written_names import written_name

# What the Java libraries of several releases wrote, besides the spellings that `normal_slash_form` knows.
_SPELLINGS: Final = {
    **{each.lower(): each for each in ("C", "O", "OU", "CN", "DC", "L", "ST")},
    "EMAIL": "emailAddress",
    "emailaddress": "emailAddress",
    "userid": "UID",
    "SERIALNUMBER": "serialNumber",
    "SURNAME": "SN",
    "GIVENNAME": "GN",
    "givenName": "GN",
    "STREET": "street",
    "S": "ST",
    "T": "title",
}
_OTHER: Final = re.compile(rf"/({'|'.join(sorted(_SPELLINGS, key=len, reverse=True))})=")
_KEYS: Final = "|".join(sorted(map(re.escape, oids.SHORT_NAMES.values()), key=len, reverse=True))
# CN=a+UID=b: in which order the certificate has the two can't be seen any more.
_SEVERAL_IN_ONE: Final = re.compile(rf"(?<!\\)\+(?:{_KEYS})=")


class OldNames:
    """Knows the trusted CAs, whose certificates say how their names are really written."""

    def __init__(self, trusted: Iterable[x509.Certificate] = ()) -> None:
        subjects = [each.subject for each in trusted]
        self._by_line = {normal_slash_form(slash_form(each)): each.rfc4514_string() for each in subjects}
        self._known = frozenset(each.rfc4514_string() for each in subjects)

    def subject(self, written: str) -> str:
        """RFC 4514 of a one-line name. Raises `Refusal` (``voms.written_name``)."""
        line = _OTHER.sub(lambda found: f"/{_SPELLINGS[found[1]]}=", written)
        if _SEVERAL_IN_ONE.search(line):
            raise Refusal("voms.written_name", expected="one attribute in each part", found=written[:200])
        return written_name(line)

    def authority(self, written: str) -> str:
        """The same of a CA; where it is trusted, as its certificate has it. Raises `Refusal` (``voms.written_name``)."""
        return self._by_line.get(normal_slash_form(written)) or self.subject(written)

    def trusts(self, authority: str) -> bool:
        """Whether a CA with this name (RFC 4514) is trusted."""
        return authority in self._known
