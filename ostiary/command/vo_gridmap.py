"""Composition of a VO's grid-map files over HTTPS."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.command.vo_parts import OneVo
from voms.gridmap.service import GridmapService

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def gridmap_parts(one: OneVo) -> "Mapping[str, WSGIApplication]":
    """Answers at the addresses that ``edg-mkgridmap`` and its like ask, and at one for scripts."""
    service = GridmapService(one.settings.vo, one.engine, trust=one.trust, log=one.log, clock=one.clock)
    return {service.soap_path: service, service.plain_path: service}
