"""Release policies as they are written, with the bundles that they use. Judges nothing: what is wrong tells whoever compiles them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ostiary.config import Document, Sources, load_document
from ostiary.errors import Refusal
from ostiary.policy.release.bundles import bundles


def with_bundles(documents: Sequence[Document], sources: Sources | None = None) -> tuple[Document, ...]:
    """The documents, each bundle after the first one that uses it; names that no bundle has are left for whoever compiles.

    ``sources`` notes what was read. Raises `DocumentError` (a `ConfigurationError`) for what can't be.
    """
    shipped = bundles()
    seen = {document.path for document in documents}
    found: list[Document] = []
    for document in documents:
        found.append(document)
        named = document.data.get("use")
        for name in (named,) if isinstance(named, str) else named if isinstance(named, list) else ():
            file = shipped.get(name) if isinstance(name, str) else None
            if file is not None and file not in seen:
                seen.add(file)
                found.append(load_document(file, sources=sources))
    return tuple(found)


def policy_files(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The files that these paths of the configuration lead to, in their order, whether or not they can be read."""
    return tuple(file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else (path,)))


def exchanged(
    files: Sequence[Path], candidates: Sequence[Document], *, alone: bool = False
) -> tuple[list[Document], dict[Path, Path | None]]:
    """The documents of the files in force, with each candidate in the place of the file that it stands for (not read, so it may be broken);
    the others come after them. ``alone``: nothing but the candidates. Then which file each candidate, by its path, stands for.

    Raises `Refusal` (``aa.dry_run_ambiguous``), `DocumentError` for a file that can't be read.
    """
    places = {candidate.path: None if alone else _place_of(files, candidate.path) for candidate in candidates}
    taken = [place for place in places.values() if place is not None]
    if len(places) < len(candidates) or len(set(taken)) < len(taken):
        raise Refusal("aa.dry_run_ambiguous", expected="each file once", found="several", name=candidates[0].path.name)
    if alone:
        return list(candidates), places
    instead = {places[candidate.path]: candidate for candidate in candidates}
    kept = [instead[file] if file in instead else load_document(file) for file in files]
    return [*kept, *(candidate for candidate in candidates if places[candidate.path] is None)], places


def _place_of(files: Sequence[Path], path: Path) -> Path | None:
    """The very file, else the only one of the same name."""
    if path in files:
        return path
    named = [file for file in files if file.name == path.name]
    if len(named) > 1:
        found = ", ".join(map(str, named))
        raise Refusal("aa.dry_run_ambiguous", expected="one file of that name", found=found, name=path.name)
    return named[0] if named else None
