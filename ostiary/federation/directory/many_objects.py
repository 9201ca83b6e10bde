"""Making very many objects that stay: the collector of cycles would look at all of them again and again meanwhile, for half of the time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def many_objects() -> Iterator[None]:
    """While the block lasts (a fraction of a second), cycles are not looked for, in no thread; afterwards as before."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # Who found it off leaves it so: another thread is in such a block, or the program wants it so.
        if was_enabled:
            gc.enable()
