"""Puts together what handles the requests of one VO, from its configuration. Opens nothing but the file of the mail password."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from ostiary.web.log import Log
from ostiary.web.texts import Catalogue
from voms.pages.settings import PAGES_PATH
from voms.requests.letters import Letters
from voms.requests.office import Office
from voms.settings import VomsSettings


def open_office(
    settings: VomsSettings, engine: Engine, catalogue: Catalogue, now: Callable[[], datetime], log: Log
) -> Office:
    """``catalogue`` has the texts of the letters. Raises `ConfigurationError` where the mail password can't be read."""
    path = f"{PAGES_PATH}/{settings.vo}"
    letters = Letters(
        catalogue,
        settings.mail.open(now) if settings.mail is not None else None,
        settings.vo,
        pages_url=f"{settings.pages.public_url}{path}" if settings.pages is not None else None,
        certificate_url=f"https://{settings.host}:{settings.port}{path}" if settings.certificate_pages else None,
        log=log,
    )
    return Office(engine, settings.vo, settings.requests, letters)
