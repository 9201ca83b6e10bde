"""Writes docs/configuration.md: every key of every configuration file, from the very models that read them."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from attribute_authority.settings import AttributeAuthoritySettings
from idp.settings import IdpSettings
from ostiary.ldap.settings import LdapSettings
from sp_shire.settings import ShireSettings
from voms.settings import VomsSettings
from wayf.metadata_settings import MetadataServiceSettings
from wayf.settings import WayfSettings

_HEAD = """# Every key of every configuration file

Configuration is YAML. Paths are relative to the file that they stand in; a length of time is written `30s`, `5m`, `8h` or `7d`; a URL that
people's browsers go to is https, except on loopback. A key that is not listed here is an error that names file, line and the nearest key.

This page is generated from the code (`make generated`).
"""

_FILES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("idp.yaml", IdpSettings),
    ("aa.yaml", AttributeAuthoritySettings),
    ("ldap.yaml", LdapSettings),
    ("sp.yaml", ShireSettings),
    ("wayf.yaml", WayfSettings),
    ("metadata.yaml", MetadataServiceSettings),
    ("voms.yaml", VomsSettings),
)


def configuration_reference() -> str:
    """The page as Markdown, ending in a newline."""
    sections = [_HEAD]
    described: set[type[BaseModel]] = set()
    for name, model in _FILES:
        waiting = [(f"## {name}", model)]
        while waiting:
            heading, current = waiting.pop(0)
            if current in described:
                continue
            described.add(current)
            rows = ["| key | what | default |", "| --- | --- | --- |"]
            for key, field in current.model_fields.items():
                rows.append(f"| `{field.alias or key}` | {_kind(field)} | {_default(field)} |")
                waiting += [
                    (f"### {inner.__name__}", inner) for inner in _models_in(field.annotation) if inner not in described
                ]
            sections.append("\n".join([heading, "", _text(current), "", *rows]) + "\n")
    return "\n".join(sections)


def _text(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split()).replace("``", "`")


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _kind(field: FieldInfo) -> str:
    return _kind_of(field.annotation)


def _kind_of(annotation: Any) -> str:
    models = list(dict.fromkeys(_models_in(annotation)))
    origin = getattr(annotation, "__origin__", None)
    many = "list of " if origin is tuple else "by name: " if origin is not None and origin in (dict, Mapping) else ""
    if models:
        return many + " or ".join(f"[{model.__name__}](#{model.__name__.lower()})" for model in models)
    names = list(dict.fromkeys(_plain_names(annotation)))
    return many + " or ".join(names)


def _plain_names(annotation: Any) -> Iterator[str]:
    words = {str: "text", int: "number", bool: "true or false", timedelta: "length of time", float: "number"}
    if annotation in words:
        yield words[annotation]
    elif isinstance(annotation, type):
        if annotation is not type(None):
            yield "path" if annotation.__name__ in ("Path", "PosixPath") else annotation.__name__
    else:
        for argument in get_args(annotation):
            if isinstance(argument, str):
                yield f"`{argument}`"
            elif argument is not Ellipsis and not isinstance(argument, FieldInfo):
                yield from _plain_names(argument)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or value in ("", (), {}):
        return ""
    if isinstance(value, BaseModel):
        return "see there"
    if isinstance(value, timedelta):
        return f"`{_duration(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{entry}`" for entry in value)
    return f"`{value}`"


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
