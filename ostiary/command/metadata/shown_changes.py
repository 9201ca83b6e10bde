"""Changes on the terminal and as data: what is dangerous first. Prints only."""

from typing import Any, Final

from ostiary.command.metadata.changes import DANGEROUS, Changed, Changes
from ostiary.command.metadata.said import Said

MOST_LISTED: Final = 50
_MOST_VALUES: Final = 20


def changes_data(changes: Changes) -> dict[str, Any]:
    """Ready for JSON."""
    return {
        "added": list(changes.added),
        "removed": list(changes.removed),
        "changed": [
            {
                "entity_id": one.entity_id,
                "dangerous": one.dangerous,
                "problem": one.problem.code if one.problem is not None else None,
                "differences": [
                    {"what": part.aspect, "added": list(part.added), "removed": list(part.removed)}
                    for part in one.differences
                ],
            }
            for one in changes.changed
        ],
    }


def show_changes(changes: Changes, said: Said, *, everything: bool) -> None:
    """Changed entities, those with other keys or scopes first; then those that are new and those that are gone."""
    dangerous = [one for one in changes.changed if one.dangerous]
    others = [one for one in changes.changed if not one.dangerous]
    for key, found in (("diff.dangerous", dangerous), ("diff.changed", others)):
        if found:
            said.heading(key, count=len(found))
            shown = found if everything else found[:MOST_LISTED]
            for one in shown:
                _show(one, said)
            _rest(len(found) - len(shown), said)
    for key, sign, style, names in (
        ("diff.added", "+", "green", changes.added),
        ("diff.removed", "-", "red", changes.removed),
    ):
        if names:
            said.heading(key, count=len(names))
            listed = names if everything else names[:MOST_LISTED]
            for name in listed:
                said.plain(f"{sign} {name}", style=style, indent=2)
            _rest(len(names) - len(listed), said)
    if not changes:
        said.line("diff.same")


def _show(one: Changed, said: Said) -> None:
    said.plain(one.entity_id, style="bold", indent=2)
    if one.problem is not None:
        said.plain(said.problem(one.problem), style="bold red", indent=4)
    for part in one.differences:
        style = "bold yellow" if part.aspect in DANGEROUS else ""
        said.line(f"diff.aspect.{part.aspect}", style=style, indent=4)
        lines = [*(("- ", "red", text) for text in part.removed), *(("+ ", "green", text) for text in part.added)]
        for sign, colour, text in lines[:_MOST_VALUES]:
            said.plain(f"{sign}{text}", style=colour, indent=6)
        _rest(len(lines) - _MOST_VALUES, said, indent=6)


def _rest(count: int, said: Said, indent: int = 2) -> None:
    if count > 0:
        said.line("diff.rest", style="dim", indent=indent, count=count)
