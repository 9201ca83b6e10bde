"""A database with the tables of second factors, keys for them, and federations that have them configured."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine

from idp.factors.keys import FactorKey, FactorKeys
from idp.factors.recovery import RecoveryCodes
from idp.factors.store import Factors
from idp.tables import MIGRATIONS as IDP_MIGRATIONS
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.consent.tables import MIGRATIONS as CONSENT_MIGRATIONS
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from tests.databases import DATABASES, upgraded

if TYPE_CHECKING:
    from tests.simulator import Simulation


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(
        request.param, tmp_path, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, CONSENT_MIGRATIONS, IDP_MIGRATIONS]
    ) as opened:
        yield opened


@pytest.fixture(scope="session")
def keys() -> FactorKeys:
    return FactorKeys([FactorKey.from_secret(b"k" * 32)])


@pytest.fixture
def factors(engine: Engine, keys: FactorKeys) -> Factors:
    return Factors(engine, keys)


@pytest.fixture
def codes(engine: Engine) -> RecoveryCodes:
    return RecoveryCodes(engine)


@pytest.fixture
def simulate(state: Path) -> "Iterator[Callable[..., Simulation]]":
    """Starts the test's federation with these settings of ``second_factor`` at Northgate."""
    from ostiary.command.demo.people import NORTHGATE
    from tests.simulator import Simulation, configure

    started: list[Simulation] = []

    def start(**second_factor: object) -> Simulation:
        settings = {"secret_keys": ["factors.key"], **second_factor}
        configure(state / NORTHGATE.key / "idp.yaml", second_factor=settings)
        started.append(Simulation(state))
        return started[-1]

    yield start
    for simulation in started:
        simulation.close()
