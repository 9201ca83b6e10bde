"""The configuration of the embedded directory: what a password must be, one-time links, and who may register."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from idp.accounts.breached_passwords import BreachedPasswords
from idp.accounts.password_policy import MINIMUM_LENGTH, PasswordPolicy, common_passwords
from ostiary.config import Duration, FileFromHere, Settings
from ostiary.mail import MailAddress

_DOMAIN: Final = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
_Value = Annotated[str, Field(min_length=1, max_length=4096)]


class PasswordPolicySettings(Settings):
    """What a new password in the embedded directory must be. ``breached_file``: a list of passwords that were stolen elsewhere, sorted
    ``SHA-1:COUNT`` lines as the download of Pwned Passwords makes them; those found at least ``breached_from`` times are refused."""

    minimum_length: Annotated[int, Field(ge=8, le=64)] = MINIMUM_LENGTH
    breached_file: FileFromHere | None = None
    breached_from: Annotated[int, Field(ge=1)] = 1

    def policy(self, known_words: Iterable[str]) -> PasswordPolicy:
        """The same for who checks passwords; ``known_words`` are those of the organisation. Raises `ConfigurationError`
        (``password.breached_file``)."""
        breached = None
        if self.breached_file is not None:
            breached = BreachedPasswords(self.breached_file, from_count=self.breached_from)
        return PasswordPolicy(
            common_passwords(),
            self.minimum_length,
            tuple(known_words),
            breached.count if breached is not None else None,
        )


class LinkSettings(Settings):
    """How long a one-time link is good for: one that somebody asked for who forgot her password, and one that an operator sends."""

    forgotten: Duration = timedelta(minutes=30)
    invitation: Duration = timedelta(days=7)


class RegistrationSettings(Settings):
    """Who may register, and what becomes of it.

    ``by``: with a password, with a client certificate, or not at all (an empty list). An address is proven by a link within
    ``confirm_within``; then the registration waits for ``ostiary people approve``, at most ``decide_within``. ``approve_domains``: mail
    domains whose people need no approval. ``attributes``: what everybody who registered gets. ``tell``: who hears that somebody waits.
    """

    by: tuple[Literal["password", "certificate"], ...] = ()
    confirm_within: Duration = timedelta(hours=24)
    decide_within: Duration = timedelta(days=30)
    approve_domains: tuple[Annotated[str, Field(pattern=_DOMAIN)], ...] = ()
    attributes: Mapping[str, tuple[_Value, ...]] = {}
    tell: tuple[MailAddress, ...] = ()
