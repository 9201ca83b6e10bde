"""Puts together what a VO's listener says of the certificates that the VO issued."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.command.vo_parts import OneVo
from voms.status.service import PREFIX, StatusService

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def status_parts(vo: OneVo) -> "Mapping[str, WSGIApplication]":
    """The status service of one VO, at its address."""
    settings = vo.settings
    made = StatusService(settings.vo, settings.status, engine=vo.engine, issuer=vo.issuer, clock=vo.clock, log=vo.log)
    return {PREFIX: made}
