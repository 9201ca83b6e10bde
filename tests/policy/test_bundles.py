"""The bundles of entity categories against pysaml2's data about them, and how documents and settings name them."""

import importlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attribute_authority.settings import AttributeAuthoritySettings
from ostiary.attributes import make_attribute
from ostiary.config import Settings, Sources, parse_document, settings_from
from ostiary.errors import ConfigurationError
from ostiary.policy.release import RequestedAttribute, Requester, release
from ostiary.policy.release.bundles import PolicyPathFromHere, bundles
from ostiary.policy.release.document import compile_release_policies, load_release_policies

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RESEARCH = "http://refeds.org/category/research-and-scholarship"
COCO_1 = "http://www.geant.net/uri/dataprotection-code-of-conduct/v1"
COCO_2 = "https://refeds.org/category/code-of-conduct/v2"


def categories(federation: str) -> object:
    return importlib.import_module(f"saml2.entity_category.{federation}")


def permitted(name: str) -> dict[str, tuple[frozenset[str], str | None]]:
    """By entity category: the attributes that a bundle permits, and its ``only``."""
    found: dict[str, tuple[frozenset[str], str | None]] = {}
    for policy in load_release_policies([bundles()[name]]).policies:
        assert all(rule.permits and rule.attributes is not None for rule in policy.rules)
        attributes = frozenset().union(*(rule.attributes or () for rule in policy.rules))
        for category in policy.audience.categories or ():
            found[category] = attributes, policy.only
    return found


def test_these_bundles_ship() -> None:
    assert list(bundles()) == [
        "anonymous",
        "code-of-conduct",
        "personalized",
        "pseudonymous",
        "research-and-scholarship",
    ]


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("anonymous", "REFEDS_ANONYMOUS_ACCESS"),
        ("pseudonymous", "REFEDS_PSEUDONYMOUS_ACCESS"),
        ("personalized", "REFEDS_PERSONALIZED_ACCESS"),
    ],
)
def test_the_access_categories_are_those_of_refeds(name: str, attributes: str) -> None:
    known = frozenset(getattr(categories("swamid"), attributes))
    assert permitted(name) == {f"https://refeds.org/category/{name}": (known, None)}


def test_research_and_scholarship_is_that_of_refeds_without_the_targeted_id() -> None:
    released = categories("refeds").RELEASE
    assert permitted("research-and-scholarship") == {RESEARCH: (frozenset(released[RESEARCH]), None)}
    # Of eduPersonTargetedID, which pysaml2 sends everybody, the category makes use only where eduPersonPrincipalName is given out again.
    assert released[""] == ["eduPersonTargetedID"]
    further = set(categories("swamid").RELEASE[RESEARCH]) - set(released[RESEARCH])
    assert further == {"eduPersonAssurance", "eduPersonUniqueID"}


def test_the_code_of_conduct_gives_what_is_required_except_what_is_most_private() -> None:
    found = permitted("code-of-conduct")
    assert set(found) == {COCO_1, COCO_2}
    edugain, swamid = categories("edugain"), categories("swamid")
    assert edugain.ONLY_REQUIRED == {COCO_1: True}
    for attributes, only in found.values():
        assert only == "required"
        assert attributes >= set(edugain.RELEASE[COCO_1])
        for category in (COCO_1, COCO_2):
            assert swamid.ONLY_REQUIRED[category]
            assert set(swamid.RELEASE[category]) - attributes == {
                "norEduPersonNIN",
                "personalIdentityNumber",
                "schacDateOfBirth",
                "norEduPersonLegalName",
                "norEduOrgAcronym",
                "mailLocalAddress",
            }


def test_the_code_of_conduct_gives_the_required_values_only() -> None:
    requester = Requester(
        "https://sp.example",
        entity_categories=(COCO_2,),
        requested=(
            RequestedAttribute("eduPersonAffiliation", required=True, values=frozenset({"member"})),
            RequestedAttribute("mail"),
            RequestedAttribute("displayName", required=True),
        ),
    )
    person = (
        make_attribute("eduPersonAffiliation", ["member", "staff"]),
        make_attribute("mail", ["ada@uni.example"]),
        make_attribute("displayName", ["Ada"]),
    )
    policies = load_release_policies([bundles()["code-of-conduct"]])
    decision = release(policies, requester, person, target=None, at=NOW, wanted=None)
    assert {a.name: a.texts() for a in decision.attributes} == {
        "eduPersonAffiliation": ("member",),
        "displayName": ("Ada",),
    }


def test_a_document_uses_bundles_by_name_and_each_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("use: [anonymous, pseudonymous]\n")
    (tmp_path / "b.yaml").write_text("use: anonymous\npolicies: [{id: p, for: {anyone: true}, rules: [{deny: cn}]}]\n")
    sources = Sources()
    policies = load_release_policies([tmp_path, bundles()["anonymous"]], sources=sources)
    assert [policy.id for policy in policies.policies] == ["bundle anonymous", "bundle pseudonymous", "p"]
    assert bundles()["pseudonymous"] in sources.paths()


def test_a_bundle_that_does_not_ship_is_refused_where_it_is_named() -> None:
    document = parse_document(b"# bundles\nuse:\n  - anonymous\n  - pseudonimous\n", Path("release.yaml"))
    with pytest.raises(ConfigurationError) as refused:
        compile_release_policies([document])
    problem = refused.value
    assert (problem.code, problem.line, problem.key) == ("policy.unknown_bundle", 4, "use[1]")
    assert (problem.expected, problem.found) == ("pseudonymous", "pseudonimous")


class FilesSettings(Settings):
    files: tuple[PolicyPathFromHere, ...]


def test_settings_name_bundles_beside_files(tmp_path: Path) -> None:
    document = parse_document(b"files: [release.yaml, 'bundle:anonymous']\n", tmp_path / "aa.yaml")
    assert settings_from(document, FilesSettings).files == (tmp_path / "release.yaml", bundles()["anonymous"])
    assert AttributeAuthoritySettings.model_fields["release_policies"].annotation == tuple[PolicyPathFromHere, ...]


@pytest.mark.parametrize(("name", "expected"), [("anonymus", "anonymous"), ("../anonymous", ", ".join(bundles()))])
def test_settings_that_name_no_bundle_are_refused(tmp_path: Path, name: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings_from(parse_document(f"files: ['bundle:{name}']\n".encode(), tmp_path / "aa.yaml"), FilesSettings)
    problem = refused.value
    assert (problem.code, problem.key, problem.expected) == ("policy.unknown_bundle", "files[0]", expected)
