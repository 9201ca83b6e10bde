"""Looking entities up in the index: precedence, what is held, what is asked for on demand, summaries that equal those of whole entities."""

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.index import (
    IndexedRegistry,
    IndexedSource,
    check_documents,
    checking,
    index_absence,
    index_entity,
    index_same_again,
)
from ostiary.federation.index.in_short import in_short
from ostiary.federation.index.indexing import keep_newest
from ostiary.federation.index.records import BROKEN, SOUND, UNCHECKED, read_summary, written
from ostiary.federation.index.registry import MOST_HELD, HeldEntities
from ostiary.federation.model import Entity
from ostiary.federation.read import read_stored_entity
from ostiary.federation.sources.reading import Reading
from ostiary.federation.summary import summary_of
from ostiary.saml import names
from ostiary.saml.artifact import source_id
from ostiary.saml.signature import sign
from ostiary.saml.xml import METADATA, Element, parse_xml, to_bytes
from tests.federation.entities import HOME, LIBRARY, aggregate
from tests.metadata_index.indexed_world import END, KEY, NOW, READING, World, entity, home, signed

A, B, C = (f"https://{name}.example/sp" for name in "abc")


def test_the_first_source_that_has_a_statement_counts(world: World) -> None:
    world.put(signed(entity(A, name="first"), entity(B, name="first")), "one")
    world.put(signed(entity(B, name="second"), entity(C, name="second")), "two")
    registry = world.registry("one", "two")
    assert [registry.name_of(one, NOW) for one in (A, B, C)] == ["first", "first", "second"]
    assert sorted((one.entity_id, one.name()) for one in registry.summaries(NOW)) == [
        (A, "first"),
        (B, "first"),
        (C, "second"),
    ]
    assert [world.registry("two", "one").name_of(one, NOW) for one in (A, B)] == ["first", "second"]
    assert len(registry) == 3
    assert {one.name() for one in registry.all(NOW)} == {"first", "second"}


def test_an_expired_statement_is_none_and_the_next_source_is_asked(world: World) -> None:
    soon = NOW + timedelta(hours=1)
    world.put(signed(entity(A, name="first"), until=soon), "one")
    world.put(signed(entity(A, name="second")), "two")
    registry = world.registry("one", "two")
    assert registry.name_of(A, NOW) == "first"
    assert registry.name_of(A, soon) == "second"
    assert [one.name() for one in registry.summaries(soon)] == ["second"]
    assert [one.name() for one in registry.all(soon)] == ["second"]


def test_a_broken_statement_is_reported_once_and_the_next_source_is_asked(world: World) -> None:
    told: list[tuple[str, str]] = []

    def leave_out(entity_id: str, problem: OstiaryError) -> None:
        told.append((entity_id, problem.code))

    world.put(signed(entity(A, inside="<md:Unheard/>"), entity(B)), "one")
    world.put(signed(entity(A, name="second")), "two")
    registry = world.index.registry([IndexedSource(name, READING) for name in ("one", "two")], leave_out=leave_out)
    assert registry.name_of(A, NOW) == "second"
    assert world.registry("one").get(A, NOW) is None
    assert told == [(A, "xml.schema")]
    assert [one.entity_id for one in world.registry("one").summaries(NOW)] == [B]


def test_documents_are_checked_once_for_all_look_ups_and_broken_ones_stay_out(world: World) -> None:
    world.put(signed(entity(A, inside="<md:Unheard/>"), entity(B), entity(C)))
    assert check_documents(world.index, "federation") == 3
    assert check_documents(world.index, "federation") == 0
    assert _checked(world) == {A: BROKEN, B: SOUND, C: SOUND}
    registry = world.registry()
    assert [registry.get(one, NOW) is not None for one in (A, B, C)] == [False, True, True]
    # What changes is another document, which nobody has checked.
    world.put(signed(entity(A), entity(B, inside="<md:Unheard/>"), entity(C)))
    assert _checked(world) == {A: UNCHECKED, B: UNCHECKED, C: SOUND}
    registry = world.registry()
    assert [registry.get(one, NOW) is not None for one in (A, B, C)] == [True, False, True]
    assert check_documents(world.index, "federation") == 2
    assert check_documents(world.index, "another") == 0


