"""Every word that the status page may have to say is in the catalogue."""

from typing import get_args

from idp.service import TEXTS
from ostiary.command.keys_commands import KINDS
from ostiary.rotation import STATES, Step
from ostiary.web.texts import Catalogue


def test_every_state_step_and_purpose_of_a_key_has_its_word() -> None:
    catalogue = Catalogue.load(TEXTS)
    wanted = [
        *(f"idp.status.key.{state}" for state in STATES),
        *(f"idp.status.step.{step}" for step in get_args(Step)),
        *(f"idp.status.purpose.{kind}" for kind in KINDS),
    ]
    assert [key for key in wanted if not catalogue.has(key)] == []
