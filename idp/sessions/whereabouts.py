"""From where a session was begun, as far as it may be kept: which browser, and the network of its address. Pure; believes neither."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

MAXIMUM_READ: Final = 512

# The first that fits: most browsers also name those that they want to be taken for.
_BROWSERS: Final = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/"),
    ("Opera", r"\bOPR/|\bOpera\b"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/"),
    ("Chromium", r"\bChromium/"),
    ("Chrome", r"\b(?:Chrome|HeadlessChrome|CriOS)/"),
    ("Safari", r"\bVersion/[\d.]+ (?:Mobile/\S+ )?Safari/"),
    ("curl", r"^curl/"),
)
_SYSTEMS: Final = (
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Android", r"\bAndroid\b"),
    ("Windows", r"\bWindows\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("macOS", r"\bMac OS X\b|\bMacintosh\b"),
    ("Linux", r"\bLinux\b"),
)
_IPV4_PREFIX: Final = 24
_IPV6_PREFIX: Final = 48


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """``browser``: a product and a system that are known here, such as ``Firefox, Linux``; ``network``: a prefix such as
    ``192.0.2.0/24``. Empty where nothing can be said."""

    browser: str = ""
    network: str = ""


NOWHERE: Final = Whereabouts()


def whereabouts(user_agent: str, address: str) -> Whereabouts:
    """What is kept of a User-Agent header and of a client's address: names from our own lists, and no whole address."""
    read = user_agent[:MAXIMUM_READ]
    found = [next((name for name, pattern in known if re.search(pattern, read)), "") for known in (_BROWSERS, _SYSTEMS)]
    return Whereabouts(", ".join(name for name in found if name), _network(address))


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    prefix = _IPV4_PREFIX if ip.version == 4 else _IPV6_PREFIX
    return str(ipaddress.ip_network((ip, prefix), strict=False))
