"""One federation for all examples; `tests.whole_files` gives every test about them to one worker."""

from collections.abc import Iterator

import pytest

from tests.examples.places import Place, made_ready

# nginx, Caddy and Traefik ask for the real servers: tests/e2e/test_examples_behind_web_servers.py.
IN_PYTHON = ("flask", "django", "fastapi", "wsgi", "lazy", "reverse-proxy")


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    with made_ready(tmp_path_factory.mktemp("examples"), IN_PYTHON) as ready:
        yield ready
