"""One ``voms.yaml`` for one VO or for several on one host. Decides which VO is meant; opens nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

from pydantic import model_validator

from ostiary.config import Document, Settings, Sources, WrongSetting, load_document, settings_from
from ostiary.config.problems import KeyPath
from ostiary.errors import ConfigurationError
from voms.settings import VomsSettings

VOS: Final = "vos"


class SeveralVosSettings(Settings):
    """Several VOs on one host, in one process. Each entry of ``vos`` has the keys of a VO by itself; what stands beside ``vos`` holds for
    every VO that does not say otherwise. Each VO needs an address of its own to listen on: clients tell VOs apart by the port."""

    vos: tuple[VomsSettings, ...]

    @model_validator(mode="after")
    def _are_kept_apart(self) -> Self:
        if not self.vos:
            raise WrongSetting("voms.vos_none", expected="at least one VO", found="none", at=(VOS,))
        _once("vo", (each.vo for each in self.vos))
        _once("port", (f"{each.host}:{each.port}" for each in self.vos))
        # Port 0 is a new one each time.
        chosen = (f"{each.listen.host}:{each.listen.port or f'0 of {each.vo}'}" for each in self.vos)
        _once("listen", chosen)
        # A capability in a token names no VO: whoever trusts the issuer would take that of one for the other's.
        issuers = (each.tokens.issuer or f"https://{each.host}:{each.port}" for each in self.vos if each.tokens)
        _once("issuer of tokens", issuers)
        return self


def load_vos(path: Path, *, sources: Sources | None = None) -> tuple[VomsSettings, ...]:
    """Every VO of a ``voms.yaml``, at least one. Raises `DocumentError` (a `ConfigurationError`)."""
    document = load_document(path, sources=sources)
    if VOS not in document.data:
        return (settings_from(document, VomsSettings),)
    return settings_from(_completed(document), SeveralVosSettings).vos


def load_vo(path: Path, name: str | None = None, *, sources: Sources | None = None) -> VomsSettings:
    """The VO ``name`` of a ``voms.yaml``; None: its only one. Raises `DocumentError`, `ConfigurationError` (``voms.which_vo``)."""
    found = load_vos(path, sources=sources)
    named = [each for each in found if name in (None, each.vo)]
    if len(named) != 1:
        known = " or ".join(each.vo for each in found)
        raise ConfigurationError("voms.which_vo", file=path, key="vo", expected=known, found=name or "none named")
    return named[0]


def _completed(document: Document) -> Document:
    """The same with what stands beside ``vos`` in each of its entries, each key by the line where it really stands."""
    common = {key: value for key, value in document.data.items() if key != VOS}
    entries = document.data[VOS]
    if not isinstance(entries, list):
        return replace(document, data={VOS: entries})
    own = [entry if isinstance(entry, dict) else None for entry in entries]
    completed = [entry if keys is None else {**common, **keys} for entry, keys in zip(entries, own, strict=True)]
    return replace(document, data={VOS: completed}, lines=_Lines(document.lines, [keys or {} for keys in own]))


class _Lines(Mapping[KeyPath, int]):
    """``vos.1.listen`` stands in its entry, or else beside ``vos``."""

    def __init__(self, lines: Mapping[KeyPath, int], own: list[dict[str, Any]]) -> None:
        self._lines, self._own = lines, own

    def __getitem__(self, path: KeyPath) -> int:
        match path:
            case ("vos", int(number), str(key), *rest) if key not in self._own[number] and (key,) in self._lines:
                return self._lines[(key, *rest)]
        return self._lines[path]

    def __iter__(self) -> Iterator[KeyPath]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


def _once(key: str, values: Iterable[str]) -> None:
    for value, times in Counter(values).items():
        if times > 1:
            raise WrongSetting("voms.vos_alike", expected=f"another {key} for each VO", found=value, at=(VOS,))
