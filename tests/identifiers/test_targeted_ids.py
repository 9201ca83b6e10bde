"""eduPersonTargetedID from the salt to the application: computed for each requester, sent as NameID, believed with its qualifiers."""

import itertools
from datetime import UTC, datetime

import pytest

from attribute_authority.connectors.computed import NAMES, ComputedConnector
from attribute_authority.connectors.sources import RequesterSource
from attribute_authority.resolver.definitions import Definition
from attribute_authority.resolver.resolver import Resolver
from ostiary.attributes import Attribute, Attributes, NameIdValue, Value, make_attribute, make_name_id_value
from ostiary.identifiers.computed import pairwise_id, persistent_value, targeted_id
from ostiary.identifiers.salt import Salt
from ostiary.policy.acceptance import AcceptanceRule, Issuer, accept, index_rules
from ostiary.policy.release import Audience, ReleasePolicy, ReleaseRule, Requester, index_policies, release
from ostiary.policy.values import ValueTest
from ostiary.saml.assertion import Assertion, NameId, read_assertion
from ostiary.saml.xml import parse_xml, to_bytes
from sp_shire.sessions.records import Login, dump_login, load_login

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SALT = Salt(b"s" * 32)
HOME, LIBRARY, LAB = "https://idp.uni.example", "https://library.example/shar", "https://lab.example/shar"
_NAME = NameId("h")
BELIEVES = index_rules([AcceptanceRule("t", "eduPersonTargetedID"), AcceptanceRule("p", "eduPersonPrincipalName")])


def resolved(requester: str | None, groups: dict[str, str] | None = None) -> Attributes:
    connector = ComputedConnector(SALT, "uni.example", groups or {})
    resolver = Resolver(
        [RequesterSource("identifiers", connector, NAMES)],
        [Definition("eduPersonTargetedID", "eduPersonTargetedID")],
        issuer=HOME,
    )
    return resolver.resolve("p1", NOW, requester).attributes


def test_each_requester_gets_its_own_and_nobody_gets_none() -> None:
    assert resolved(LIBRARY)[0].texts() == (f"{HOME}!{LIBRARY}!{targeted_id(SALT, 'p1', LIBRARY)}",)
    assert resolved(LAB)[0].texts() == (f"{HOME}!{LAB}!{targeted_id(SALT, 'p1', LAB)}",)
    assert resolved(None) == ()


def test_the_entities_of_a_group_share_the_value_each_under_its_own_name() -> None:
    groups = {LIBRARY: "reading", LAB: "reading"}
    shared = targeted_id(SALT, "p1", "group:reading")
    assert resolved(LIBRARY, groups)[0].texts() == (f"{HOME}!{LIBRARY}!{shared}",)
    assert resolved(LAB, groups)[0].texts() == (f"{HOME}!{LAB}!{shared}",)


def test_it_is_not_the_value_of_any_other_computed_identifier() -> None:
    values = {
        targeted_id(SALT, "p1", LIBRARY),
        targeted_id(SALT, "p2", LIBRARY),
        targeted_id(SALT, "p1", LAB),
        pairwise_id(SALT, "p1", LIBRARY, "uni.example").partition("@")[0],
        persistent_value(SALT, "p1", LIBRARY, 0),
    }
    assert len(values) == 5
    assert {len(value) for value in values} == {52}


def test_it_travels_as_a_name_id_and_arrives_as_a_text() -> None:
    told = Assertion("_a", HOME, NOW, attributes=resolved(LIBRARY))
    arrived = read_assertion(parse_xml(to_bytes(told.to_xml()))).attributes
    login = Login(HOME, _NAME, NOW, None, None, None, None, arrived)
    kept = load_login(dump_login(login)).attributes
    assert kept == arrived
    believed = accept(BELIEVES, Issuer(HOME), kept, at=NOW, audience=LIBRARY)
    assert [attribute.texts() for attribute in believed.attributes] == [
        (f"{HOME}!{LIBRARY}!{targeted_id(SALT, 'p1', LIBRARY)}",)
    ]


def test_a_policy_compares_the_whole_text() -> None:
    (targeted,) = resolved(LIBRARY)

    def released(text: str) -> int:
        rule = ReleaseRule("r", True, frozenset({"eduPersonTargetedID"}), ValueTest(exact=frozenset({text})))
        policies = index_policies([ReleasePolicy("p", Audience(anyone=True), (rule,))])
        return len(release(policies, Requester(LIBRARY), (targeted,), target=None, at=NOW, wanted=None).attributes)

    assert (released(targeted.texts()[0]), released(targeted_id(SALT, "p1", LIBRARY))) == (1, 0)


def verdict(value: Value, audience: str | None = LIBRARY, name: str = "eduPersonTargetedID") -> tuple[bool, str, str]:
    decision = accept(BELIEVES, Issuer(HOME), (Attribute(name, (value,), HOME),), at=NOW, audience=audience)
    (made,) = decision.verdicts
    return made.accepted, made.reason, str(made.value)


def test_absent_qualifiers_are_the_issuer_and_the_audience() -> None:
    for issuer, audience in itertools.product((HOME, None), (LIBRARY, None)):
        value = make_name_id_value(NameIdValue("a1", issuer, audience))
        assert verdict(value) == (True, "accepted", f"{HOME}!{LIBRARY}!a1")


@pytest.mark.parametrize(
    ("name_id", "reason"),
    [
        (NameIdValue("a1", "https://idp.other.example", LIBRARY), "other_issuer"),
        (NameIdValue("a1", HOME + "/", LIBRARY), "other_issuer"),
        (NameIdValue("a1", HOME, LAB), "value"),
        (NameIdValue("a1", HOME, f"{LIBRARY}!x"), "value"),
        (NameIdValue("x!a1", HOME, LIBRARY), "value"),
        (NameIdValue("a 1", HOME, LIBRARY), "value"),
        (NameIdValue("a\n1", HOME, LIBRARY), "value"),
        (NameIdValue("a" * 257, HOME, LIBRARY), "value"),
    ],
)
def test_a_name_with_other_qualifiers_or_of_another_form_is_refused(name_id: NameIdValue, reason: str) -> None:
    assert verdict(make_name_id_value(name_id))[:2] == (False, reason)


def test_nobody_in_particular_believes_no_persistent_name() -> None:
    assert verdict(make_name_id_value(NameIdValue("a1", HOME, LIBRARY)), audience=None)[:2] == (False, "value")
    assert verdict(make_name_id_value(NameIdValue("a1", HOME)), audience=None)[:2] == (False, "value")


def test_a_text_that_looks_like_a_persistent_name_is_none() -> None:
    assert verdict(Value(f"https://idp.other.example!{LIBRARY}!a1"))[:2] == (False, "value")
    assert verdict(Value(f"{HOME}!{LIBRARY}!a1"))[:2] == (False, "value")


def test_a_persistent_name_is_no_scoped_value() -> None:
    value = make_name_id_value(NameIdValue("ada@uni.example", HOME, LIBRARY))
    assert verdict(value, name="eduPersonPrincipalName")[:2] == (False, "scope_missing")


def test_what_a_session_holds_reads_as_before() -> None:
    attributes = (make_attribute("mail", ["a@b"]), make_attribute("eduPersonPrincipalName", ["ada@uni.example"]))
    login = Login(HOME, _NAME, NOW, None, None, None, None, attributes)
    assert b'["mail",[["a@b",null]]' in dump_login(login)
    assert load_login(dump_login(login)) == login
