"""Turns an attribute-filter.xml into a release policy document, with a list of what is not in it. Reads no file, writes none."""

from dataclasses import dataclass
from pathlib import Path

from attribute_authority.shibboleth.filter_file import read_filter
from attribute_authority.shibboleth.policies import NotTranslated, TranslatedPolicy, translate
from attribute_authority.shibboleth.rule_types import Translation
from attribute_authority.shibboleth.written import as_yaml, in_a_comment
from ostiary.config import parse_document
from ostiary.policy.release.document import compile_release_policies


@dataclass(frozen=True, slots=True)
class ImportedFilter:
    """``document`` is the release policy document, YAML; ``policies`` how many stand in the file and ``translated`` how many became of
    them; ``missing`` what is not in it, by line."""

    document: str
    policies: int
    translated: int
    missing: tuple[NotTranslated, ...]


def import_filter(data: bytes, file: Path, translation: Translation) -> ImportedFilter:
    """The release policies that mean what the attribute filter in ``data`` means; never more is released by them.

    Raises `ConfigurationError` with file and line for a file that a Shibboleth IdP would not take (`read_filter`).
    """
    read = read_filter(data, file, translation)
    translated, missing = translate(read, translation.ids)
    document = policy_document(translated, in_a_comment(file.name))
    # What is handed out loads.
    compile_release_policies([parse_document(document.encode(), file.with_suffix(".yaml"))])
    by_line = tuple(sorted(missing, key=lambda part: (part.line, part.policy, part.attribute)))
    return ImportedFilter(document, len(read), len(translated), by_line)


def policy_document(policies: tuple[TranslatedPolicy, ...], source: str) -> str:
    """The document; each policy says from which line it comes."""
    if not policies:
        return f"# {source}\npolicies: []\n"
    parts = [f"\n  # {source}:{policy.line}\n" + _a_step_in(as_yaml([policy.document])) for policy in policies]
    return f"# {source}\npolicies:" + "".join(parts)


def _a_step_in(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.rstrip("\n").split("\n"))
