"""Which CAs and which Attribute Authorities of VOs are trusted, and who is banned,
read anew when their files change. Decides nothing about a visitor."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from ostiary.config import Holder, Sources
from ostiary.config.derived import Derived
from ostiary.web.log import Log
from ostiary.x509.ac_status import NO_STATUS, AcStatus
from ostiary.x509.bans import NO_BANS, BanList, load_ban_list
from ostiary.x509.lsc import VomsDirectory, load_vomsdir
from ostiary.x509.trust import TrustDirectory, load_trust_directory
from sp_shire.certificates.settings import CertificateSettings
from sp_shire.certificates.vo_status import VoStatusLists

LOOK_EVERY: Final = timedelta(seconds=5)

_NONE: Final = VomsDirectory(MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Grid:
    """``trust`` are the CAs with their CRLs, ``vomsdir`` the LSC files, ``vos`` the VOs whose attribute certificates count here,
    ``bans`` whom this site lets in nowhere, whatever a VO says, ``status`` what VOs have taken back."""

    trust: TrustDirectory
    vomsdir: VomsDirectory
    vos: frozenset[str]
    bans: BanList = NO_BANS
    status: AcStatus = NO_STATUS


def load_grid(settings: CertificateSettings, sources: Sources) -> Grid:
    """Reads both directories, and the ban list. Raises `ConfigurationError` (``x509.*``)."""
    trust = load_trust_directory(settings.ca_directory, sources=sources, require_crl=settings.require_crl)
    vomsdir = load_vomsdir(settings.vomsdir, sources=sources) if settings.vomsdir is not None else _NONE
    bans = load_ban_list(settings.ban_file, sources=sources) if settings.ban_file is not None else NO_BANS
    return Grid(trust, vomsdir, frozenset(settings.vos or (vo for vo, _ in vomsdir.files)), bans)


def watched_grid(settings: CertificateSettings, now: datetime, log: Log) -> Callable[[datetime], Grid]:
    """Gives what is in force at an instant. A directory that can't be read any more changes nothing, and the log says so.

    Raises `ConfigurationError` when it can't be read at the start.
    """
    holder = Holder(lambda sources: load_grid(settings, sources), every=LOOK_EVERY)
    holder.poll(now)
    lists = VoStatusLists(settings.vo_status, log)
    complete: Derived[Grid] = Derived(_with_status, most=2)

    def current(at: datetime) -> Grid:
        if (problem := holder.poll(at)) is not None:
            log.error("reload_refused", code=problem.code, found=str(problem))
        grid = holder.value
        return complete(grid, lists.current(grid.trust, grid.vomsdir, at))

    return current


def _with_status(grid: Grid, status: AcStatus) -> Grid:
    return replace(grid, status=status)