def _checked(world: World) -> dict[str, int]:
    return dict(world.index.rows("SELECT entity_id, checked FROM entity"))


def test_a_number_that_is_another_entity_s_by_now_is_not_marked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put(signed(entity(A), entity(B)))
    check = checking.check_schema

    def slowly(element: Element, kind: str) -> None:
        check(element, "metadata")
        if element.get("entityID") == A:
            # Somebody writes meanwhile: the last number is given to another document, which is broken.
            world.put(signed(entity(A), entity(C, inside="<md:Unheard/>")))

    monkeypatch.setattr(checking, "check_schema", slowly)
    check_documents(world.index, "federation")
    assert _checked(world)[C] != SOUND
    assert world.registry().get(C, NOW) is None


def test_an_older_registry_goes_on_answering_with_what_is_there_now(world: World) -> None:
    world.put(signed(entity(A), entity(B)))
    old = world.registry()
    held = old.get(A, NOW)
    world.put(signed(entity(A), entity(C)))
    assert old.get(A, NOW) is held
    assert old.get(C, NOW) is not None
    assert old.get(B, NOW) is None
    # What did not change is not read again.
    assert world.registry().get(A, NOW) is held
    world.index.remove("federation")
    assert world.registry().get(A, NOW) is None
    assert len(old) == 0


def test_no_more_entities_are_held_than_agreed(world: World) -> None:
    world.put(signed(*(entity(f"https://{number}.example/sp") for number in range(20))))
    held = HeldEntities(most=5)
    registry = IndexedRegistry(world.index, [IndexedSource("federation", READING)], held)
    for number in range(20):
        assert registry.get(f"https://{number}.example/sp", NOW) is not None
    assert len(held._read) == 5
    assert MOST_HELD == 1024


def test_own_entities_take_the_place_of_listed_ones(world: World) -> None:
    world.put(signed(entity(A, name="listed"), entity(B)))
    registry = world.registry().with_unlisted(Entity(A)).with_unlisted(Entity(C, valid_until=END))
    assert registry.get(A, NOW) == Entity(A)
    assert registry.get(C, END) is None
    assert registry.by_source_id(source_id(C), NOW) == Entity(C, valid_until=END)
    assert [one.entity_id for one in registry.summaries(NOW)] == [B]
    assert [one.entity_id for one in registry.all(NOW)] == [B]


class Asked:
    """A source on demand, whose server has one entity."""

    def __init__(self, world: World, answer: Callable[[str | bytes, datetime], None]) -> None:
        self.world = world
        self.asked: list[str | bytes] = []
        self._answer = answer

    def look_up(self, entity_id: str | bytes, now: datetime) -> None:
        self.asked.append(entity_id)
        self._answer(entity_id, now)


def single(entity_id: str, name: str = "Somebody") -> bytes:
    root = parse_xml(
        entity(
            entity_id, name=name, attributes=f' ID="_x" validUntil="2026-11-29T12:00:00Z" xmlns:md="{names.MD}"'
        ).encode(),
        METADATA,
    )
    sign(root, KEY)
    return to_bytes(root)


def test_a_source_on_demand_is_asked_when_it_is_its_turn_and_not_again_while_its_answer_is_fresh(world: World) -> None:
    world.put(signed(entity(A)), "federation")
    fresh = NOW + timedelta(minutes=5)

    def answer(entity_id: str | bytes, now: datetime) -> None:
        if entity_id in (B, source_id(B)):
            index_entity(world.index, "mdq", entity_id, single(B), READING, now, fresh_until=fresh, note="etag")
        else:
            index_absence(world.index, "mdq", entity_id, READING, fresh_until=fresh)

    asked = Asked(world, answer)
    registry = world.index.registry(
        [IndexedSource("federation", READING), IndexedSource("mdq", READING, on_demand=asked)]
    )
    assert registry.get(A, NOW) is not None
    assert asked.asked == []
    version = world.index.version()
    assert registry.by_source_id(source_id(B), NOW) is not None
    assert world.index.version() > version
    assert asked.asked == [source_id(B), B]
    assert registry.get(B, NOW) is registry.get(B, fresh - timedelta(seconds=1))
    assert len(asked.asked) == 2
    assert registry.get(B, fresh) is not None
    assert len(asked.asked) == 3
    assert registry.get(C, NOW) is None
    known = world.index.answer("mdq", source_id(B)), world.index.answer("mdq", source_id(C))
    assert [(one.found, one.fresh_until, one.note) for one in known if one is not None] == [
        (True, fresh, "etag"),
        (False, fresh, ""),
    ]


