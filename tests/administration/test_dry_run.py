"""What other policies would have changed about past requests: who gains, who loses, counted; and which file a candidate stands for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attribute_authority.administration.documents import exchanged, policy_files, with_bundles
from attribute_authority.administration.dry_run import AttributeChange, DryRun, try_out
from attribute_authority.administration.requests import PastRequest
from ostiary.attributes import Attributes, make_attribute
from ostiary.config import Document, parse_document
from ostiary.errors import ConfigurationError, Missing, Refusal, Unavailable
from ostiary.policy.release import ReleaseDecision, ReleasePolicies, Requester, release
from ostiary.policy.release.document import compile_release_policies
from ostiary.ports import ReleaseRequest

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIBRARY, LAB = "https://library.example", "https://lab.example"
PEOPLE: dict[str, Attributes] = {
    "ada": (make_attribute("mail", ["ada@x.example"]), make_attribute("role", ["staff", "member"])),
    "bob": (make_attribute("mail", ["bob@x.example"]), make_attribute("role", ["member"])),
}
CURRENT = f"""
policies:
  - {{id: all, for: {{anyone: true}}, rules: [{{id: role, permit: role, value: member}}]}}
  - {{id: library, for: {{requesters: {LIBRARY}}}, rules: [{{id: mail, permit: mail}}]}}
"""


def policies(text: str) -> ReleasePolicies:
    return compile_release_policies([parse_document(text.encode(), Path("release.yaml"))])


def decide(request: ReleaseRequest, sets: Sequence[ReleasePolicies]) -> list[ReleaseDecision]:
    if request.principal == "gone":
        raise Missing("aa.unknown_principal")
    if request.principal == "unknown":
        raise Unavailable("aa.connector_failed")
    asked = Requester(request.requester)
    return [
        release(one, asked, PEOPLE[request.principal], target=None, at=request.at, wanted=request.wanted)
        for one in sets
    ]


def past(*asked: tuple[str, str]) -> list[PastRequest]:
    return [
        PastRequest(ReleaseRequest(principal, requester, NOW + timedelta(minutes=minute)), pushed=False)
        for minute, (principal, requester) in enumerate(asked)
    ]


def outcome(candidate: str, *asked: tuple[str, str]) -> DryRun:
    return try_out(past(*asked), policies(CURRENT), policies(candidate), decide)


def test_the_same_policies_change_nothing() -> None:
    found = outcome(CURRENT, ("ada", LIBRARY), ("bob", LAB))
    assert (found.tried, found.touched, found.requesters, found.widens) == (2, 0, (), False)
    assert (found.since, found.until) == (NOW, NOW + timedelta(minutes=1))


def test_who_gains_and_who_loses_is_counted_by_person_and_told_by_resource() -> None:
    candidate = f"""
    policies:
      - {{id: all, for: {{anyone: true}}, rules: [{{id: role, permit: role}}]}}
      - {{id: lab, for: {{requesters: {LAB}}}, rules: [{{id: mail, permit: mail}}]}}
    """
    found = outcome(candidate, ("ada", LIBRARY), ("ada", LIBRARY), ("bob", LIBRARY), ("ada", LAB), ("bob", LAB))
    library, lab = sorted(found.requesters, key=lambda one: one.requester, reverse=True)
    assert (library.requester, library.requests, library.people, library.touched) == (LIBRARY, 3, 2, 2)
    assert library.changes == (
        AttributeChange("role", "more_values", 1, ("all/role",)),
        AttributeChange("mail", "lost", 2, ("no_rule",)),
    )
    assert lab.changes == (
        AttributeChange("mail", "gained", 2, ("lab/mail",)),
        AttributeChange("role", "more_values", 1, ("all/role",)),
    )
    assert (found.tried, found.touched, found.widens) == (5, 5, True)


def test_a_denial_is_named_and_narrows() -> None:
    found = outcome(
        CURRENT + "  - {id: never, for: {anyone: true}, rules: [{id: mail, deny: mail}]}\n", ("ada", LIBRARY)
    )
    [library] = found.requesters
    assert library.changes == (AttributeChange("mail", "lost", 1, ("never/mail",)),)
    assert not found.widens


def test_other_values_of_an_attribute_are_told_as_such() -> None:
    fewer = CURRENT.replace("permit: role, value: member", "permit: role, value: staff")
    [one] = outcome(fewer, ("ada", LAB)).requesters
    assert one.changes == (AttributeChange("role", "other_values", 1, ("all/role", "no_rule")),)


def test_what_can_not_be_decided_any_more_is_counted_and_left_out() -> None:
    found = outcome("policies: []", ("gone", LAB), ("unknown", LAB), ("bob", LAB))
    assert (found.tried, found.gone, found.unknown, found.touched) == (1, 1, 1, 1)


def test_no_requests_are_no_outcome() -> None:
    found = outcome("policies: []")
    assert (found.tried, found.since, found.until) == (0, None, None)


def document(path: Path, text: str = "policies: []\n") -> Document:
    return parse_document(text.encode(), path)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    for name in ("a.yaml", "b.yaml", "more/c.yaml", "more/d.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("policies: []\n")
    return policy_files([tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "more"])


def test_a_candidate_takes_the_place_of_the_file_of_its_name(files: tuple[Path, ...], tmp_path: Path) -> None:
    assert [file.name for file in files] == ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]
    candidate, further = document(Path("new/b.yaml")), document(Path("new/x.yaml"))
    documents, places = exchanged(files, [candidate, further])
    assert [one.path for one in documents] == [files[0], candidate.path, files[2], files[3], further.path]
    assert places == {candidate.path: tmp_path / "b.yaml", further.path: None}
    alone, nowhere = exchanged(files, [candidate], alone=True)
    assert (alone, nowhere) == ([candidate], {candidate.path: None})


def test_a_broken_file_in_force_does_not_matter_where_it_is_replaced(files: tuple[Path, ...]) -> None:
    files[1].write_text("policies: [")
    documents, _ = exchanged(files, [document(Path("b.yaml"))])
    assert len(documents) == 4
    with pytest.raises(ConfigurationError):
        exchanged(files, [document(Path("a.yaml"))])


def test_it_has_to_be_clear_which_file_a_candidate_stands_for(files: tuple[Path, ...], tmp_path: Path) -> None:
    (tmp_path / "more" / "a.yaml").write_text("policies: []\n")
    both = policy_files([tmp_path / "a.yaml", tmp_path / "more"])
    for candidates in ([document(Path("a.yaml"))], [document(Path("x.yaml")), document(Path("x.yaml"))]):
        with pytest.raises(Refusal) as refused:
            exchanged(both, candidates)
        assert refused.value.code == "aa.dry_run_ambiguous"
    documents, _ = exchanged(both, [document(tmp_path / "a.yaml", "groups: {g: [x]}\n")])
    assert documents[0].data == {"groups": {"g": ["x"]}}


def test_the_bundles_of_a_file_come_after_it_and_once() -> None:
    one = document(Path("a.yaml"), "use: [research-and-scholarship, no-such-bundle]\n")
    other = document(Path("b.yaml"), "use: research-and-scholarship\n")
    found = with_bundles([one, other])
    assert [found[0], found[2]] == [one, other]
    assert found[1].path.name == "research-and-scholarship.yaml"
    assert len(found) == 3
