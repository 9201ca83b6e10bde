"""What goes into the index with a document, what stays out, and what changes with the next one."""

import dataclasses
from datetime import datetime, timedelta

import pytest

from ostiary.errors import Refusal
from ostiary.federation.index import indexing
from ostiary.federation.sources.reading import Reading
from ostiary.saml import names
from ostiary.saml.xml import METADATA, parse_xml, to_bytes
from tests.metadata_index.indexed_world import END, KEY, NOW, READING, World, entity, group, home, signed, unsigned
from tests.saml.world import signer

A, B, C = (f"https://{name}.example/sp" for name in "abc")


def refused(world: World, document: bytes, *, reading: Reading = READING, now: datetime = NOW) -> str:
    with pytest.raises(Refusal) as caught:
        world.put(document, reading=reading, now=now)
    return caught.value.code


def test_every_entity_of_a_signed_document_is_found(world: World) -> None:
    indexed = world.put(signed(entity(A, name="Alpha"), entity(B)))
    assert (indexed.entities, indexed.service_providers, indexed.identity_providers, indexed.added) == (2, 2, 0, 2)
    registry = world.registry()
    found = registry.get(A, NOW)
    assert found is not None
    assert (found.name(), found.valid_until, len(registry)) == ("Alpha", END, 2)
    assert registry.get(C, NOW) is None


@pytest.mark.parametrize("large", [False, True])
def test_what_is_refused_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    world.put(signed(entity(A), entity(B)))
    version = world.index.version()
    if large:
        monkeypatch.setattr(indexing, "LARGE", 10)
    good = signed(entity(C))
    assert refused(world, good[:-40]) == "xml.not_well_formed"
    assert refused(world, good.replace(b"c.example", b"x.example")) == "signature.wrong"
    assert refused(world, unsigned(entity(C))) == "signature.missing"
    assert refused(world, signed(entity(C), by=signer("rsa", "stranger"))) == "signature.wrong"
    assert refused(world, signed(entity(C), until=None)) == "metadata.no_valid_until"
    assert refused(world, signed(entity(C), until=NOW)) == "metadata.expired"
    assert refused(world, signed(entity(C), until=NOW.replace(year=9999))) == "metadata.valid_too_long"
    assert refused(world, b"<!DOCTYPE x>" + good) == "xml.doctype"
    assert refused(world, b'<!DOCTYPE x [<!ENTITY a "b">]>' + good.replace(b"Somebody", b"&a;")) == "xml.doctype"
    assert refused(world, signed()) == "metadata.empty"
    assert refused(world, b'<?xml version="1.0" encoding="UTF-16"?>' + good) == "xml.encoding"
    assert world.names() == [A, B]
    assert world.index.version() == version


