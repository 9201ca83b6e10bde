"""What the configuration says about names for people: which formats, for whom, computed or random."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import model_validator

from ostiary.config import FileFromHere, Settings, WrongSetting
from ostiary.saml import names

FORMAT_NAMES: Mapping[str, str] = {
    "transient": names.TRANSIENT,
    "persistent": names.PERSISTENT,
    "emailAddress": names.EMAIL_ADDRESS,
}

FormatName = Literal["transient", "persistent", "emailAddress"]


class PersistentIdSettings(Settings):
    """How a new persistent identifier is made: ``computed`` from the ``salt``, a private file that is never replaced, so that a lost
    database gives the same ones again; or ``random``. Both are kept in the database, can be revoked, and can be imported."""

    made: Literal["computed", "random"]
    salt: FileFromHere | None = None

    @model_validator(mode="after")
    def _salted_if_computed(self) -> Self:
        if (self.made == "computed") == (self.salt is None):
            raise WrongSetting("identifiers.persistent_salt", expected="a salt with made: computed, and only with it")
        return self


class IdentifierSettings(Settings):
    """How people are named to resources. Without ``persistent`` there are no persistent identifiers.

    ``allow_email_name_id_for``: SPs (entityIDs) that may be told a mail address as the name, if the release policies permit them ``mail``.
    """

    persistent: PersistentIdSettings | None = None
    allow_email_name_id_for: tuple[str, ...] = ()

    def formats(self) -> tuple[str, ...]:
        """The formats that metadata announces."""
        return (names.TRANSIENT,) if self.persistent is None else (names.TRANSIENT, names.PERSISTENT)
