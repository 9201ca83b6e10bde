"""How the API's operations are described: one line in a table each, from which come both the routes and the OpenAPI document. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Generic, Literal, TypeVar, get_args, get_type_hints

from pydantic import BaseModel

from voms.administration.callers import Caller
from voms.administration.desk import Desk
from voms.requests.office import Office

QueryT = TypeVar("QueryT", bound=BaseModel)
BodyT = TypeVar("BodyT", bound=BaseModel)
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

PREFIX: Final = "/api/v1"
_PARAMETER: Final = re.compile(r"\{([a-z_]+)\}")
_PATTERNS: Final[Mapping[str, str]] = {
    "member": "[0-9a-f]{32}",
    "request": "[0-9a-f]{32}",
    "invitation": "[0-9a-f]{32}",
    "key": "[0-9a-f]{64}",
    "serial": "[0-9a-f]{32}",
    "role": "[A-Za-z0-9_.-]{1,128}",
    "name": "[!-.0-~]{1,255}",
}


@dataclass(frozen=True, slots=True)
class Call(Generic[QueryT, BodyT]):
    """One request that was understood: by whom (the desk's caller), at which moment (the desk's), with what. ``office``: of the requests,
    None where the VO has none."""

    desk: Desk
    path: Mapping[str, str]
    query: QueryT
    body: BodyT
    office: Office | None = None

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return self.desk.caller


@dataclass(frozen=True)
class Operation:
    """``path`` is a template below `PREFIX`; query, body and answer are what the handler's annotations say."""

    method: Method
    path: str
    handler: Callable[[Any], BaseModel | None]

    @property
    def name(self) -> str:
        """The ``operationId``: that of the function, with the piece of the API where it stands."""
        return f"{self.tag}_{self.handler.__name__}"

    @property
    def tag(self) -> str:
        """The piece of the API."""
        return self.handler.__module__.rpartition(".")[2]

    @property
    def summary(self) -> str:
        """The first sentence about it."""
        text = " ".join((self.handler.__doc__ or "").split())
        return text.split(". ")[0].rstrip(".")

    @property
    def description(self) -> str:
        """All that is said about it."""
        return " ".join((self.handler.__doc__ or "").split())

    @property
    def status(self) -> int:
        """Of success."""
        if self.answer is None:
            return 204
        return 201 if self.method == "POST" else 200

    @cached_property
    def query(self) -> type[BaseModel]:
        """Of which parameters the query consists."""
        return self._shapes[0]

    @cached_property
    def body(self) -> type[BaseModel]:
        """What stands in the body."""
        return self._shapes[1]

    @cached_property
    def answer(self) -> type[BaseModel] | None:
        """What is answered; None: nothing."""
        found = get_type_hints(self.handler)["return"]
        return found if isinstance(found, type) and issubclass(found, BaseModel) else None

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Those in the path."""
        return tuple(_PARAMETER.findall(self.path))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = _PARAMETER.split(self.path)
        # Every second part is the name of a parameter.
        written = (
            re.escape(part) if at % 2 == 0 else f"(?P<{part}>{_PATTERNS[part]})" for at, part in enumerate(parts)
        )
        return re.compile("".join(written))

    @cached_property
    def _shapes(self) -> tuple[type[BaseModel], type[BaseModel]]:
        query, body = get_args(get_type_hints(self.handler)["call"])
        return query, body

    def match(self, path: str) -> Mapping[str, str] | None:
        """The parameters of a path below `PREFIX`; None for another operation's."""
        matched = self._pattern.fullmatch(path)
        return matched.groupdict() if matched is not None else None


def pattern_of(parameter: str) -> str:
    """The regular expression of a path parameter."""
    return _PATTERNS[parameter]


def find(
    operations: Iterable[Operation], method: str, path: str
) -> tuple[Operation, Mapping[str, str]] | frozenset[str]:
    """The operation and the parameters of its path; or the methods that there are for this path, empty where there is nothing."""
    others = set()
    for operation in operations:
        parameters = operation.match(path)
        if parameters is not None:
            if operation.method == method:
                return operation, parameters
            others.add(str(operation.method))
    return frozenset(others)