def test_an_answer_about_another_entity_is_refused(world: World) -> None:
    with pytest.raises(Refusal) as caught:
        index_entity(world.index, "mdq", A, single(B), READING, NOW, fresh_until=END)
    assert caught.value.code == "metadata.other_entity"
    with pytest.raises(Refusal) as caught:
        index_entity(world.index, "mdq", A, signed(entity(A)), READING, NOW, fresh_until=END)
    assert caught.value.code == "metadata.root"
    assert world.index.sources() == ()


def test_an_answer_that_did_not_change_is_only_fresh_again(world: World) -> None:
    index_entity(world.index, "mdq", A, single(A), READING, NOW, fresh_until=NOW, note="one")
    version = world.index.version()
    index_same_again(world.index, "mdq", A, fresh_until=END)
    index_entity(world.index, "mdq", A, single(A), READING, NOW, fresh_until=END, note="two")
    assert world.index.version() == version
    answer = world.index.answer("mdq", source_id(A))
    assert answer is not None
    assert (answer.fresh_until, answer.note) == (END, "two")
    index_absence(world.index, "mdq", A, READING, fresh_until=END)
    assert world.index.version() > version
    assert world.registry("mdq").get(A, NOW) is None


def test_names_that_strangers_invent_push_nobody_out(world: World) -> None:
    for entity_id in (A, B, C):
        index_entity(world.index, "mdq", entity_id, single(entity_id), READING, NOW, fresh_until=NOW)
    for number in range(10):
        index_absence(world.index, "mdq", f"https://invented-{number}.example", READING, fresh_until=END)
    keep_newest(world.index, "mdq", 3)
    assert world.names("mdq") == [A, B, C]
    index_same_again(world.index, "mdq", B, fresh_until=END)
    keep_newest(world.index, "mdq", 1)
    assert world.names("mdq") == [B]


def test_summaries_of_the_index_are_those_of_whole_entities(world: World) -> None:
    world.put(aggregate())
    registry = world.registry()
    assert list(registry.summaries(NOW)) == [summary_of(one) for one in registry.all(NOW)]
    assert {one.entity_id for one in registry.all(NOW)} == {HOME.entity_id, LIBRARY.entity_id}


_TEXT = st.sampled_from(["Alpha", " Two\n words ", "", "a\u202eb", "Ünï", "<x/>"])
_LANGUAGE = st.sampled_from(["en", "de", "pt-BR"])
_END = st.sampled_from(["", ' validUntil="2026-11-25T00:00:00Z"', ' validUntil="2026-11-24T00:00:00.5Z"'])


def _texts(name: str, prefix: str) -> st.SearchStrategy[str]:
    one = st.builds(lambda text, lang: f'<{prefix}:{name} xml:lang="{lang}">{text}</{prefix}:{name}>', _TEXT, _LANGUAGE)
    return st.lists(one, max_size=2).map("".join)


def _info() -> st.SearchStrategy[str]:
    logo = st.sampled_from(
        [
            "",
            '<mdui:Logo height="16" width="16">https://a.example/x.png</mdui:Logo>',
            '<mdui:Logo height="99999999" width="1">javascript:alert(1)</mdui:Logo>',
        ]
    )
    inside = st.builds(lambda *parts: "".join(parts), _texts("DisplayName", "mdui"), _texts("Keywords", "mdui"), logo)
    return st.one_of(st.just(""), inside.map(lambda found: f"<mdui:UIInfo>{found}</mdui:UIInfo>"))


