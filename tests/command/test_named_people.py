"""People by the identifiers that other organisations gave them: one person or nobody."""

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from idp.accounts.directory import Directory
from ostiary.clock import SystemClock
from ostiary.command.home import upgrade_home
from ostiary.command.named_people import ExternalNames
from ostiary.ports import NamedPerson
from ostiary.storage.engine import open_engine
from ostiary.web.log import make_log

AT = {"at": datetime(2026, 11, 22, 12, 0, tzinfo=UTC), "by": "operator"}
HERS = "abc234@northgate.example"


def test_a_value_that_two_people_have_names_nobody_and_the_log_says_whose_it_is(tmp_path: Path) -> None:
    engine, stream = open_engine(f"sqlite:///{tmp_path / 'people.db'}"), StringIO()
    upgrade_home(engine)
    directory = Directory(engine)
    externals = ExternalNames(directory, 3, make_log(SystemClock(), service="aa", stream=stream))
    assert externals.person_known_as(HERS) is None
    hers = {"voPersonExternalID": [HERS]}
    ada = directory.create("ada", password_hash=None, attributes=hers, **AT)
    assert externals.person_known_as("ABC234@NorthGate.example") == NamedPerson(ada, 3)
    assert stream.getvalue() == ""
    bob = directory.create("bob", password_hash=None, attributes=hers, **AT)
    assert externals.person_known_as(HERS) is None
    [line] = stream.getvalue().splitlines()
    assert '"external_name_of_several"' in line
    assert ada in line
    assert bob in line
    assert HERS not in line
    # Whoever is disabled still has it: nobody else is taken for her.
    directory.disable(bob, **AT)
    assert externals.person_known_as(HERS) is None
    directory.set_attributes(bob, {"voPersonExternalID": []}, **AT)
    assert externals.person_known_as(HERS) == NamedPerson(ada, 3)
    engine.dispose()
