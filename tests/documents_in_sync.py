"""Part of ``make check``: generated documents are what the code generates, and no link in a document leads nowhere."""

import re
import sys
from pathlib import Path

from ostiary.command.configuration_reference import configuration_reference
from ostiary.command.wording import catalogue
from ostiary.policy.schema_documents import schema_texts
from ostiary.web.error_list import error_list

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
_FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def generated() -> dict[Path, str]:
    """Every generated document: where it stands, and what it should say."""
    documents = {ROOT / "schemas" / name: text for name, text in schema_texts().items()}
    documents[ROOT / "docs" / "errors.md"] = error_list(catalogue())
    documents[ROOT / "docs" / "configuration.md"] = configuration_reference()
    return documents


def stale_documents() -> list[str]:
    """Generated files that differ from what the code makes."""
    return [
        f"{path.relative_to(ROOT)} is out of date: run `make generated`"
        for path, text in generated().items()
        if not path.exists() or path.read_text() != text
    ]


def dead_links() -> list[str]:
    """Relative links in Markdown files whose target does not exist, or has no such heading."""
    found = []
    for document in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("tests/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
    ]:
        for target, heading in LINK.findall(document.read_text()):
            if "://" in target or target.startswith("mailto:"):
                continue
            where = document.parent / target if target else document
            if not where.exists():
                found.append(f"{document.relative_to(ROOT)}: link to {target}, which does not exist")
            elif heading and where.suffix == ".md" and heading not in anchors(where):
                found.append(f"{document.relative_to(ROOT)}: link to {target}#{heading}, which is no heading there")
    return found


def anchors(document: Path) -> set[str]:
    """What links into a Markdown file can name: its headings, as forges spell them."""
    headings = _HEADING.findall(_FENCED.sub("", document.read_text()))
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def write_generated() -> None:
    """Writes every generated document."""
    for path, text in generated().items():
        path.write_text(text)


if __name__ == "__main__":
    if "--write" in sys.argv:
        write_generated()
    problems = [*stale_documents(), *dead_links()]
    print("\n".join(problems) or "documents: in sync, no dead links")
    sys.exit(1 if problems else 0)
