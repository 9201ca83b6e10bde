"""Release policies in numbers: one decision among 1,000, and reading 10,000 anew. Seconds and milliseconds of CPU of this process."""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from bench.measure import Row, cpu_milliseconds
from ostiary.attributes import Attribute, Value
from ostiary.config import Holder, Sources
from ostiary.policy.release import ReleasePolicies, RequestedAttribute, Requester, release
from ostiary.policy.release.document import load_release_policies

NOW: Final = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
REFEDS: Final = "http://refeds.org/category/research-and-scholarship"
AUTHORITY: Final = "https://federation.example"
REQUESTER: Final = Requester(
    "https://sp0007.university.example/shibboleth",
    entity_categories=(REFEDS, "https://category.example/0003"),
    registration_authority=AUTHORITY,
    requested=(RequestedAttribute("mail", required=True), RequestedAttribute("displayName")),
    entity_attributes=(("http://macedir.org/entity-category", (REFEDS, "https://category.example/0003")),),
)
NAMES: Final = (
    "displayName", "givenName", "sn", "mail", "eduPersonPrincipalName", "eduPersonScopedAffiliation", "eduPersonEntitlement",
    "isMemberOf", "schacHomeOrganization", "organizationName", "eduPersonOrcid", "eduPersonAssurance",
)  # fmt: skip


def rows(*, quick: bool) -> list[Row]:
    """Two rows."""
    with tempfile.TemporaryDirectory() as name:
        return [
            decision(Path(name), rounds=10 if quick else 40, loops=50),
            reload(Path(name), files=20, rounds=1 if quick else 5),
        ]


def decision(directory: Path, *, rounds: int, loops: int) -> Row:
    """A person with 12 attributes of 20 values; of the policies some ten are about this resource."""
    file = directory / "thousand.yaml"
    file.write_text(yaml.safe_dump({"policies": list(_policies(1_000))}))
    policies = load_release_policies([file])
    known = tuple(
        Attribute(name, tuple(Value(f"{name} {number}") for number in range(5 if name == "isMemberOf" else 1)))
        for name in NAMES
    )

    def decide() -> int:
        decided = release(policies, REQUESTER, known, target=None, at=NOW, wanted=None)
        return len(decided.attributes)

    if decide() != len(NAMES) - 1:
        raise RuntimeError("the policies do not decide what the row says")
    best = cpu_milliseconds({"decide": decide}, rounds=rounds, loops=loops)["decide"]
    return Row("Release policies: one decision among 1,000", best, "ms CPU", 0.5, 1.0)


def reload(directory: Path, *, files: int, rounds: int) -> Row:
    """Files of 500, of which one changed: a snapshot is read as a whole."""
    paths = []
    for number in range(files):
        paths.append(directory / f"policies-{number:02}.yaml")
        content = {"policies": [{**policy, "id": f"{number}-{policy['id']}"} for policy in _policies(500)]}
        paths[-1].write_text(yaml.safe_dump(content))

    def load(sources: Sources) -> ReleasePolicies:
        return load_release_policies(paths, sources=sources)

    holder, best, at = Holder(load, every=timedelta(seconds=1)), float("inf"), NOW
    for number in range(rounds):
        paths[1].write_text(paths[1].read_text() + f"# change {number}\n")
        at += timedelta(minutes=1)
        before, begin = holder.version, time.process_time()
        if (problem := holder.poll(at)) is not None:
            raise problem
        best = min(best, time.process_time() - begin)
        if holder.version == before or len(holder.value.policies) != files * 500:
            raise RuntimeError("the change was not noticed")
    return Row(f"Release policies: {files * 500:,} read anew", best, "s CPU", 2.0, 1.0)


def _policies(count: int) -> Iterator[dict[str, Any]]:
    """Most name one resource; others a category, a federation, a group of resources by pattern, or everybody."""
    for number in range(count):
        audience: dict[str, Any]
        match number % 50:
            case 0:
                audience = {"registration_authority": [f"{AUTHORITY}/{number}" if number else AUTHORITY]}
            case 1 | 2 | 3:
                audience = {"entity_category": [f"https://category.example/{number:04}"]}
            case 4 | 5:
                audience = {"requester_pattern": rf"https://sp[0-9]+\.campus{number}\.example/.*"}
            case 6:
                audience = (
                    {"entity_category": [REFEDS]} if number == 6 else {"requesters": [f"https://r{number}.example"]}
                )
            case _:
                audience = {"requesters": [f"https://sp{number % 100:04}.university.example/shibboleth"]}
        rules: list[dict[str, Any]] = [{"permit": list(NAMES[:-1])}]
        if number % 10 == 1:
            rules.append({"deny": ["isMemberOf"], "pattern": "secret.*"})
        yield {"id": f"policy-{number}", "for": audience, "rules": rules}