@pytest.mark.parametrize("large", [False, True])
def test_a_signature_of_another_element_is_none(world: World, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    if large:
        monkeypatch.setattr(indexing, "LARGE", 10)
    real = parse_xml(signed(entity(A), identifier="_real"), METADATA)
    # The whole signed document inside a forged one, which carries the signature as its own.
    forged = parse_xml(unsigned(entity(C), identifier="_forged"), METADATA)
    signature = real[0]
    forged.insert(0, signature)
    forged.append(real)
    assert refused(world, to_bytes(forged)) == "signature.structure"
    forged.set("ID", "_real")
    assert refused(world, to_bytes(forged)) == "signature.duplicate_id"
    real.attrib.pop("ID")
    assert refused(world, to_bytes(forged)) == "signature.wrong"


@pytest.mark.parametrize("name", ["ID", "Id", "id", "AssertionID", "xml:id"])
def test_the_signed_id_may_not_stand_there_again_however_it_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(indexing, "LARGE", 10)
    again = signed(entity(A, attributes=f' {name}="&#95;root"')).replace(b'"_root"/', b'"&#95;root"/')
    # What is written here is not what was written there: lxml spells references out.
    spelled = again.replace(f'{name}="_root"'.encode(), f'{name}="&#95;root"'.encode()).replace(
        b'<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="&#95;root"',
        b'<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_root"',
    )
    assert refused(world, spelled) == "signature.duplicate_id"


def test_other_ids_may_repeat_and_the_root_s_name_may_stand_in_a_text(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "LARGE", 10)
    world.put(signed(entity(A, attributes=' ID="_one"', name="_root"), entity(B, attributes=' ID="_one"')))
    found = world.registry().get(A, NOW)
    assert found is not None
    assert b"_one" not in found.source


def test_an_entity_that_stands_there_twice_is_left_out_and_nobody_else(world: World) -> None:
    world.put(signed(entity(A, name="real"), entity(B)))
    indexed = world.put(signed(entity(A, name="real"), entity(B), entity(A, name="false"), entity(C)))
    assert world.names() == [B, C]
    assert [(one.entity_id, one.code) for one in indexed.left_out] == [(A, "metadata.duplicate_entity")]
    assert (indexed.added, indexed.removed, indexed.left_out_count) == (1, 1, 1)
    assert world.put(signed(entity(A, name="real"), entity(B))).added == 1


def test_only_what_changed_is_written_anew(world: World) -> None:
    many = [f"https://{number}.example/sp" for number in range(40)]
    first = world.put(signed(*(entity(one) for one in many)))
    rows = dict(world.index.rows("SELECT entity_id, id FROM entity"))
    version = world.index.version()
    later = signed(*(entity(one, name="New" if one in many[:10] else "Somebody") for one in many[:39]), entity(A))
    second = world.put(later)
    assert (first.added, second.added, second.changed, second.removed) == (40, 1, 10, 1)
    again = dict(world.index.rows("SELECT entity_id, id FROM entity"))
    assert {one for one in many if rows[one] == again.get(one)} == set(many[10:39])
    assert world.index.version() > version
    assert world.put(later) == dataclasses.replace(second, added=0, changed=0, removed=0)


def test_a_later_end_of_the_document_reaches_every_entity(world: World) -> None:
    world.put(signed(entity(A), entity(B, attributes=' validUntil="2026-11-23T00:00:00Z"')))
    later = END + timedelta(days=5)
    indexed = world.put(signed(entity(A), entity(B, attributes=' validUntil="2026-11-23T00:00:00Z"'), until=later))
    assert (indexed.changed, indexed.valid_until) == (0, later)
    registry = world.registry()
    assert [registry.get(one, NOW).valid_until for one in (A, B)] == [  # type: ignore[union-attr]
        later,
        NOW.replace(day=23, hour=0),
    ]


def test_the_earliest_end_of_role_entity_and_all_groups_counts(world: World) -> None:
    soon, sooner = NOW + timedelta(hours=2), NOW + timedelta(hours=1)
    world.put(
        signed(
            group(group(entity(A), until=soon), until=END),
            group(group(entity(B), until=END), until=sooner),
            entity(C, role=f' validUntil="{sooner.isoformat()[:19]}Z"'),
        )
    )
    registry = world.registry()
    assert [one.entity_id for one in registry.summaries(soon - timedelta(seconds=1))] == [A, C]
    assert registry.get(A, soon) is None
    assert registry.get(B, sooner) is None
    assert registry.sp(C, sooner - timedelta(seconds=1)) is not None
    assert registry.sp(C, sooner) is None
    assert world.names(now=END) == []
    assert [one.entity_id for one in registry.summaries(sooner, "sp")] == [A]


def test_less_than_half_of_the_last_time_is_refused_unless_it_may_shrink(world: World) -> None:
    world.put(signed(*(entity(f"https://{number}.example/sp") for number in range(10))))
    assert refused(world, signed(*(entity(f"https://{number}.example/sp") for number in range(4)))) == "metadata.shrunk"
    assert len(world.names()) == 10
    may = dataclasses.replace(READING, may_shrink=True)
    assert world.put(signed(*(entity(f"https://{number}.example/sp") for number in range(4))), reading=may).removed == 6


@pytest.mark.parametrize(
    "entity_id",
    ["", " https://a.example", "a&#10;b", "a&#x202E;b", "x" * 1025],
    ids=["none", "blank", "line", "bidi", "long"],
)
def test_an_entity_with_an_impossible_entity_id_is_left_out(world: World, entity_id: str) -> None:
    indexed = world.put(signed(entity(A), entity(entity_id)))
    assert world.names() == [A]
    assert [one.code for one in indexed.left_out] == ["metadata.entity_id"]


@pytest.mark.parametrize(
    "entity_id", ["urn:mace:odd", "https://ü.example/ß", "x" * 1024, "a'b\"%_;--".replace('"', "&quot;")]
)
def test_odd_entity_ids_are_found_by_name_and_by_sha1(world: World, entity_id: str) -> None:
    world.put(signed(entity(A), entity(entity_id)))
    wanted = entity_id.replace("&quot;", '"')
    assert world.names() == sorted([A, wanted])
    from ostiary.saml.artifact import source_id

    summary = world.registry().by_source_id(source_id(A), NOW)
    assert summary is not None
    assert world.index.rows("SELECT entity_id FROM entity WHERE sha1 = ?", source_id(wanted)) == [(wanted,)]


def test_a_group_that_can_not_be_read_leaves_the_others(world: World) -> None:
    indexed = world.put(
        signed(
            entity(A), group(entity(B)).replace("<md:EntitiesDescriptor", '<md:EntitiesDescriptor validUntil="x"', 1)
        )
    )
    assert world.names() == [A]
    assert indexed.left_out[0].code == "xml.instant"


@pytest.mark.parametrize("large", [False, True])
def test_a_processing_instruction_cuts_no_value_short(
    world: World, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    if large:
        monkeypatch.setattr(indexing, "LARGE", 10)
    world.put(signed(entity(A, name="Al<?x y?>pha")))
    assert next(world.registry().summaries(NOW)).name() == "Alpha"
    assert world.registry().name_of(A, NOW) == "Alpha"


def test_an_entity_is_taken_without_its_signature_and_namespaces_of_elsewhere_stay(world: World) -> None:
    inside = f'<ds:Signature xmlns:ds="{names.DS}"><ds:SignedInfo/></ds:Signature>'
    world.put(signed(entity(A, inside=inside), entity(B)))
    # A signature of a member that is none by the schema makes its entity unreadable, and nobody else's.
    assert world.registry().get(A, NOW) is None
    found = world.registry().get(B, NOW)
    assert found is not None
    assert parse_xml(found.source, METADATA).get("entityID") == B


def test_the_selection_and_the_limits_of_scopes_count(world: World) -> None:
    from ostiary.federation.sources.selection import Criteria, Selection

    reading = dataclasses.replace(
        READING, selection=Selection(exclude=Criteria(entities=frozenset({A}))), scopes=("home.example",)
    )
    scopes = ["home.example", "bank.example", "^(a+)+$"]
    indexed = world.put(signed(entity(A), home("https://home.example/idp", scopes)), reading=reading)
    assert (indexed.entities, indexed.unwanted, indexed.stated) == (1, 1, 2)
    registry = world.registry(reading=reading)
    assert next(registry.summaries(NOW)).domains == ("home.example",)
    role = registry.idp("https://home.example/idp", NOW)
    assert role is not None
    assert [scope.value for scope in role.scopes] == ["home.example"]


def test_with_other_keys_what_was_indexed_before_does_not_count(world: World) -> None:
    world.put(signed(entity(A)))
    other = signer("rsa", "stranger")
    reading = dataclasses.replace(READING, trusted=(other.public,))
    registry = world.registry(reading=reading)
    assert (registry.get(A, NOW), len(registry), list(registry.all(NOW))) == (None, 0, [])
    world.put(signed(entity(B), by=other), reading=reading)
    assert registry.get(B, NOW) is not None
    assert world.registry().get(A, NOW) is None


def test_either_of_two_keys_may_have_signed(world: World) -> None:
    old = signer("rsa", "stranger")
    reading = dataclasses.replace(READING, trusted=(old.public, KEY.public))
    assert world.put(signed(entity(A)), reading=reading).entities == 1
    assert world.put(signed(entity(B), by=old), reading=reading).entities == 1


def test_a_local_file_needs_no_signature_where_the_configuration_says_so(world: World) -> None:
    reading = Reading(allow_unsigned_local_file=True)
    assert world.put(unsigned(entity(A), until=None), reading=reading).entities == 1
    assert world.registry(reading=reading).get(A, NOW) is not None
    assert refused(world, unsigned(entity(A)), reading=Reading()) == "signature.no_key"
