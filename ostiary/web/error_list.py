"""Writes docs/errors.md from the text catalogue: every error code, what it tells and what to do. Decides nothing."""

from itertools import groupby

from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue

_HEAD = """# Error codes

Every refusal carries one of these codes. A person sees the sentences and a reference number; the log has the code, what was expected
and what was found under the same number. Words in `{braces}` are filled in.

This page is generated from the text catalogue (`ostiary errors --write docs/errors.md`).
"""


def error_list(catalogue: Catalogue, language: str = SOURCE_LANGUAGE) -> str:
    """The page as Markdown, grouped by the first part of the code, ending in a newline."""
    sections = [_HEAD]
    for area, codes in groupby(catalogue.error_codes, key=lambda code: code.partition(".")[0]):
        rows = [f"## {area}\n", "| code | what it says | what to do |", "| --- | --- | --- |"]
        for code in codes:
            message, remedy = (_cell(text) for text in catalogue.error_template(code, language))
            rows.append(f"| `{code}` | {message} | {remedy} |")
        sections.append("\n".join(rows) + "\n")
    return "\n".join(sections)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
