"""The SAML statuses of queries that can't be satisfied (SAML core 3.2.2.2)."""

from typing import Final

from ostiary.errors import OstiaryError
from ostiary.saml import names
from ostiary.saml.protocol import Status

UNKNOWN_PRINCIPAL: Final = Status(names.REQUESTER, names.UNKNOWN_PRINCIPAL)
BAD_ATTRIBUTE: Final = Status(names.REQUESTER, names.INVALID_ATTR_NAME_OR_VALUE)
UNSUPPORTED: Final = Status(names.REQUESTER, names.REQUEST_UNSUPPORTED)
DENIED: Final = Status(names.RESPONDER, names.REQUEST_DENIED)
UNAVAILABLE: Final = Status(names.RESPONDER)


class Unsatisfiable(Exception):
    """A request that gets an answer, but no attributes: ``status`` is what the requester is told, ``problem`` what the organisation's own
    people are."""

    def __init__(self, status: Status, problem: OstiaryError) -> None:
        super().__init__(str(problem))
        self.status = status
        self.problem = problem
