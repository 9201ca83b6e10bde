"""A home organisation that sends letters (into a directory) and lets people register."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idp.accounts.settings import RegistrationSettings
from ostiary.mail import FilesMailSettings
from tests.idp.accounts.letterbox import Mailbox, add_person


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mail")


@pytest.fixture
def posted(make_home: Callable[..., Any], mailbox: Mailbox) -> Callable[..., Any]:
    """Makes the organisation with letters; the settings of registration may be given."""

    def make(*, registration: RegistrationSettings | None = None, **changes: Any) -> Any:
        return make_home(
            mail=FilesMailSettings(type="files", directory=mailbox.directory),
            registration=registration or RegistrationSettings(by=("password", "certificate")),
            **changes,
        )

    return make


@pytest.fixture
def house(posted: Callable[..., Any]) -> Any:
    """The organisation with Ada, who has a mailbox."""
    made = posted()
    made.people["ada"] = add_person(made.directory, "ada", mail=["ada@example.org"])
    return made
