"""Which tests `make test` gives to one worker together: those of a file, so that what a module makes is made once; and files that share
processes which are slow to start. A plugin of pytest, for runs with xdist."""

from collections import Counter
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER: Final = {
    "one federation for all examples": ("tests/examples/",),
    "one running demo": (
        "tests/command/test_demo_over_http.py",
        "tests/command/test_trace_command.py",
        "tests/docs/test_documents_work_as_written.py",
    ),
}
# The last piece of work should be a short one: what takes long begins, then comes where a test takes longest on average.
FIRST: Final = (*TOGETHER, "tests/command/", "tests/docs/", "tests/factors/", "tests/flows/")


def piece_of(nodeid: str) -> str:
    """The piece of work that a test belongs to."""
    file = nodeid.partition("::")[0]
    return next((piece for piece, members in TOGETHER.items() if file.startswith(members)), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pieces are given out in the order of their first tests."""
    sizes = Counter(piece_of(item.nodeid) for item in items)

    def turn(item: pytest.Item) -> tuple[int, int, str]:
        piece = piece_of(item.nodeid)
        place = next((number for number, prefix in enumerate(FIRST) if piece.startswith(prefix)), len(FIRST))
        return place, -sizes[piece], piece

    items.sort(key=turn)


class WholePieces(LoadScopeScheduling):
    """Gives out one piece of work after another."""

    def _split_scope(self, nodeid: str) -> str:
        return piece_of(nodeid)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        super().mark_test_complete(node, item_index, duration)
        # What is done needs no counting any more; it would be counted after each test that follows.
        assigned = self.assigned_work[node]
        piece = piece_of(self.registered_collections[node][item_index])
        if all(assigned[piece].values()):
            del assigned[piece]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WholePieces:
    return WholePieces(config, log)
