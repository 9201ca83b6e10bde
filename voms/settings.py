"""The configuration of the VO service: one VO, its name to the world, its certificate, its members' database."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from ostiary.config import DatabaseSettings, Duration, FileFromHere, ListenSettings, PathFromHere, Settings
from ostiary.mail import MailSettings
from voms.issuing import NameForm
from voms.members.settings import MembersSettings
from voms.pages.settings import PagesSettings
from voms.requests.settings import RequestsSettings
from voms.status.settings import StatusSettings
from voms.tokens.settings import VoTokenSettings

GENERATE_PATH = "/generate-ac"


class VomsSettings(Settings):
    """The VO ``vo``, which clients and relying parties know as ``host`` and ``port``: LSC files are found by that name, so it is that of
    the service they installed, whatever this machine is called. Several VOs on one host: a list ``vos``, with these keys in each entry, or
    beside it for all.

    ``certificate`` (PEM, the chain after it) and ``key`` serve for TLS and sign the attribute certificates. ``ca_directory`` holds the CAs
    whose people may be members (``HASH.0``, ``HASH.signing_policy``, ``HASH.r0``). ``name_form``: how names are written into certificates.
    ``mail``: how letters to people are sent (absent: none are); ``members``: reminders, and what becomes of those whose membership ends;
    ``requests``: who may ask to join, and how long things wait; ``pages``: web pages to which people log in through a federation;
    ``certificate_pages``: whether who has a certificate finds the same pages at the VO's own address.
    """

    vo: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
    port: Annotated[int, Field(ge=1, le=65535)]
    listen: ListenSettings
    database: DatabaseSettings
    certificate: FileFromHere
    key: FileFromHere
    ca_directory: PathFromHere
    require_crl: bool = False
    longest_lifetime: Duration = timedelta(hours=24)
    name_form: NameForm = "long"
    status: StatusSettings = StatusSettings()
    tokens: VoTokenSettings | None = None
    mail: MailSettings | None = None
    members: MembersSettings = MembersSettings()
    requests: RequestsSettings = RequestsSettings()
    pages: PagesSettings | None = None
    certificate_pages: bool = True
