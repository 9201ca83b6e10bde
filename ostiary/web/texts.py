"""All sentences that people read, by language and key. Holds no logic of any page; a missing text is a defect, never a blank."""

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Final

from ostiary.config import Document, Sources, load_document, nearest_key
from ostiary.errors import ConfigurationError, OstiaryError, TooMany

SOURCE_LANGUAGE: Final = "en"
GROUND_FLOOR: Final = Path(__file__).parent / "texts"

_PLACEHOLDER: Final = re.compile(r"[a-z_]+")
_TAG: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_MAX_LANGUAGE_RANGES: Final = 20
_MAX_CHOSEN: Final = 1_000
_LONG: Final = 200


class Catalogue:
    """A frozen set of texts. English is the source: it has every key, other languages may lack some."""

    def __init__(self, texts: Mapping[str, Mapping[str, str]]) -> None:
        self._texts = texts
        self._by_lower = {language.lower(): language for language in texts}
        # By what browsers say, of which there is less than there are people.
        self._chosen: dict[tuple[str | None, str | None], str] = {}

    @classmethod
    def load(cls, *directories: Path) -> "Catalogue":
        """Merge ``<directory>/<language>/*.yaml`` of the ground floor and of these directories.

        A file has ``errors`` (code -> message, remedy) and ``pages`` (key -> text; nested keys are joined by dots). English is read at
        once, any other language when somebody first wants it. A language counts where each of the
        directories has it: a page is in one language.
        Raises `ConfigurationError` for a text given twice; so does whoever first wants a language, also for a text that English does not
        have, and for one with another placeholder than English has.
        """
        own = {path.resolve() for path in directories} - {GROUND_FLOOR.resolve()} or {GROUND_FLOOR.resolve()}
        files: dict[str, list[Path]] = {}
        spoken: dict[str, set[Path]] = {}
        for directory in dict.fromkeys(path.resolve() for path in (GROUND_FLOOR, *directories)):
            for path in sorted(directory.glob("*/*.yaml")):
                files.setdefault(path.parent.name, []).append(path)
                spoken.setdefault(path.parent.name, set()).add(directory)
        return cls(_Tables({language: found for language, found in files.items() if own <= spoken[language]}))

    def with_texts(self, directory: Path, *, sources: Sources | None = None) -> "Catalogue":
        """These texts, with those of a site's ``<directory>/<language>/*.yaml`` in place of the ones with the same keys.

        Raises `ConfigurationError`: ``texts.unknown`` for a key that there is not, ``texts.placeholder``, ``texts.shape``.
        """
        english = self._texts[SOURCE_LANGUAGE]
        own: dict[str, dict[str, str]] = {}
        for path in _files(directory, sources):
            table = own.setdefault(path.parent.name, {})
            for key, text in _read(load_document(path, sources=sources)):
                if key not in english:
                    near = nearest_key(key, english)
                    raise ConfigurationError(
                        "texts.unknown", file=path, key=key, expected=near or "a key that the texts have"
                    )
                _check_placeholders(path, key, text, english[key])
                table[key] = text
        return Catalogue(_Overlaid(self._texts, own))

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages there are, English first."""
        return (SOURCE_LANGUAGE, *sorted(set(self._texts) - {SOURCE_LANGUAGE}))

    @property
    def error_codes(self) -> tuple[str, ...]:
        """Every error code that has a text, sorted."""
        suffix = ".message"
        keys = self._texts.get(SOURCE_LANGUAGE, {})
        return tuple(
            sorted(key[7 : -len(suffix)] for key in keys if key.startswith("errors.") and key.endswith(suffix))
        )

    def has(self, key: str) -> bool:
        """Whether there is a text under ``key`` (a plural counts under its common key)."""
        english = self._texts.get(SOURCE_LANGUAGE, {})
        return f"pages.{key}" in english or f"pages.{key}.other" in english

    def text(self, lang: str, key: str, **params: object) -> str:
        """The page text under ``key`` in ``lang``, else in English, its placeholders filled.

        With ``count``, a text that has the forms ``one`` and ``other`` is chosen by it. Raises `KeyError` when the key or a
        placeholder's value is missing: that is a defect in the program.
        """
        full = f"pages.{key}"
        if "count" in params and f"{full}.other" in self._texts[SOURCE_LANGUAGE]:
            full += ".one" if params["count"] == 1 else ".other"
        return self._find(lang, full).format_map({name: str(value) for name, value in params.items()})

    def error(self, lang: str, error: OstiaryError) -> tuple[str, str]:
        """What to tell a person about ``error``: (message, remedy). Never fails, and shows nothing but the error's ``params``."""
        code = error.code if f"errors.{error.code}.message" in self._texts.get(SOURCE_LANGUAGE, {}) else "unlisted"
        params = _Blanks(error.params)
        if isinstance(error, TooMany):
            params["retry_after"] = str(error.retry_after)
        message = self._find(lang, f"errors.{code}.message").format_map(params)
        return message, self._find(lang, f"errors.{code}.remedy").format_map(params)

    def error_template(self, code: str, lang: str = SOURCE_LANGUAGE) -> tuple[str, str]:
        """(message, remedy) of a listed code with the placeholders still in them. Raises `KeyError` for an unlisted code."""
        return self._find(lang, f"errors.{code}.message"), self._find(lang, f"errors.{code}.remedy")

    def choose(self, *, wanted: str | None = None, accept: str | None = None) -> str:
        """The language to answer in.

        ``wanted`` is an explicit choice, a space-separated list of language tags (as ``ui_locales`` of OpenID Connect Core
        3.1.2.1); ``accept`` an ``Accept-Language`` header (RFC 9110 12.5.4). English when neither fits.
        """
        chosen = self._chosen.get((wanted, accept))
        if chosen is None:
            chosen = self._choose(wanted or "", accept or "")
            if len(self._chosen) < _MAX_CHOSEN and len(wanted or "") + len(accept or "") < _LONG:
                self._chosen[(wanted, accept)] = chosen
        return chosen

    def _choose(self, wanted: str, accept: str) -> str:
        for tag in (*wanted.split()[:_MAX_LANGUAGE_RANGES], *_accepted(accept)):
            known = self._known(tag)
            if known is not None:
                return known
        return SOURCE_LANGUAGE

    def _known(self, tag: str) -> str | None:
        lower = tag.lower()
        return self._by_lower.get(lower) or self._by_lower.get(lower.partition("-")[0])

    def _find(self, lang: str, key: str) -> str:
        table = self._texts.get(self._known(lang) or SOURCE_LANGUAGE, {})
        return table[key] if key in table else self._texts[SOURCE_LANGUAGE][key]


