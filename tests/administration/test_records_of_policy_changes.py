"""What came into force and when: one audit row for each change, across processes, with the states before and after."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, select

from attribute_authority.administration.content import (
    Difference,
    canonical,
    differences,
    release_content,
    settings_content,
)
from attribute_authority.administration.difference_lines import changed_lines
from attribute_authority.administration.records import ChangeWatch, PolicyRecords
from attribute_authority.tables import MIGRATIONS, metadata, policy_version
from ostiary import audit
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.config import parse_document
from ostiary.errors import Missing, Unavailable
from ostiary.storage.engine import open_engine, reading
from ostiary.storage.migrate import upgrade
from tests.databases import DATABASES, upgraded

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOME = "https://home.example/idp"
FIRST = """
groups: {labs: [https://lab.example]}
policies:
  - {id: library, for: {requesters: https://library.example}, rules: [{id: who, permit: mail}]}
  - {id: labs, for: {group: labs}, rules: [{permit: cn}]}
"""


def content(text: str, name: str = "release.yaml") -> bytes:
    return canonical(release_content([parse_document(text.encode(), Path(name))]))


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(request.param, tmp_path, [AUDIT_MIGRATIONS, MIGRATIONS]) as opened:
        yield opened


@pytest.fixture
def records(engine: Engine) -> PolicyRecords:
    return PolicyRecords(engine, entity_id=HOME, authority_index=0, writer="aa")


def audited(engine: Engine) -> list[tuple[str, str, dict[str, object]]]:
    with reading(engine) as connection:
        found = audit.events(connection)
    return [(event.action, event.actor, dict(event.facts)) for event in found]


def test_the_migration_makes_exactly_the_tables(engine: Engine) -> None:
    with reading(engine) as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        )
        assert compare_metadata(context, metadata) == []


def test_the_first_state_is_written_down(records: PolicyRecords, engine: Engine) -> None:
    serial = records.record("release_policies", content(FIRST), NOW)
    [(action, actor, facts)] = audited(engine)
    assert (action, actor) == ("release_policies.changed", "attribute_authority")
    assert facts["before"] is None
    assert len(str(facts["after"])) == 64
    [version] = records.history()
    assert (version.kind, version.number, version.at, version.serial) == ("release_policies", 1, NOW, serial)


def test_the_same_state_again_is_no_change(records: PolicyRecords, engine: Engine) -> None:
    records.record("release_policies", content(FIRST), NOW)
    reordered = FIRST.replace("{id: who, permit: mail}", "{permit: mail, id: who}") + "# a remark\n"
    assert records.record("release_policies", content(reordered), NOW) is None
    assert len(audited(engine)) == 1


def test_a_change_tells_what_was_added_removed_and_changed(records: PolicyRecords, engine: Engine) -> None:
    records.record("release_policies", content(FIRST), NOW)
    changed = """
    groups: {labs: [https://lab.example, https://lab2.example]}
    policies:
      - {id: library, for: {requesters: https://library.example}, only: required, rules: [{id: who, permit: cn}]}
      - {id: portal, for: {anyone: true}, rules: [{permit: o}]}
    """
    serial = records.record("release_policies", content(changed), NOW + timedelta(hours=1))
    assert serial is not None
    (_, _, first), (_, _, second) = audited(engine)
    assert second["before"] == first["after"]
    assert second["changes"] == [
        ["changed", "groups", "labs", ["members"]],
        ["removed", "policies", "labs"],
        ["changed", "policies", "library", ["only", "rules.who"]],
        ["added", "policies", "portal"],
    ]
    step = records.step(serial)
    assert step.before["policies"]["library"]["rules"] == [{"id": "who", "permit": "mail"}]
    assert step.after["policies"]["library"]["rules"] == [{"id": "who", "permit": "cn"}]
    assert Difference("added", "policies", "portal") in step.differences()


def test_to_go_back_is_a_change_of_its_own(records: PolicyRecords) -> None:
    for text in (FIRST, FIRST.replace("mail", "cn"), FIRST):
        records.record("release_policies", content(text), NOW)
    assert [version.number for version in records.history()] == [3, 2, 1]
    newest, middle, oldest = records.history()
    assert newest.digest == oldest.digest != middle.digest
    assert records.history(before=middle.serial) == (oldest,)


def test_kinds_and_authorities_are_kept_apart(records: PolicyRecords, engine: Engine) -> None:
    other = PolicyRecords(engine, entity_id=HOME, authority_index=1, writer="aa")
    records.record("release_policies", content(FIRST), NOW)
    assert other.record("release_policies", content(FIRST), NOW) is not None
    assert records.record("administrators", canonical(settings_content({"principals": ["p1"]})), NOW) is not None
    assert [version.kind for version in records.history()] == ["administrators", "release_policies"]
    with pytest.raises(Missing) as refused:
        records.step(other.history()[0].serial)
    assert refused.value.code == "aa.no_such_change"


def test_of_several_processes_one_writes_it_down(engine: Engine) -> None:
    def load(_: int) -> int | None:
        return PolicyRecords(engine, entity_id=HOME, authority_index=0, writer="aa").record(
            "release_policies", content(FIRST), NOW
        )

    with ThreadPoolExecutor(4) as pool:
        serials = list(pool.map(load, range(8)))
    assert len([serial for serial in serials if serial is not None]) == 1
    with reading(engine) as connection:
        assert connection.execute(select(policy_version.c.number)).scalars().all() == [1]
    assert len(audited(engine)) == 1


def test_a_long_list_of_changes_fits_into_its_row(records: PolicyRecords) -> None:
    many = "policies:\n" + "".join(
        f"  - {{id: {'x' * 100} {number}, for: {{anyone: true}}, rules: [{{permit: o}}]}}\n" for number in range(300)
    )
    records.record("release_policies", content(FIRST), NOW)
    serial = records.record("release_policies", content(many), NOW)
    assert serial is not None
    facts = records.history(limit=1)[0].facts
    assert (len(facts["changes"]), facts["more"]) == (40, 263)
    assert len(records.step(serial).differences()) == 303


def test_what_was_loaded_is_written_down_before_the_next_answer_and_once(
    records: PolicyRecords, engine: Engine
) -> None:
    watch = ChangeWatch(records)
    watch.record_due(NOW)
    watch.loaded("release_policies", json.loads(content(FIRST)))
    watch.loaded("administrators", settings_content({"principals": ["p1"]}))
    assert audited(engine) == []
    watch.record_due(NOW)
    watch.record_due(NOW)
    assert sorted(action for action, _, _ in audited(engine)) == ["administrators.changed", "release_policies.changed"]


def test_what_could_not_be_written_down_is_tried_again(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/later.db")
    watch = ChangeWatch(PolicyRecords(engine, entity_id=HOME, authority_index=0, writer="aa"))
    watch.loaded("release_policies", json.loads(content(FIRST)))
    with pytest.raises(Unavailable):
        watch.record_due(NOW)
    upgrade(engine, [AUDIT_MIGRATIONS, MIGRATIONS])
    watch.record_due(NOW)
    assert [action for action, _, _ in audited(engine)] == ["release_policies.changed"]
    engine.dispose()


def test_a_new_order_of_rules_without_names_is_told() -> None:
    one = {"policies": {"p": {"rules": [{"permit": "a"}, {"permit": "b"}]}}}
    two = {"policies": {"p": {"rules": [{"permit": "b"}, {"permit": "a"}]}}}
    assert differences(one, two) == (Difference("changed", "policies", "p", ("rules.rule 1", "rules.rule 2")),)
    named = {"policies": {"p": {"rules": [{"id": "x", "permit": "a"}, {"id": "y", "permit": "b"}]}}}
    turned = {"policies": {"p": {"rules": [{"id": "y", "permit": "b"}, {"id": "x", "permit": "a"}]}}}
    assert differences(named, turned) == (Difference("changed", "policies", "p", ("rules",)),)


def test_a_long_thing_is_shown_where_it_changed_and_without_waiting() -> None:
    members = [f"https://sp{number}.example" for number in range(2_000)]
    before = {"groups": {"g": {"members": members}}}
    after = {"groups": {"g": {"members": [*members[:1_000], "https://new.example", *members[1_000:]]}}}
    found = changed_lines(before, after, Difference("changed", "groups", "g"))
    assert [line for line in found if line[0] in "+-"] == ["+ - https://new.example"]
    assert found[3] == "  …"
    assert len(found) == 15
    removed = changed_lines(before, {}, Difference("removed", "groups", "g"))
    assert (len(removed), removed[0], removed[-1]) == (401, "- members:", "  …")
