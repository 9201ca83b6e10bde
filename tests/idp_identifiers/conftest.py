"""A database of a home organisation, prepared once and copied for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from idp.tables import MIGRATIONS as IDP_MIGRATIONS
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.storage import migrate
from ostiary.storage.engine import open_engine


@pytest.fixture(scope="session")
def prepared_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("identifiers") / "home.db"
    engine = open_engine(f"sqlite:///{path}")
    migrate.upgrade(engine, [migrate.MIGRATIONS, AUDIT_MIGRATIONS, IDP_MIGRATIONS])
    engine.dispose()
    return path


@pytest.fixture
def engine(prepared_database: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copy(prepared_database, tmp_path / "home.db")
    engine = open_engine(f"sqlite:///{tmp_path}/home.db")
    yield engine
    engine.dispose()
