"""IP addresses and networks as configuration names them and as requests bring them. Trusts no header."""

import ipaddress
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from ostiary.config.problems import WrongSetting

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise WrongSetting(
            "config.network", expected="192.0.2.0/24, 2001:db8::/32 or one address", found=value
        ) from None
    return value


NetworkText = Annotated[str, Field(max_length=60), AfterValidator(_network)]
"""A network or one address, in a configuration file."""


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """What such texts stand for."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def is_in(address: str, within: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks; what is no address is in none. An IPv4 address mapped into IPv6 counts as itself."""
    parsed = _address(address)
    return parsed is not None and any(parsed.version == one.version and parsed in one for one in within)


def is_address(text: str) -> bool:
    """Whether this is an IP address."""
    return _address(text) is not None


def customer_of(address: str, prefix: int = 64) -> str:
    """What counts as one address: one IPv6 customer holds a whole /64, or where many are to be told apart a /48. What is no address is
    returned as it is."""
    parsed = _address(address)
    if parsed is None:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((parsed, prefix), strict=False))
    return str(parsed)


def network_of(address: str, prefix_v4: int, prefix_v6: int) -> str:
    """The network of that many bits around an address. An IPv4 address mapped into IPv6 counts as itself; what is no address is returned as
    it is."""
    parsed = _address(address)
    if parsed is None:
        return address
    prefix = prefix_v4 if parsed.version == 4 else prefix_v6
    return str(ipaddress.ip_network((parsed, prefix), strict=False))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
