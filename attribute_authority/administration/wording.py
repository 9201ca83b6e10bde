"""The sentences for what administration finds out, from the catalogue; the same on pages and on the command line."""

from attribute_authority.administration.lint import Finding
from ostiary.web.texts import Catalogue


def finding_text(found: Finding, texts: Catalogue, lang: str) -> str:
    """What is wrong, in one or two sentences."""
    if found.problem is None:
        return texts.text(lang, f"lint.{found.code}", **found.facts)
    told = list(texts.error(lang, found.problem))
    if found.problem.expected:
        told.append(texts.text(lang, "lint.expected", expected=found.problem.expected, found=found.problem.found))
    return " ".join(told)