_HINTS = st.sampled_from(
    [
        "",
        (
            "<mdui:DiscoHints><mdui:DomainHint> a.example </mdui:DomainHint><mdui:IPHint>192.0.2.0/24</mdui:IPHint>"
            "<mdui:GeolocationHint>geo:1,2</mdui:GeolocationHint><mdui:DomainHint/></mdui:DiscoHints>"
        ),
    ]
)
_SCOPES = st.lists(
    st.sampled_from(
        [
            "<shibmd:Scope>a.example</shibmd:Scope>",
            '<shibmd:Scope regexp="false"> b.example </shibmd:Scope>',
            '<shibmd:Scope regexp="true">^.+$</shibmd:Scope>',
        ]
    ),
    max_size=3,
).map("".join)
_LOCATION = st.sampled_from(["https://a.example/x", "https://a.example/x", "http://a.example/x", "http://localhost/x"])
_BINDING = st.sampled_from([names.HTTP_POST, names.SHIBBOLETH_REQUEST])
_PROTOCOL = st.sampled_from(
    [names.SAMLP, names.SAMLP, f"urn:other {names.SAMLP}", "urn:oasis:names:tc:SAML:1.1:protocol"]
)


def _role(kind: str, endpoint: str, index: str) -> st.SearchStrategy[str]:
    ends = st.lists(
        st.builds(
            lambda where, how: f'<md:{endpoint} Binding="{how}" Location="{where}"{index}/>', _LOCATION, _BINDING
        ),
        min_size=1,
        max_size=2,
    ).map("".join)
    return st.builds(
        lambda protocol, end, scopes, info, hints, services: (
            f'<md:{kind} protocolSupportEnumeration="{protocol}"{end}><md:Extensions>{scopes}{info}{hints}</md:Extensions>'
            f"{services}</md:{kind}>"
        ),
        *(_PROTOCOL, _END, _SCOPES, _info(), _HINTS, ends),
    )


@st.composite
def descriptors(draw: st.DrawFn) -> str:
    roles = "".join(
        draw(st.lists(role, max_size=2).map("".join))
        for role in (
            _role("IDPSSODescriptor", "SingleSignOnService", ""),
            _role("SPSSODescriptor", "AssertionConsumerService", ' index="0"'),
            _role("AttributeAuthorityDescriptor", "AttributeService", ""),
        )
    )
    registration = draw(st.sampled_from(["", '<mdrpi:RegistrationInfo registrationAuthority="https://f.example"/>']))
    attributes = draw(
        st.sampled_from(
            [
                "",
                (
                    f'<mdattr:EntityAttributes><saml:Attribute Name="{names.ENTITY_CATEGORY}"><saml:AttributeValue>a </saml:AttributeValue>'
                    '<saml:AttributeValue>b</saml:AttributeValue></saml:Attribute><saml:Attribute Name="x"/></mdattr:EntityAttributes>'
                ),
            ]
        )
    )
    shown = draw(_texts("OrganizationDisplayName", "md"))
    organization = (
        f'<md:Organization><md:OrganizationName xml:lang="en">n</md:OrganizationName>{shown}'
        '<md:OrganizationURL xml:lang="en">https://a.example</md:OrganizationURL></md:Organization>'
        if shown
        else ""
    )
    return (
        f'<md:EntityDescriptor entityID="{A}" xmlns:md="{names.MD}" xmlns:mdui="{names.MDUI}" xmlns:mdrpi="{names.MDRPI}"'
        f' xmlns:mdattr="{names.MDATTR}" xmlns:saml="{names.SAML}" xmlns:shibmd="{names.SHIBMD}"><md:Extensions>'
        f"{draw(_SCOPES)}{registration}{attributes}</md:Extensions>{roles}{organization}</md:EntityDescriptor>"
    )


@settings(max_examples=50, deadline=None)
@given(descriptors(), st.sampled_from([None, END, NOW + timedelta(days=2)]))
def test_a_summary_from_the_tree_is_that_of_the_entity_however_it_looks(document: str, end: datetime | None) -> None:
    octets = document.encode()
    try:
        whole = read_stored_entity(octets, end)
    except Refusal:
        # What can't be read whole is nobody's summary.
        return
    assert read_summary(A, end, written(in_short(parse_xml(octets, METADATA), None))) == summary_of(whole)


def test_a_role_ends_with_its_own_end_in_a_summary(world: World) -> None:
    world.put(
        signed(entity(A, role=' validUntil="2026-11-23T00:00:00Z"'), home("https://home.example/idp", ["home.example"]))
    )
    spans = {one.entity_id: one.roles[0].valid_until for one in world.registry().summaries(NOW)}
    assert spans == {A: NOW.replace(day=23, hour=0), "https://home.example/idp": END}
    reading = dataclasses.replace(READING, scopes=())
    assert isinstance(reading, Reading)
