"""The part of a service's configuration that says whom it trusts and with which key it speaks; shared by every service."""

from ostiary.config import DirectoryFromHere, FileFromHere, Settings
from ostiary.federation.sources import MetadataFile


class MetadataFileSettings(Settings):
    """One metadata file; see `MetadataFile`."""

    file: FileFromHere
    trusted_certificates: tuple[FileFromHere, ...] = ()
    allow_unsigned_local_file: bool = False

    def source(self) -> MetadataFile:
        """The same for `load_registry`."""
        return MetadataFile(self.file, self.trusted_certificates, self.allow_unsigned_local_file)


class TrustSettings(Settings):
    """``keys``: the directory of this service's own keys; ``metadata``: whom it trusts, first file first."""

    keys: DirectoryFromHere
    metadata: tuple[MetadataFileSettings, ...]