class _Tables(Mapping[str, Mapping[str, str]]):
    """Texts by language, each read from its files when it is first looked at; two threads may both read it."""

    def __init__(self, files: Mapping[str, Sequence[Path]]) -> None:
        self._files = files
        self._read = {SOURCE_LANGUAGE: _read_table(files.get(SOURCE_LANGUAGE, ()), None)}

    def __getitem__(self, language: str) -> Mapping[str, str]:
        table = self._read.get(language)
        if table is None:
            table = self._read[language] = _read_table(self._files[language], self._read[SOURCE_LANGUAGE])
        return table

    def __contains__(self, language: object) -> bool:
        return language == SOURCE_LANGUAGE or language in self._files

    def __iter__(self) -> Iterator[str]:
        return iter({SOURCE_LANGUAGE: None, **dict.fromkeys(self._files)})

    def __len__(self) -> int:
        return len({SOURCE_LANGUAGE, *self._files})


class _Overlaid(Mapping[str, Mapping[str, str]]):
    """Texts with some of them replaced, without reading a language before it is wanted."""

    def __init__(self, below: Mapping[str, Mapping[str, str]], own: Mapping[str, Mapping[str, str]]) -> None:
        self._below = below
        self._own = own

    def __getitem__(self, language: str) -> Mapping[str, str]:
        if language not in self._own:
            return self._below[language]
        below = self._below.get(language, {})
        return ChainMap(dict(self._own[language]), dict(below))

    def __contains__(self, language: object) -> bool:
        return language in self._own or language in self._below

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._below, *self._own)))

    def __len__(self) -> int:
        return len({*self._below, *self._own})


