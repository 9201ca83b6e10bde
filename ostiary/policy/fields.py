"""What the policy documents have in common: their field types, the tests on values, and where their files lie."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
)

from ostiary.config import (
    Document,
    DocumentError,
    NetworkText,
    Settings,
    Sources,
    WrongSetting,
    load_document,
    nearest_key,
)
from ostiary.errors import Refusal
from ostiary.policy.patterns import MAX_PATTERN_LENGTH, Pattern, check_pattern, compile_pattern
from ostiary.policy.urltree import make_prefix, make_tree
from ostiary.policy.values import ValueTest


def checked_by(compiler: Callable[[str], object]) -> Callable[[str], str]:
    """For an annotated text: it stays as it is where ``compiler`` takes it, whose `Refusal` becomes `WrongSetting`."""

    def check(text: str) -> str:
        try:
            compiler(text)
        except Refusal as problem:
            raise WrongSetting(problem.code, expected=problem.expected, found=problem.found) from problem
        return text

    return check


def listed(value: Any) -> Any:
    """A text alone as the list of it; everything else as it is."""
    return (value,) if isinstance(value, str) else value


def one_or_many(item: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of an item or a list of them."""
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


TEXT_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 4096}
# A name may be a URI: attributes that no standard names go by one.
_NAME = r"^[A-Za-z][A-Za-z0-9:._/#-]*$"
NAME_SCHEMA = {"type": "string", "pattern": _NAME, "maxLength": 256}
ID_SCHEMA = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9 ._:/-]*$", "maxLength": 128}

Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Texts = Annotated[
    tuple[Text, ...], Field(min_length=1), BeforeValidator(listed), WithJsonSchema(one_or_many(TEXT_SCHEMA))
]
"""One text or a list of them; the same for the other plurals below."""

AttributeName = Annotated[str, StringConstraints(pattern=_NAME, max_length=256)]
AttributeNames = Annotated[
    tuple[AttributeName, ...], Field(min_length=1), BeforeValidator(listed), WithJsonSchema(one_or_many(NAME_SCHEMA))
]

Id = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/-]*$", max_length=128), WithJsonSchema(ID_SCHEMA)
]

PatternText = Annotated[
    str,
    AfterValidator(checked_by(check_pattern)),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_PATTERN_LENGTH}),
]

_TARGET = {"type": "string", "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^/@?#\s]+[^@?#\s\\]*$", "maxLength": 4096}
Target = Annotated[str, AfterValidator(checked_by(make_tree))]
Targets = Annotated[
    tuple[Target, ...], Field(min_length=1), BeforeValidator(listed), WithJsonSchema(one_or_many(_TARGET))
]

_PATH = {"type": "string", "pattern": r"^/[^?#%\\;]*$", "maxLength": 4096}
PathPrefix = Annotated[str, AfterValidator(checked_by(make_prefix))]
PathPrefixes = Annotated[
    tuple[PathPrefix, ...], Field(min_length=1), BeforeValidator(listed), WithJsonSchema(one_or_many(_PATH))
]

_NETWORK = {"type": "string", "minLength": 1, "maxLength": 60}
Networks = Annotated[
    tuple[NetworkText, ...], Field(min_length=1), BeforeValidator(listed), WithJsonSchema(one_or_many(_NETWORK))
]


class PolicyFields(Settings):
    """Base of the models of policy documents. A key without a value is refused: it would silently widen a rule."""

    model_config = ConfigDict(validate_default=False)

    @field_validator("*", mode="before")
    @classmethod
    def _has_a_value(cls, value: Any) -> Any:
        if value is None:
            raise WrongSetting("policy.no_value", expected="a value, or no such key", found="nothing")
        return value


class ValueTestFields(PolicyFields):
    """The keys that test a value; all that are given must hold."""

    value: Texts | None = Field(default=None, description="The value as written, scope included, is one of these.")
    pattern: PatternText | None = Field(
        default=None, description="The whole value as written matches this pattern (docs: the language of patterns)."
    )
    left: Texts | None = Field(default=None, description="The part of a scoped value before the @ is one of these.")

    value_keys: ClassVar[tuple[str, ...]] = ("value", "pattern", "left")

    def value_test(self, scope: Iterable[str] | None = None) -> ValueTest:
        """The compiled test."""
        return ValueTest(
            exact=as_set(self.value),
            pattern=as_pattern(self.pattern),
            left=as_set(self.left),
            scope=as_set(scope),
        )


def as_set(texts: Iterable[str] | None) -> frozenset[str] | None:
    """The texts as a set; None stays None."""
    return None if texts is None else frozenset(texts)


def as_pattern(text: str | None) -> Pattern | None:
    """The compiled pattern; None stays None."""
    return None if text is None else compile_pattern(text)


def load_documents(paths: Iterable[Path], sources: Sources | None) -> list[Document]:
    """The documents at ``paths``; a directory stands for the ``*.yaml`` files in it, in the order of their names.

    A directory without such a file holds no policy. Raises `DocumentError` (a `ConfigurationError`) for a path that
    leads nowhere and for a file that cannot be read.
    """
    documents: list[Document] = []
    for path in paths:
        if sources is not None:
            sources.note(path)
        files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        documents.extend(load_document(file, sources=sources) for file in files)
    return documents


def named_members(
    code: str, names: Iterable[str], known: Mapping[str, Iterable[str]], document: Document, *path: str | int
) -> frozenset[str]:
    """Everything in the sets of these ``names``, which stand at ``path``. Raises `DocumentError` (``code``) for one that nobody defined."""
    members: set[str] = set()
    for name in names:
        if name not in known:
            raise DocumentError(
                code,
                **document.where(*path),
                expected=", ".join(sorted(known)) or "one that is defined",
                found=name,
                nearest=nearest_key(name, known),
            )
        members.update(known[name])
    return frozenset(members)


class UniqueIds:
    """Refuses an id that was given before, in whichever file."""

    def __init__(self) -> None:
        # A line is looked up only when it has to be told.
        self._places: dict[str, tuple[Document, tuple[str | int, ...]]] = {}

    def add(self, id_: str, document: Document, *path: str | int) -> None:
        """Note the id that stands at ``path``. Raises `DocumentError` ``policy.duplicate_id``."""
        before = self._places.get(id_)
        if before is not None:
            raise DocumentError(
                "policy.duplicate_id",
                **document.where(*path),
                expected="each id once",
                found=f"{id_}, also in {before[0].path.name}:{before[0].line(*before[1])}",
            )
        self._places[id_] = document, path
