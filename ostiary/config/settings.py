"""From a YAML file to a frozen settings model, or to a list of problems that each name file, line and key."""

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from ostiary.config.document import Document, load_document
from ostiary.config.problems import DocumentError, KeyPath, WrongSetting, dotted, nearest_key
from ostiary.config.sources import Sources
from ostiary.config.values import DatabaseUrl, FileFromHere

M = TypeVar("M", bound=BaseModel)

_SECRET_KEY = re.compile(r"passw|secret|token|credential|private|(?:^|_)pin$", re.IGNORECASE)


class Settings(BaseModel):
    """Base of every settings model: frozen; a key that it does not know is an error. Its fields are tuples, not lists."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)


class ListenSettings(Settings):
    """Where a service listens. ``port`` 0 lets the system choose."""

    host: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    port: int = Field(ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=256)


class DatabaseSettings(Settings):
    """Which database (`ostiary.storage.engine.open_database` opens it). A password is a file of its own: DESIGN rule 6."""

    url: DatabaseUrl
    password_file: FileFromHere | None = None


def load_settings(path: str | Path, model: type[M], *, sources: Sources | None = None) -> M:
    """Read the YAML file ``path`` as a ``model``; relative paths inside start from its directory.

    ``sources`` notes the file, for `Holder`. Raises `DocumentError`, a `ConfigurationError` whose ``problems`` lists
    everything that is wrong with the file.
    """
    return settings_from(load_document(path, sources=sources), model)


def settings_from(document: Document, model: type[M]) -> M:
    """The same for a document already read."""
    directory = document.path.absolute().parent
    try:
        return model.model_validate(document.data, context={"directory": directory})
    except ValidationError as error:
        raise _first_of(_problems(document, model, error)) from error


def _first_of(problems: Sequence[DocumentError]) -> DocumentError:
    first = problems[0]
    first.problems = tuple(problems)
    return first


def _problems(document: Document, model: type[BaseModel], error: ValidationError) -> list[DocumentError]:
    by_place: dict[tuple[KeyPath, str], DocumentError] = {}
    for details in error.errors(include_url=False):
        path = _path_in(document.data, details)
        problem = _problem(document, model, path, details)
        known = by_place.get((path, problem.code))
        if known is None:
            by_place[path, problem.code] = problem
        elif problem.expected and problem.expected not in known.expected.split(" or "):
            # Each member of a union complains for itself.
            known.expected += f" or {problem.expected}"
    # A mistyped key is also reported as missing: the line with the mistake comes first.
    return sorted(by_place.values(), key=lambda problem: (not problem.nearest, problem.line or 0))


def _path_in(data: Any, details: ErrorDetails) -> KeyPath:
    """The error's location without what pydantic adds to it: names of union members, ``[key]``."""
    path: list[str | int] = []
    here = data
    for step in details["loc"]:
        known_key = isinstance(here, dict) and step in here
        known_index = isinstance(here, list) and isinstance(step, int) and step < len(here)
        if known_key or known_index:
            here = here[step]
            path.append(step)
    last = details["loc"][-1] if details["loc"] else None
    if details["type"] == "missing" and isinstance(last, str):
        path.append(last)
    cause = details.get("ctx", {}).get("error")
    return (*path, *cause.at) if isinstance(cause, WrongSetting) else tuple(path)


def _problem(document: Document, model: type[BaseModel], path: KeyPath, details: ErrorDetails) -> DocumentError:
    line = document.line(*path)
    key = dotted(path)
    if details["type"] == "missing":
        return DocumentError(
            "config.missing_key", file=document.path, line=line, key=key, expected="a value", found="nothing"
        )
    if details["type"] == "extra_forbidden":
        # Another member of a union may know the key.
        valid = sorted(_keys_at(model, path[:-1]) - {path[-1]})
        nearest = nearest_key(str(path[-1]), valid)
        allowed = "one of " + ", ".join(valid)
        if nearest:
            return DocumentError(
                "config.mistyped_key",
                file=document.path,
                line=line,
                key=key,
                expected=nearest,
                found=path[-1],
                nearest=nearest,
            )
        return DocumentError(
            "config.unknown_key", file=document.path, line=line, key=key, expected=allowed, found=path[-1]
        )
    found = _shown(details["input"], path)
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, WrongSetting):
        return DocumentError(
            cause.code,
            file=document.path,
            line=line,
            key=key,
            expected=cause.expected,
            found=cause.found or found,
            nearest=cause.nearest,
        )
    return DocumentError(
        "config.wrong_value", file=document.path, line=line, key=key, expected=_expected(details), found=found
    )


def _expected(details: ErrorDetails) -> str:
    """pydantic's sentence as the phrase that follows the word "expected"."""
    message = details["msg"]
    for opening in ("Input should be ", "Value error, ", "Assertion failed, "):
        message = message.removeprefix(opening)
    return message.partition(", unable to parse")[0]


def _shown(value: object, path: KeyPath) -> str:
    if any(isinstance(step, str) and _SECRET_KEY.search(step) for step in path):
        return "a value that is not shown"
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str() if re.search(r"://[^/]*@", value):
            return "a URL with a user"
        case str():
            return f'"{value}"' if len(value) <= 80 else f'"{value[:77]}..."'
        case int() | float():
            return str(value)
        case Mapping():
            return "a mapping"
        case _ if isinstance(value, Sequence | AbstractSet):
            return "a list"
        case _:
            return type(value).__name__


def _keys_at(model: type[BaseModel], path: KeyPath) -> frozenset[str]:
    """The keys that any model which may stand at ``path`` knows."""
    candidates: list[Any] = [model]
    for step in path:
        candidates = [inner for candidate in candidates for inner in _inside(candidate, step)]
    return frozenset(
        field.alias or name
        for candidate in candidates
        if _is_model(candidate)
        for name, field in candidate.model_fields.items()
    )


def _inside(annotation: Any, step: str | int) -> Iterator[Any]:
    """The types, without unions and annotations around them, that ``annotation`` allows for its member ``step``."""
    arguments = get_args(annotation)
    if _is_model(annotation):
        for name, field in annotation.model_fields.items():
            if (field.alias or name) == step:
                yield from _plain_types(field.annotation)
    elif isinstance(step, int):
        for argument in arguments:
            yield from _plain_types(argument)
    elif len(arguments) == 2:
        yield from _plain_types(arguments[1])


def _plain_types(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _plain_types(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _plain_types(member)
    else:
        yield annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
