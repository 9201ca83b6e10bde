"""Which organisations are near: by the networks and positions that their metadata names (MDUI 1.0 2.2.1 and 2.2.3). Only an order of
what is shown: whoever sits in a university's network need not belong to it, and metadata may claim any network.
"""

import math
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.federation.summary import Summary

# Wider networks than these are nobody's: a hint of 0.0.0.0/0 must not put its owner first for everybody.
_WIDEST: Final = {4: 8, 16: 19}
_NEAR_KILOMETRES: Final = 60.0
_MOST_NEAR: Final = 5
_KILOMETRES_PER_DEGREE: Final = 111.2


@dataclass(frozen=True, slots=True)
class Nearby:
    """Where a person seems to be: the ``address`` of her computer, and a ``position`` in degrees (north, east) where the site knows one."""

    address: str = ""
    position: tuple[float, float] | None = None


class Places:
    """Networks and positions of many organisations, which are numbered. Made once, never changed."""

    def __init__(self, organisations: Sequence[Summary]) -> None:
        self._networks: Final[dict[tuple[int, int], dict[int, list[int]]]] = {}
        self._positions: Final[dict[int, tuple[float, float]]] = {}
        self._cells: Final[dict[tuple[int, int], list[int]]] = {}
        for number, organisation in enumerate(organisations):
            spent = {4: 0.0, 16: 0.0}
            for hint in organisation.ip_hints:
                network = _network(hint)
                if network is not None:
                    length, prefix, value = network
                    # Nor are many wide ones together.
                    spent[length] += 0.5**prefix
                    if spent[length] > 0.5 ** _WIDEST[length]:
                        continue
                    self._networks.setdefault((length, prefix), {}).setdefault(value, []).append(number)
            for hint in organisation.geolocation_hints[:1]:
                position = position_of(hint)
                if position is not None:
                    self._positions[number] = position
                    self._cells.setdefault(_cell(position), []).append(number)

    def near(self, nearby: Nearby) -> Mapping[int, int]:
        """The place of each that is near: those in whose network the address is, the narrowest first, then the next few by distance.

        Where no position is known, it is that of the organisation whose network it is."""
        found = self._by_address(nearby.address)
        position = nearby.position or next((self._positions[one] for one in found if one in self._positions), None)
        if position is not None:
            around = sorted((distance(position, self._positions[one]), one) for one in self._around(position))
            found += [one for far, one in around if far <= _NEAR_KILOMETRES and one not in found][:_MOST_NEAR]
        return {number: place for place, number in enumerate(found)}

    def _by_address(self, address: str) -> list[int]:
        packed = _packed(address)
        if packed is None:
            return []
        bits, value = 8 * len(packed), int.from_bytes(packed)
        found: dict[int, None] = {}
        for length, prefix in sorted(self._networks, key=lambda kind: -kind[1]):
            if length == len(packed):
                found.update(dict.fromkeys(self._networks[length, prefix].get(value >> (bits - prefix), ())))
        return list(found)

    def _around(self, position: tuple[float, float]) -> list[int]:
        north, east = _cell(position)
        # Degrees of longitude are narrower away from the equator.
        wide = min(6, math.ceil(1 / max(0.1, math.cos(math.radians(position[0])))))
        return [
            one
            for row in (north - 1, north, north + 1)
            for column in range(east - wide, east + wide + 1)
            for one in self._cells.get((row, (column + 180) % 360 - 180), ())
        ]


def position_of(hint: str) -> tuple[float, float] | None:
    """The position of a geo URI (RFC 5870 3.3), None for what is none or in another reference system."""
    scheme, _, rest = hint.strip().partition(":")
    coordinates, *parameters = rest.split(";")
    if scheme.lower() != "geo" or any(
        parameter.lower().startswith("crs=") and parameter.lower() != "crs=wgs84" for parameter in parameters
    ):
        return None
    try:
        north, east, *_ = (float(part) for part in coordinates.split(",")[:3])
    except ValueError:
        return None
    return (north, east) if abs(north) <= 90 and abs(east) <= 180 else None


def distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Kilometres between two positions, near enough for an order of what is near."""
    east = abs(one[1] - other[1])
    across = min(east, 360 - east) * math.cos(math.radians((one[0] + other[0]) / 2))
    return math.hypot(one[0] - other[0], across) * _KILOMETRES_PER_DEGREE


def _cell(position: tuple[float, float]) -> tuple[int, int]:
    return math.floor(position[0]), (math.floor(position[1]) + 180) % 360 - 180


def _network(hint: str) -> tuple[int, int, int] | None:
    """(octets of an address, length of the prefix, prefix as a number) of a hint as it stands in metadata."""
    address, slash, length = hint.strip().partition("/")
    packed = _packed(address)
    if packed is None or (slash and not (length.isascii() and length.isdigit() and len(length) <= 3)):
        return None
    bits = 8 * len(packed)
    prefix = int(length) if slash else bits
    if not _WIDEST[len(packed)] <= prefix <= bits:
        return None
    return len(packed), prefix, int.from_bytes(packed) >> (bits - prefix)


def _packed(address: str) -> bytes | None:
    """An address as octets; an IPv4 address mapped into IPv6 counts as itself."""
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address.partition("%")[0])
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(b"\0" * 10 + b"\xff\xff") else packed
