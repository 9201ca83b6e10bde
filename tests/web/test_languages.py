"""What a home organisation and a discovery service say to people is there in every language: no text is missing, none asks for a value
that English has not."""

from pathlib import Path

import pytest

from attribute_authority.pages import TEXTS as AUTHORITY_TEXTS
from idp.service import TEXTS as IDP_TEXTS
from ostiary.config import load_document
from ostiary.web.texts import GROUND_FLOOR, Catalogue, placeholders
from wayf.service import TEXTS as WAYF_TEXTS

LANGUAGES = ("nl", "de", "fr", "es", "it", "ru")
# Of the ground floor, what may be shown to a person there. The rest is for those who run a service.
GROUND_FLOOR_FILES = (
    "attributes",
    "consent",
    "discovery",
    "ldap",
    "mail",
    "operate",
    "operators",
    "saml",
    "storage",
    "web",
    "wire",
)
SOURCES = [
    *sorted((IDP_TEXTS / "en").glob("*.yaml")),
    *sorted((AUTHORITY_TEXTS / "en").glob("*.yaml")),
    *sorted((WAYF_TEXTS / "en").glob("*.yaml")),
    *(GROUND_FLOOR / "en" / f"{name}.yaml" for name in GROUND_FLOOR_FILES),
]


def flat(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}

    def walk(prefix: str, node: object) -> None:
        if isinstance(node, dict):
            for key, child in node.items():
                walk(f"{prefix}.{key}" if prefix else str(key), child)
        else:
            found[prefix] = str(node)

    walk("", load_document(path).data)
    return found


def translated(path: Path, language: str) -> Path:
    return path.parent.parent / language / path.name


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_no_text_is_missing(source: Path, language: str) -> None:
    path = translated(source, language)
    assert path.exists(), f"{path} is missing"
    english, other = flat(source), flat(path)
    assert sorted(set(english) - set(other)) == [], "missing"
    assert sorted(set(other) - set(english)) == [], "not in English"
    wrong = [key for key, text in other.items() if placeholders(text) != placeholders(english[key])]
    assert wrong == [], "other placeholders than in English"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_not_english_under_another_name(language: str) -> None:
    same = total = 0
    for source in SOURCES:
        english, other = flat(source), flat(translated(source, language))
        for key, text in english.items():
            if len(text) > 25:
                total += 1
                same += other[key] == text
    assert total > 300
    assert same == 0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("texts", "key"),
    [(IDP_TEXTS, "idp.login.title"), (AUTHORITY_TEXTS, "my.list.title"), (WAYF_TEXTS, "discovery.title")],
)
def test_every_language_is_offered_and_can_be_read(texts: Path, key: str, language: str) -> None:
    catalogue = Catalogue.load(texts)
    assert set(catalogue.languages) == {"en", *LANGUAGES}
    assert catalogue.choose(accept=f"{language}-XX, en;q=0.5") == language
    assert catalogue.text(language, key) != catalogue.text("en", key)
