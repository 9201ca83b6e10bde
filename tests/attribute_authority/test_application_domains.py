"""For which application domain a query is: what it says itself, or where the requester's assertion consumer services lie."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from ostiary.federation.model import AaRole, Endpoint, Entity, EntityKey, SpRole
from ostiary.federation.registry import Registry
from ostiary.policy.release.application_domain import domain_of_consumer, domain_of_consumers
from ostiary.saml import names
from ostiary.saml.bindings import encode_soap
from ostiary.saml.protocol import AttributeQuery
from ostiary.saml.signature import sign
from ostiary.saml.validate import DEFAULT_TIMING
from ostiary.saml.xml import Element, qname
from sp_shire.shar.query import Shar
from sp_shire.shar.transport import HttpSoapTransport
from tests.attribute_authority.query_home import (
    HANDLE,
    HOME,
    HOME_SIGNER,
    LIBRARY,
    LIBRARY_SIGNER,
    NOW,
    Home,
    prepared,
    query,
    texts,
)

POLICIES = """
policies:
  - id: maps
    for: {requesters: https://library.example/shar}
    target: https://library.example/maps
    rules: [{id: who, permit: eduPersonScopedAffiliation}]
  - id: sheets
    for: {requesters: https://library.example/shar}
    target: https://library.example/sheets
    rules: [{id: name, permit: displayName}]
"""
WHO = {"eduPersonScopedAffiliation": ("member@uni.example", "staff@uni.example")}
NAME = {"displayName": ("Ada",)}
ROOT_CONSUMER = "https://library.example/acs"
MAPS, SHEETS = "https://library.example/maps/7", "https://library.example/sheets/9?page=2"
MakeHome = Callable[..., Home]


@pytest.fixture
def make_home(tmp_path: Path) -> Iterator[MakeHome]:
    engine = prepared(tmp_path)

    def make(*consumers: str, binding: str = names.HTTP_POST) -> Home:
        acs = tuple(Endpoint(binding, url, index=number) for number, url in enumerate(consumers))
        role = SpRole(keys=(EntityKey(LIBRARY_SIGNER.public, "signing"),), assertion_consumers=acs)
        return Home(tmp_path, engine, Registry([Entity(LIBRARY, sp=role)]), policy_text=POLICIES)

    yield make
    engine.dispose()


@contextlib.contextmanager
def over_http(tmp_path: Path) -> Iterator[tuple[Home, str]]:
    """An authority that listens on loopback, and where."""
    engine = prepared(tmp_path)
    role = SpRole(
        keys=(EntityKey(LIBRARY_SIGNER.public, "signing"),),
        assertion_consumers=(Endpoint(names.HTTP_POST, ROOT_CONSUMER, index=0),),
    )
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=False)
    url = f"http://127.0.0.1:{server.port}"
    home = Home(tmp_path, engine, Registry([Entity(LIBRARY, sp=role)]), policy_text=POLICIES, public_url=url)
    server.app = home.app
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield home, f"{url}/saml/attribute-query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        engine.dispose()


def extended(asked: AttributeQuery, resource: str) -> bytes:
    """A query with the one of SAML 1.1 in its Extensions, signed."""
    element = asked.to_xml()
    extensions = element.find(qname(names.SAMLP, "Extensions"))
    if extensions is None:
        extensions = element.makeelement(qname(names.SAMLP, "Extensions"), {}, nsmap=element.nsmap)
        element.insert(1, extensions)
    extensions.append(_of_saml1(extensions, resource))
    sign(element, LIBRARY_SIGNER)
    return encode_soap(element)


def _of_saml1(parent: Element, resource: str) -> Element:
    return parent.makeelement(qname(names.SAML1P, "AttributeQuery"), {"Resource": resource})


def outcome(home: Home, body: bytes, asked: AttributeQuery) -> dict[str, tuple[str, ...]]:
    return texts(home.post(body), asked)


def posted(home: Home, asked: AttributeQuery) -> dict[str, tuple[str, ...]]:
    element = asked.to_xml()
    sign(element, LIBRARY_SIGNER)
    return outcome(home, encode_soap(element), asked)


def test_one_resource_with_two_application_domains_gets_two_answers(make_home: MakeHome) -> None:
    home = make_home(ROOT_CONSUMER)
    assert posted(home, query(target=MAPS)) == WHO
    assert posted(home, query(id="_q2", target=SHEETS)) == NAME
    assert posted(home, query(id="_q3", target="https://library.example/")) == {}
    assert posted(home, query(id="_q4")) == {}


def test_our_own_shar_gets_two_answers_for_its_two_application_domains_over_http(tmp_path: Path) -> None:
    with over_http(tmp_path) as (home, location):
        transport = HttpSoapTransport(timedelta(seconds=10))
        role = AaRole(
            keys=(EntityKey(HOME_SIGNER.public, "signing"),), attribute_services=(Endpoint(names.SOAP, location),)
        )
        shar = Shar(LIBRARY, LIBRARY_SIGNER, transport, DEFAULT_TIMING)
        told = {
            target: {found.name: found.texts() for found in shar.ask(HOME, role, HANDLE, NOW, target=target).attributes}
            for target in (MAPS, SHEETS, None)
        }
        transport.close()
    assert told == {MAPS: WHO, SHEETS: NAME, None: {}}
    assert [facts["rules"] for _, facts in home.recorded()] == [["maps/who"], ["sheets/name"], []]


def test_the_resource_of_a_saml1_query_counts_where_our_own_extension_is_not_there(make_home: MakeHome) -> None:
    home = make_home(ROOT_CONSUMER)
    plain, both = query(), query(id="_q2", target=SHEETS)
    assert outcome(home, extended(plain, MAPS), plain) == WHO
    assert outcome(home, extended(both, MAPS), both) == NAME
    foreign = query(id="_q3")
    assert outcome(home, extended(foreign, "https://elsewhere.example/maps/"), foreign) == {}


def test_saml2_has_no_place_for_the_resource_on_the_query_itself(make_home: MakeHome) -> None:
    element = query().to_xml()
    element.set("Resource", MAPS)
    sign(element, LIBRARY_SIGNER)
    answer = make_home(ROOT_CONSUMER).post(encode_soap(element))
    assert answer.status_code == 500
    assert b"Fault" in answer.data


@pytest.mark.parametrize(
    ("consumers", "expected"),
    [
        (["https://library.example/maps/acs"], WHO),
        (["https://library.example/maps/saml/post", "https://library.example/maps/saml/artifact"], WHO),
        (["https://library.example/sheets/acs"], NAME),
        (["https://library.example/maps/acs", "https://library.example/sheets/acs"], {}),
        (["https://library.example/maps/acs", "https://maps.example/maps/acs"], {}),
        (["https://library.example/mapsheets/acs"], {}),
        (["https://library.example/maps/%2e%2e/acs"], {}),
    ],
)
def test_without_a_target_the_consumers_stand_for_the_domain_if_they_lie_side_by_side(
    make_home: MakeHome, consumers: list[str], expected: dict[str, tuple[str, ...]]
) -> None:
    assert posted(make_home(*consumers), query()) == expected


def test_a_consumer_of_another_protocol_stands_for_nothing(make_home: MakeHome) -> None:
    home = make_home("https://library.example/maps/acs", binding="urn:oasis:names:tc:SAML:1.0:profiles:browser-post")
    assert posted(home, query()) == {}


def test_what_is_recorded_says_which_query_it_was(make_home: MakeHome) -> None:
    home = make_home(ROOT_CONSUMER)
    posted(home, query(target=MAPS))
    posted(home, query()._replace(id="_q2"))
    assert [(facts["query"], facts["rules"]) for _, facts in home.recorded()] == [("_q1", ["maps/who"]), ("_q2", [])]


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ([], None),
        (["https://a.example/x/acs"], "https://a.example/x/acs"),
        (["https://a.example/x/acs?one", "https://a.example:443/x/two"], "https://a.example/x/acs?one"),
        (["https://a.example/x/acs", "http://a.example/x/acs"], None),
        (["https://a.example/x//acs"], None),
        (["urn:nothing"], None),
    ],
)
def test_consumers_lie_side_by_side_or_say_nothing(urls: list[str], expected: str | None) -> None:
    assert domain_of_consumers(urls) == expected
    assert [domain_of_consumer(url) for url in urls[:1]] == (
        [expected] if len(urls) == 1 else [urls[0]] if urls else []
    )