def _read_table(paths: Sequence[Path], english: Mapping[str, str] | None) -> dict[str, str]:
    """The texts of one language; ``english`` is None for English itself."""
    table: dict[str, str] = {}
    origin: dict[str, Path] = {}
    for path in paths:
        for key, text in _read(load_document(path)):
            if key in table:
                raise ConfigurationError("texts.duplicate", file=path, key=key, expected="a new key", found=origin[key])
            if english is not None:
                if key not in english:
                    raise ConfigurationError(
                        "texts.not_in_english", file=path, key=key, expected="a key that English has"
                    )
                _check_placeholders(path, key, text, english[key])
            table[key] = text
            origin[key] = path
    return table


def _check_placeholders(path: Path, key: str, text: str, english: str) -> None:
    names, allowed = placeholders(text), placeholders(english)
    if not names <= allowed:
        expected = ", ".join(sorted(allowed)) or "no placeholder"
        found = ", ".join(sorted(names))
        raise ConfigurationError("texts.placeholder", file=path, key=key, expected=expected, found=found)


def _files(directory: Path, sources: Sources | None) -> list[Path]:
    if sources is not None:
        for part in (directory, *sorted(directory.glob("*/"))):
            sources.note(part)
    return sorted(directory.glob("*/*.yaml"))


def placeholders(text: str) -> frozenset[str]:
    """The names in braces of a text."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)


class _Blanks(dict[str, str]):
    """Parameters of which a missing one is an ellipsis: an error page must not fail over its own text."""

    def __missing__(self, key: str) -> str:
        return "…"


def _read(document: Document) -> Iterator[tuple[str, str]]:
    for area in document.data:
        if area not in ("errors", "pages"):
            raise ConfigurationError("texts.shape", **document.where(area), expected="errors or pages", found=area)
        if area == "errors":
            _check_errors(document)
        yield from _flat(document, (area,), document.data[area])


def _check_errors(document: Document) -> None:
    errors = document.data["errors"]
    for code, entry in errors.items() if isinstance(errors, dict) else ():
        if not isinstance(entry, dict) or set(entry) != {"message", "remedy"}:
            raise ConfigurationError("texts.shape", **document.where("errors", code), expected="message and remedy")


def _flat(document: Document, path: tuple[str, ...], node: object) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _flat(document, (*path, key), child)
    elif isinstance(node, str) and node.strip():
        yield ".".join(path), _checked(document, path, node.strip())
    else:
        raise ConfigurationError("texts.shape", **document.where(*path), expected="a text", found=node)


def _checked(document: Document, path: tuple[str, ...], text: str) -> str:
    """A text whose placeholders are plain names: ``{a.b}``, ``{a[0]}`` and ``{a!r:>9}`` could reach into objects."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ConfigurationError("texts.placeholder", **document.where(*path), expected="{name}", found=error) from None
    for _, name, format_spec, conversion in parts:
        if name is not None and (format_spec or conversion or not _PLACEHOLDER.fullmatch(name)):
            raise ConfigurationError("texts.placeholder", **document.where(*path), expected="{name}", found=name)
    return text


def _accepted(header: str) -> Iterator[str]:
    ranges: list[tuple[float, int, str]] = []
    for position, part in enumerate(header.split(",")[:_MAX_LANGUAGE_RANGES]):
        tag, _, weight = part.strip().partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if _TAG.fullmatch(tag.strip()) and 0 < quality <= 1:
            ranges.append((-quality, position, tag.strip()))
    return (tag for _, _, tag in sorted(ranges))
