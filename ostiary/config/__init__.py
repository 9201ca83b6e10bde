"""Configuration: reads YAML files into frozen models, names every problem by file, line and key, reloads while running.

A module of the package is imported when somebody first wants a name of it: a command that only needs a private file is not kept waiting.
"""

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ostiary.config.document import Document, load_document, parse_document
    from ostiary.config.front_end import HeaderName, TrustedPeer, TrustedPeerSettings
    from ostiary.config.holder import Holder
    from ostiary.config.network import Network, NetworkText, customer_of, is_in, network_of, networks
    from ostiary.config.private_files import key_of_file, read_password, read_private_file, write_private_file
    from ostiary.config.problems import DocumentError, WrongSetting, dotted, nearest_key
    from ostiary.config.settings import DatabaseSettings, ListenSettings, Settings, load_settings, settings_from
    from ostiary.config.sources import Sources
    from ostiary.config.valkey import StoreSettings, ValkeySettings
    from ostiary.config.values import (
        DatabaseUrl,
        DirectoryFromHere,
        Duration,
        DurationOrZero,
        FileFromHere,
        FileOrDirectoryFromHere,
        PathFromHere,
        PublicUrl,
        is_loopback,
        parse_duration,
        parse_public_url,
    )

__all__ = [
    "DatabaseSettings",
    "DatabaseUrl",
    "DirectoryFromHere",
    "Document",
    "DocumentError",
    "Duration",
    "DurationOrZero",
    "FileFromHere",
    "FileOrDirectoryFromHere",
    "HeaderName",
    "Holder",
    "ListenSettings",
    "Network",
    "NetworkText",
    "PathFromHere",
    "PublicUrl",
    "Settings",
    "Sources",
    "StoreSettings",
    "TrustedPeer",
    "TrustedPeerSettings",
    "ValkeySettings",
    "WrongSetting",
    "customer_of",
    "dotted",
    "is_in",
    "is_loopback",
    "key_of_file",
    "load_document",
    "load_settings",
    "nearest_key",
    "network_of",
    "networks",
    "parse_document",
    "parse_duration",
    "parse_public_url",
    "read_password",
    "read_private_file",
    "settings_from",
    "write_private_file",
]

_MODULES: Final = MappingProxyType(
    {
        name: module
        for module, names in {
            "document": ("Document", "load_document", "parse_document"),
            "front_end": ("HeaderName", "TrustedPeer", "TrustedPeerSettings"),
            "holder": ("Holder",),
            "network": ("Network", "NetworkText", "customer_of", "is_in", "network_of", "networks"),
            "private_files": ("key_of_file", "read_password", "read_private_file", "write_private_file"),
            "problems": ("DocumentError", "WrongSetting", "dotted", "nearest_key"),
            "settings": ("DatabaseSettings", "ListenSettings", "Settings", "load_settings", "settings_from"),
            "sources": ("Sources",),
            "valkey": ("StoreSettings", "ValkeySettings"),
            "values": (
                "DatabaseUrl",
                "DirectoryFromHere",
                "Duration",
                "DurationOrZero",
                "FileFromHere",
                "FileOrDirectoryFromHere",
                "PathFromHere",
                "PublicUrl",
                "is_loopback",
                "parse_duration",
                "parse_public_url",
            ),
        }.items()
        for name in names
    }
)


def __getattr__(name: str) -> object:
    """The name, from the module that has it (PEP 562)."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found
