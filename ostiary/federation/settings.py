"""The part of a service's configuration that says whom it trusts and with which key it speaks; shared by every service."""

from datetime import timedelta

from ostiary.config import DirectoryFromHere, Duration, FileFromHere, Settings
from ostiary.federation.sources.files import MetadataFile


class MetadataFileSettings(Settings):
    """One metadata file; see `MetadataFile`."""

    file: FileFromHere
    trusted_certificates: tuple[FileFromHere, ...] = ()
    allow_unsigned_local_file: bool = False

    def source(self) -> MetadataFile:
        """The same for `load_registry`."""
        return MetadataFile(self.file, self.trusted_certificates, self.allow_unsigned_local_file)


class TrustSettings(Settings):
    """``keys``: the directory of this service's own keys; ``metadata``: whom it trusts, first file first. ``partners_refresh_within``:
    the longest that partners go on with the metadata that they have, so how long a new key is published before it signs."""

    keys: DirectoryFromHere
    metadata: tuple[MetadataFileSettings, ...]
    partners_refresh_within: Duration = timedelta(days=14)
