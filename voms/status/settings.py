"""How long what the status service says may be relied upon (``status:`` in ``voms.yaml``)."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator

from ostiary.config import Duration, Settings, WrongSetting

_LEAST = timedelta(minutes=2)
_MOST = timedelta(days=7)


def _of_use(value: timedelta) -> timedelta:
    if not _LEAST <= value <= _MOST:
        raise WrongSetting("voms.status_valid_for", expected="2m to 7d", found=str(value))
    return value


class StatusSettings(Settings):
    """The signed list of certificates that were taken back, and the answers about a single one. ``valid_for``: how long each of them may be
    relied upon without asking again; who wants to hear earlier asks earlier."""

    valid_for: Annotated[Duration, AfterValidator(_of_use)] = timedelta(hours=1)
