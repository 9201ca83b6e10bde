"""Composition of a VO's REST API: by which proofs callers are believed, and what its requests work with."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from ostiary.command.vo_parts import OneVo


def api_parts(one: "OneVo") -> "Mapping[str, WSGIApplication]":
    """The API of every VO that is served. Raises `ConfigurationError`."""
    # Its many models are made when somebody serves a VO, and not for each command.
    from ostiary.command.vo_tokens import token_subjects
    from ostiary.web.texts import Catalogue
    from voms.api.callers import Callers
    from voms.api.routing import PREFIX
    from voms.api.service import TEXTS, ApiService
    from voms.requests.opening import open_office

    callers = Callers(one.engine, one.settings.vo, one.trust, token_subjects(one))
    server = f"https://{one.settings.host}:{one.settings.port}"
    office = open_office(one.settings, one.engine, Catalogue.load(TEXTS), one.clock.now, one.log)
    return {PREFIX: ApiService(callers, server=server, office=office, log=one.log, clock=one.clock)}
