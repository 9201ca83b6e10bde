"""The lines of a grid-map file: a name in quotation marks, an account. Decides which account counts where several would. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.errors import Refusal
from ostiary.x509 import oids
from ostiary.x509.bans import NO_BANS, BanList
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan, parse_fqan

# A name of an account, or a pool of them: .vo
_ACCOUNT: Final = re.compile(r"\.?[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_HEXADECIMAL: Final = re.compile(r"\\([0-9A-Fa-f]{2})")
_SEPARATORS: Final = ",+"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Who has ``fqan`` becomes ``account``."""

    fqan: Fqan
    account: str


def read_mapping(text: str) -> Mapping:
    """``/vo/group=account`` or ``/vo/group/Role=name=account``; an account that begins with a dot is a pool. Raises `Refusal`
    (``voms.mapping``, ``x509.fqan``)."""
    fqan, equals, account = text.rpartition("=")
    check_account(account)
    if not equals or fqan.endswith("/Role"):
        raise Refusal("voms.mapping", expected="/vo/group=account", found=text[:300])
    return Mapping(parse_fqan(fqan), account)


def check_account(account: str) -> None:
    """Raises `Refusal` (``voms.mapping``)."""
    if _ACCOUNT.fullmatch(account) is None:
        raise Refusal("voms.mapping", expected="/vo/group=account", found=account[:300])


def one_line_name(rfc4514: str) -> str:
    """``/C=ZZ/O=Example/CN=Ada`` of ``CN=Ada,O=Example,C=ZZ``, as grid-map files have it: slashes in a value stand as they are, bytes
    beyond printable ASCII as ``\\xHH``. Raises ValueError for what is no name in RFC 4514, as our database has them."""
    rdns: list[str] = []
    joint = ","
    for part, following in _parts(rfc4514):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise ValueError("not a name")
        text = f"{_short_name(key)}={_printable(value)}"
        if joint == "+":
            rdns[-1] += f"+{text}"
        else:
            rdns.append(text)
        joint = following
    return "".join(f"/{rdn}" for rdn in reversed(rdns))


def gridmap(mapped: Iterable[tuple[Mapping, Sequence[CertificateNames]]], *, bans: BanList = NO_BANS) -> list[str]:
    """The lines, by name: whoever fits several mappings has the account of the first. Who is banned has none."""
    accounts: dict[str, str] = {}
    for mapping, certificates in mapped:
        banned_fqan = bans.fqans([mapping.fqan.short()]) is not None
        for names in certificates:
            name = one_line_name(names.subject)
            # Nobody can smuggle a line of her own into the file.
            if not banned_fqan and bans.name(name) is None and '"' not in name:
                accounts.setdefault(name, mapping.account)
    return [f'"{name}" {accounts[name]}' for name in sorted(accounts)]


def _parts(text: str) -> Iterable[tuple[str, str]]:
    """The attributes, each with the separator after it; what is escaped stays so."""
    start = place = 0
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        if text[place] in _SEPARATORS:
            yield text[start:place], text[place]
            start = place + 1
        place += 1
    yield text[start:], ""


def _short_name(key: str) -> str:
    if key == "STREET":
        return "street"
    return oids.SHORT_NAMES.get(key, key)


def _printable(value: str) -> str:
    plain = bytearray()
    place = 0
    while place < len(value):
        matched = _HEXADECIMAL.match(value, place)
        if matched is not None:
            plain += bytes.fromhex(matched[1])
            place = matched.end()
            continue
        if value[place] == "\\":
            place += 1
        plain += value[place : place + 1].encode()
        place += 1
    return "".join(chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02X}" for byte in plain)
