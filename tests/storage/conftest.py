from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from ostiary.storage.engine import open_engine


@pytest.fixture
def opened() -> Iterator[Callable[[str], Engine]]:
    """Opens engines as `open_engine` does, and closes their connections at the end of the test."""
    engines = []

    def open_and_remember(url: str) -> Engine:
        engines.append(open_engine(url))
        return engines[-1]

    yield open_and_remember
    for engine in engines:
        engine.dispose()
