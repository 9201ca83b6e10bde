"""The people of several directories as one, for an Attribute Authority whose organisation keeps them so."""

from collections.abc import Sequence

from ostiary.errors import Unavailable
from ostiary.ports import People


class SeveralPeople:
    """`ostiary.ports.People` over several. One that does not answer matters only where no other one knows the person."""

    def __init__(self, directories: Sequence[People]) -> None:
        self._directories = tuple(directories)

    def is_active(self, principal: str) -> bool:
        problem: Unavailable | None = None
        for directory in self._directories:
            try:
                if directory.is_active(principal):
                    return True
            except Unavailable as error:
                problem = problem or error
        if problem is not None:
            raise problem
        return False
