"""What a VO's listener is put together from: the parts that answer, and what each of them is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from ostiary.clock import Clock
from ostiary.web.log import Log
from ostiary.x509.trust import TrustDirectory
from voms.issuing import Issuer
from voms.memberships import Memberships
from voms.service import VoAuthority
from voms.settings import VomsSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass(frozen=True, slots=True)
class OneVo:
    """What the parts of one VO's service are made of. ``trust`` and ``issuer`` give what is in force at the moment."""

    config: Path
    settings: VomsSettings
    engine: Engine
    memberships: Memberships
    authority: VoAuthority
    trust: Callable[[], TrustDirectory]
    issuer: Callable[[], Issuer]
    clock: Clock
    log: Log


Part = Callable[[OneVo], "Mapping[str, WSGIApplication]"]
"""Something that a VO's listener answers besides ``generate-ac``: applications by how their paths begin."""
