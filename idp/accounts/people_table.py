"""People as a CSV table: read strictly, with the line of everything that is wrong; written so that it can be read again. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from idp.accounts.names import check_attributes, checked_login_name, login_key
from ostiary.config import DocumentError
from ostiary.errors import Refusal

LOGIN_NAME: Final = "login_name"
PASSWORD: Final = "password"  # noqa: S105 (the name of a column)
ACTIVE: Final = "active"
MAXIMUM_SIZE: Final = 64 * 1024 * 1024
MAXIMUM_ROWS: Final = 200_000
# More help nobody: they are mistakes of one kind.
_SHOWN: Final = 50
_ACTIVE: Final = {"yes": True, "no": False, "": None}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``attributes`` has an entry for each column of one, empty for an empty cell; ``password`` and ``active`` are
    None where the cell is empty or the column is not there."""

    line: int
    login_name: str
    attributes: Mapping[str, tuple[str, ...]]
    password: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with one line."""

    line: int
    column: str
    problem: Refusal


def has_passwords(content: bytes) -> bool:
    """Whether the header names a column with passwords, so that the file must be a private one."""
    header = content.partition(b"\n")[0].decode("utf-8-sig", "replace")
    try:
        return PASSWORD in [name.strip() for name in next(csv.reader([header]), [])]
    except csv.Error:
        # `read_table` tells what is wrong.
        return False


def read_table(content: bytes, file: Path, *, separator: str = ";") -> tuple[Row, ...]:
    """The rows of a CSV table (RFC 4180) in UTF-8 whose header has ``login_name``; other columns are attributes, their values divided by
    ``separator``.

    Raises `DocumentError` with all problems, each with its line: ``people.csv_shape``, ``people.csv_row``, ``people.csv_twice``, and the
    codes of `checked_login_name` and `check_attributes`.
    """
    if len(content) > MAXIMUM_SIZE:
        raise _shape(file, 1, f"at most {MAXIMUM_SIZE} bytes", len(content))
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header = [name.strip() for name in next(reader, [])]
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except UnicodeDecodeError as error:
        raise _shape(file, 1, "UTF-8", error.reason) from error
    except csv.Error as error:
        raise _shape(file, None, "CSV", error) from error
    if LOGIN_NAME not in header or len(set(header)) != len(header) or "" in header:
        raise _shape(file, 1, f"different names of columns, {LOGIN_NAME} among them", ", ".join(header)[:200])
    if len(lines) > MAXIMUM_ROWS:
        raise _shape(file, None, f"at most {MAXIMUM_ROWS} lines", len(lines))
    rows, problems, seen = [], [], dict[str, int]()
    for line, cells in lines:
        try:
            row = _row(line, header, cells, separator)
            first = seen.setdefault(login_key(row.login_name), line)
            if first != line:
                raise Refusal("people.csv_twice", expected="each login name once", found=f"it stands in line {first}")
        except Refusal as problem:
            problems.append(RowProblem(line, LOGIN_NAME, problem))
        else:
            rows.append(row)
    raise_problems(file, problems)
    return tuple(rows)


def raise_problems(file: Path, problems: Sequence[RowProblem]) -> None:
    """Raises `DocumentError` about the first, which lists the others, if there are any."""
    if not problems:
        return
    listed = tuple(
        DocumentError(
            entry.problem.code,
            file=file,
            line=entry.line,
            key=entry.column,
            expected=entry.problem.expected,
            found=entry.problem.found,
        )
        for entry in problems[:_SHOWN]
    )
    listed[0].problems = listed
    raise listed[0]


def written_table(people: Iterable[tuple[str, bool, Mapping[str, Sequence[str]]]], *, separator: str = ";") -> str:
    """The table of people (login name, active, attributes). Raises `Refusal` (``people.csv_separator``) where a value holds the
    separator."""
    everybody = list(people)
    names = sorted({name for _, _, attributes in everybody for name in attributes} - {LOGIN_NAME, PASSWORD, ACTIVE})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([LOGIN_NAME, ACTIVE, *names])
    for login_name, active, attributes in everybody:
        cells = [attributes.get(name, ()) for name in names]
        if any(separator in value or value != value.strip() for values in cells for value in values):
            raise Refusal("people.csv_separator", expected=f"values without {separator}", found=f"one of {login_name}")
        writer.writerow([login_name, "yes" if active else "no", *(separator.join(values) for values in cells)])
    return out.getvalue()


def _row(line: int, header: Sequence[str], cells: Sequence[str], separator: str) -> Row:
    if len(cells) != len(header):
        raise Refusal("people.csv_row", expected=f"{len(header)} cells", found=len(cells))
    by_name = dict(zip(header, cells, strict=True))
    login_name = checked_login_name(by_name.pop(LOGIN_NAME))
    password, active = by_name.pop(PASSWORD, ""), by_name.pop(ACTIVE, "").strip().lower()
    if active not in _ACTIVE:
        raise Refusal("people.csv_row", expected="yes or no", found=active[:80])
    attributes = {
        name: tuple(value.strip() for value in cell.split(separator) if value.strip()) for name, cell in by_name.items()
    }
    check_attributes(attributes)
    return Row(line, login_name, attributes, password or None, _ACTIVE[active])


def _shape(file: Path, line: int | None, expected: object, found: object) -> DocumentError:
    return DocumentError("people.csv_shape", file=file, line=line, key="", expected=expected, found=found)
