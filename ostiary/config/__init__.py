"""Configuration: reads YAML files into frozen models, names every problem by file, line and key, reloads while running."""

from ostiary.config.document import Document, load_document, parse_document
from ostiary.config.front_end import HeaderName, TrustedPeer, TrustedPeerSettings
from ostiary.config.holder import Holder
from ostiary.config.networks import Network, NetworkText, customer_of, is_in, network_of, networks
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
