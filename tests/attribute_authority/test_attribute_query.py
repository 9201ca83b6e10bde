"""The SOAP endpoint: each bad query beside its valid twin, which differs in that one thing and is answered."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from attribute_authority.metadata import aa_role
from ostiary.attributes import make_attribute
from ostiary.errors import Denied
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import EntityKey, Scope
from ostiary.handle import HandleKey, mint
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.protocol import AttributeQuery
from ostiary.saml.signature import sign
from ostiary.saml.xml import Element
from tests.attribute_authority.query_home import (
    AFFILIATION,
    HOME,
    HOME_SIGNER,
    LAB,
    LAB_SIGNER,
    LIBRARY,
    LIBRARY_SIGNER,
    LOCATION,
    NOW,
    OLD,
    REGISTRY,
    URL,
    Home,
    accepted,
    envelope,
    handle,
    prepared,
    query,
    texts,
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    engine = prepared(tmp_path)
    yield Home(tmp_path, engine, REGISTRY)
    engine.dispose()


def test_a_proven_query_gets_what_the_policies_permit(home: Home) -> None:
    answer = home.post(envelope(query()))
    assertion = accepted(answer, query())
    assert assertion is not None
    assert texts(answer, query()) == AFFILIATION
    assert assertion.name_id == query().name_id
    assert assertion.conditions is not None
    assert assertion.conditions.audiences == ((LIBRARY,),)
    assert assertion.conditions.not_on_or_after == NOW + timedelta(minutes=5)
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_release_is_recorded_with_rules_and_without_values(home: Home) -> None:
    home.post(envelope(query()))
    assert home.recorded() == [
        (
            "p1",
            {
                "requester": LIBRARY,
                "query": "_q1",
                "attributes": ["eduPersonScopedAffiliation"],
                "rules": ["all/who"],
            },
        )
    ]
    assert "attributes_released" in home.stream.getvalue()
    assert "staff@uni.example" not in home.stream.getvalue()


def test_many_rules_and_attributes_still_fit_into_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [f"group {number}" for number in range(300)]
    permits = [
        f"  - {{id: {'policy ' * 15}{number}, for: {{requesters: {LIBRARY}}}, rules: [{{permit: displayName, value: {value}}}]}}"
        for number, value in enumerate(values)
    ]
    engine = prepared(tmp_path)
    home = Home(tmp_path, engine, REGISTRY, policy_text="\n".join(["policies:", *permits]))
    monkeypatch.setattr(home, "attributes", lambda principal, at: {"displayName": values})
    assert len(texts(home.post(envelope(query())), query())["displayName"]) == 300
    [(_, facts)] = home.recorded()
    assert (len(facts["rules"]), facts["more_rules"]) == (40, 260)  # type: ignore[arg-type]
    engine.dispose()


def test_the_target_chooses_the_application_domain(home: Home) -> None:
    asked = query(target="https://library.example/instrument/7")
    assert texts(home.post(envelope(asked)), asked) == {**AFFILIATION, "displayName": ("Ada",)}
    asked = query(id="_q2", target="https://library.example/instrument/../x")
    assert accepted(home.post(envelope(asked)), asked) is None


def test_the_target_of_another_resource_opens_nothing(home: Home) -> None:
    target = "https://library.example/instrument/7"
    asked = query(issuer=LAB, name_id=NameId(handle(LAB), names.TRANSIENT), target=target)
    assert accepted(home.post(envelope(asked, LAB_SIGNER)), asked) is None
    assert [facts["attributes"] for _, facts in home.recorded()] == [[]]
    own = query(id="_q2", target=target)
    assert texts(home.post(envelope(own)), own) == {**AFFILIATION, "displayName": ("Ada",)}


def test_a_query_for_single_attributes_and_values_gets_no_others(home: Home) -> None:
    wanted = (make_attribute("eduPersonScopedAffiliation", ["staff@uni.example"]), make_attribute("displayName", []))
    asked = query(attributes=wanted)
    assert texts(home.post(envelope(asked)), asked) == {"eduPersonScopedAffiliation": ("staff@uni.example",)}


def test_what_metadata_requires_reaches_the_policies(home: Home) -> None:
    asked = query(issuer=LAB, name_id=NameId(handle(LAB), names.TRANSIENT))
    assert texts(home.post(envelope(asked, LAB_SIGNER)), asked) == {**AFFILIATION, "mail": ("ada@uni.example",)}


def test_an_empty_release_is_a_success_without_an_assertion_and_is_recorded(home: Home) -> None:
    asked = query(attributes=(make_attribute("displayName", []),))
    assert accepted(home.post(envelope(asked)), asked) is None
    assert [facts["attributes"] for _, facts in home.recorded()] == [[]]


def test_a_query_without_destination_is_answered(home: Home) -> None:
    asked = query(destination=None)
    assert texts(home.post(envelope(asked)), asked) == AFFILIATION


def tampered(asked: AttributeQuery) -> bytes:
    return envelope(asked).replace(b'"_q1"', b'"_q1" Consent="urn:x"', 1)


REFUSED: list[tuple[str, Callable[[], bytes], str]] = [
    ("unsigned", lambda: envelope(query(), None), "signature.missing"),
    ("signed by another key", lambda: envelope(query(), LAB_SIGNER), "signature.wrong"),
    ("changed after signing", lambda: tampered(query()), "signature.wrong"),
    ("from nobody in metadata", lambda: envelope(query(issuer="https://stranger.example")), "aa.requester_unknown"),
    ("from expired metadata", lambda: envelope(query(issuer=OLD)), "aa.requester_unknown"),
    ("in the name of another", lambda: envelope(query(issuer=LAB)), "signature.wrong"),
    ("for another address", lambda: envelope(query(destination=URL)), "saml.destination"),
    ("too old", lambda: envelope(query(issue_instant=NOW - timedelta(minutes=8, seconds=1))), "saml.too_old"),
    ("too new", lambda: envelope(query(issue_instant=NOW + timedelta(minutes=3, seconds=1))), "saml.from_the_future"),
]


@pytest.mark.parametrize(("make", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_query_that_is_not_proven_fresh_and_ours_is_refused(home: Home, make: Callable[[], bytes], code: str) -> None:
    answer = home.post(make())
    assert answer.status_code == 400
    assert code in home.stream.getvalue()
    assert re.search(r"[0-9A-F]{4}-[0-9A-F]{4}", answer.text)
    assert "member" not in answer.text
    [(person, facts)] = home.recorded("attributes.refused")
    assert (person, facts["code"], set(facts)) == (None, code, {"code", "claimed"})
    assert home.recorded() == []
    assert home.post(envelope(query())).status_code == 200


@pytest.mark.parametrize(
    "age", [timedelta(minutes=8), timedelta(minutes=-3), timedelta(0)], ids=["old", "early", "now"]
)
def test_a_query_at_the_edge_of_time_is_answered(home: Home, age: timedelta) -> None:
    asked = query(issue_instant=NOW - age)
    assert texts(home.post(envelope(asked)), asked) == AFFILIATION


def test_a_query_is_answered_once_for_as_long_as_it_is_fresh(home: Home) -> None:
    body = envelope(query())
    assert home.post(body).status_code == 200
    assert home.post(body).status_code == 400
    home.at = NOW + timedelta(minutes=7, seconds=59)
    assert home.post(body).status_code == 400
    assert "aa.query_replayed" in home.stream.getvalue()
    assert home.recorded("attributes.refused") == [(None, {"code": "aa.query_replayed", "claimed": LIBRARY})] * 2
    assert len(home.recorded()) == 1


def test_two_requesters_may_use_the_same_id(home: Home) -> None:
    asked = query(issuer=LAB, name_id=NameId(handle(LAB), names.TRANSIENT))
    assert home.post(envelope(query())).status_code == 200
    assert home.post(envelope(asked, LAB_SIGNER)).status_code == 200


def body_of(text: str) -> bytes:
    return f'<e:Envelope xmlns:e="{names.SOAP11}">{text}</e:Envelope>'.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        body_of(""),
        body_of("<e:Body/>"),
        body_of("<e:Body><a/><b/></e:Body>"),
        body_of(f'<e:Body><q:AttributeQuery xmlns:q="{names.SAMLP}"/></e:Body>'),
        body_of('<e:Header><a e:mustUnderstand="1"/></e:Header><e:Body/>'),
    ],
)
def test_a_broken_envelope_gets_a_soap_fault(home: Home, body: bytes) -> None:
    answer = home.post(body)
    assert answer.status_code == 500
    assert answer.content_type == "text/xml; charset=utf-8"
    assert b"Fault" in answer.data
    assert b"soap11:Client" in answer.data
    assert b"Traceback" not in answer.data
    assert home.recorded() == []


def test_another_message_than_a_query_is_told_that_it_is_not_supported(home: Home) -> None:
    element = query().to_xml()
    authn = element.makeelement(f"{{{names.SAMLP}}}AuthnRequest", dict(element.attrib), nsmap=element.nsmap)
    authn.append(element[0])
    sign(authn, LIBRARY_SIGNER)
    answer = home.post(encode_soap(authn))
    assert answer.status_code == 200
    assert f'<samlp:StatusCode Value="{names.REQUESTER}"><samlp:StatusCode Value="{names.REQUEST_UNSUPPORTED}"/>' in (
        answer.text
    )
    assert [facts["code"] for _, facts in home.recorded("attributes.refused")] == ["saml.other_message"]
    assert home.recorded() == []


def test_only_posted_soap_is_taken(home: Home) -> None:
    assert home.post(envelope(query()), "application/x-www-form-urlencoded").status_code == 400
    assert home.app.test_client().get("/saml/attribute-query", base_url=URL).status_code == 405
    assert home.post(b" " * 262_145).status_code == 413
    assert home.post(envelope(query())).status_code == 200


UNKNOWN: list[tuple[str, NameId]] = [
    ("another requester's", NameId(handle(LAB), names.TRANSIENT, HOME, LIBRARY)),
    ("expired", NameId(handle(expires=NOW), names.TRANSIENT, HOME, LIBRARY)),
    ("forged", NameId(handle()[:-2] + "AA", names.TRANSIENT, HOME, LIBRARY)),
    (
        "another key's",
        NameId(mint(HandleKey(b"x" * 32), principal="p1", requester=LIBRARY, expires=NOW), names.TRANSIENT),
    ),
    ("no handle", NameId("ada", names.TRANSIENT, HOME, LIBRARY)),
    ("of nobody", NameId(handle(principal="p9"), names.TRANSIENT, HOME, LIBRARY)),
    ("another authority's", NameId(handle(authority=1), names.TRANSIENT, HOME, LIBRARY)),
    ("persistent", NameId(handle(), names.PERSISTENT, HOME, LIBRARY)),
    ("another home's", NameId(handle(), names.TRANSIENT, "https://other.example", LIBRARY)),
    ("another's in words", NameId(handle(), names.TRANSIENT, HOME, LAB)),
]


def without_what_always_differs(body: bytes) -> str:
    text = re.sub(r"_[0-9a-f]{40}", "ID", body.decode())
    return re.sub(r"(<ds:(DigestValue|SignatureValue)>)[^<]+", r"\1", text)


def test_all_unusable_handles_get_the_same_answer_and_nothing_else(home: Home) -> None:
    answers = {
        name: home.post(envelope(query(id=f"_{n:040x}", name_id=name_id))) for n, (name, name_id) in enumerate(UNKNOWN)
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert len({without_what_always_differs(answer.data) for answer in answers.values()}) == 1
    assert len({len(answer.data) for answer in answers.values()}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers.values()}) == 1
    text = answers["forged"].text
    assert f'<samlp:StatusCode Value="{names.REQUESTER}"><samlp:StatusCode Value="{names.UNKNOWN_PRINCIPAL}"/>' in text
    assert "Assertion " not in text
    assert home.recorded() == []
    with pytest.raises(Denied):
        accepted(answers["expired"], query(id=f"_{1:040x}"))
    recorded = [facts for _, facts in home.recorded("attributes.refused")]
    codes = {"handle.other_requester", "handle.expired", "handle.forged", "aa.name_id", "aa.unknown_principal"}
    assert {facts["code"] for facts in recorded} == {*codes, "aa.no_such_authority"}
    assert [facts["query"] for facts in recorded] == [f"_{n:040x}" for n in range(len(UNKNOWN))]


def test_a_person_who_was_disabled_is_unknown_from_then_on(home: Home) -> None:
    assert texts(home.post(envelope(query())), query()) == AFFILIATION
    home.active.clear()
    with pytest.raises(Denied):
        accepted(home.post(envelope(query(id="_q2"))), query(id="_q2"))


def test_a_source_that_does_not_answer_is_a_responder_status(home: Home) -> None:
    home.database_answers = False
    answer = home.post(envelope(query()))
    assert answer.status_code == 200
    assert f'<samlp:StatusCode Value="{names.RESPONDER}"/>' in answer.text
    assert home.recorded() == []
    assert [facts["code"] for _, facts in home.recorded("attributes.refused")] == ["storage.unavailable"]


def test_what_cannot_be_recorded_does_not_leave(home: Home) -> None:
    with home.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_event RENAME TO gone")
    answer = home.post(envelope(query()))
    assert b"member" not in answer.data
    assert f'<samlp:StatusCode Value="{names.RESPONDER}"/>' in answer.text


def test_the_published_role_names_the_endpoint_that_answers(home: Home) -> None:
    role = aa_role(home.settings, KeyRing(HOME_SIGNER, (EntityKey(HOME_SIGNER.public, "signing"),)), ["uni.example"])
    assert [(endpoint.binding, endpoint.location) for endpoint in role.attribute_services] == [(names.SOAP, LOCATION)]
    assert role.scopes == (Scope("uni.example"),)
    assert role.signing_keys() == (HOME_SIGNER.public,)


def found_ids(element: Element) -> list[str]:
    return [identifier for node in element.iter() if (identifier := node.get("ID"))]


def test_each_answer_has_ids_of_its_own(home: Home) -> None:
    first = found_ids(decode_soap(home.post(envelope(query())).data))
    second = found_ids(decode_soap(home.post(envelope(query(id="_q2"))).data))
    assert len({*first, *second}) == 4
