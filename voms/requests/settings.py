"""The configuration of requests and invitations: who may ask to join, how long things wait, who hears of them."""

from datetime import timedelta
from typing import Literal

from ostiary.config import Duration, Settings
from ostiary.mail import MailAddress


class RequestsSettings(Settings):
    """``joining: invited`` takes no applications, only invitations. An application waits ``confirm_within`` for the proof of the mail
    address, every request ``decide_within`` for a manager, an invitation ``invitation_lasts`` for its answer. ``membership_lasts``: how
    long a new membership goes where the manager says nothing else (absent: without end). ``tell``: who hears of every new request, beside
    the managers who may decide it; ``remind_every``: how often both hear of those that still wait. Who had asked is forgotten
    ``keep_ended`` after the end of a request.
    """

    joining: Literal["open", "invited"] = "open"
    confirm_within: Duration = timedelta(days=3)
    decide_within: Duration = timedelta(days=60)
    invitation_lasts: Duration = timedelta(days=14)
    membership_lasts: Duration | None = None
    tell: tuple[MailAddress, ...] = ()
    remind_every: Duration = timedelta(days=7)
    keep_ended: Duration = timedelta(days=180)
