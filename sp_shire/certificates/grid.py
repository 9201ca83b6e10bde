"""Which CAs and which Attribute Authorities of VOs are trusted, read anew when their files change. Decides nothing about a visitor."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from ostiary.config import Holder, Sources
from ostiary.web.log import Log
from ostiary.x509.lsc import VomsDirectory, load_vomsdir
from ostiary.x509.trust import TrustDirectory, load_trust_directory
from sp_shire.certificates.settings import CertificateSettings

LOOK_EVERY: Final = timedelta(seconds=5)

_NONE: Final = VomsDirectory(MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Grid:
    """``trust`` are the CAs with their CRLs, ``vomsdir`` the LSC files, ``vos`` the VOs whose attribute certificates count here."""

    trust: TrustDirectory
    vomsdir: VomsDirectory
    vos: frozenset[str]


def load_grid(settings: CertificateSettings, sources: Sources) -> Grid:
    """Reads both directories. Raises `ConfigurationError` (``x509.*``)."""
    trust = load_trust_directory(settings.ca_directory, sources=sources, require_crl=settings.require_crl)
    vomsdir = load_vomsdir(settings.vomsdir, sources=sources) if settings.vomsdir is not None else _NONE
    return Grid(trust, vomsdir, frozenset(settings.vos or (vo for vo, _ in vomsdir.files)))


def watched_grid(settings: CertificateSettings, now: datetime, log: Log) -> Callable[[datetime], Grid]:
    """Gives what is in force at an instant. A directory that can't be read any more changes nothing, and the log says so.

    Raises `ConfigurationError` when it can't be read at the start.
    """
    holder = Holder(lambda sources: load_grid(settings, sources), every=LOOK_EVERY)
    holder.poll(now)

    def current(at: datetime) -> Grid:
        if (problem := holder.poll(at)) is not None:
            log.error("reload_refused", code=problem.code, found=str(problem))
        return holder.value

    return current
