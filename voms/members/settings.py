"""The configuration of what time brings to members: reminders, and what becomes of those whose membership has ended."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from ostiary.config import Duration, Settings
from ostiary.mail import MailAddress

Days = tuple[Annotated[int, Field(ge=1, le=366)], ...]


class MembersSettings(Settings):
    """``remind``: how many days before a membership ends its member is told; ``remind_to_sign``: the same before a policy has to be signed.
    ``remove_after``: how long after its end a membership is removed (absent: never). ``contact``: whom letters tell members to write to.
    ``every``: how often all that is looked at; ``jobs: false``: never by the service, only by ``ostiary vo run-jobs``.
    """

    remind: Days = (30, 7, 1)
    remind_to_sign: Days = (14, 3, 1)
    remove_after: Duration | None = None
    contact: MailAddress | None = None
    every: Duration = timedelta(hours=1)
    jobs: bool = True
