"""The attribute query from the SHAR with a handle that is not its own, expired or forged: it gets nothing, and can't tell why."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import pytest

from ostiary.command.demo.people import NORTHGATE, SOUTHBANK, DemoHome
from ostiary.errors import Denied
from ostiary.federation.registry import Registry
from ostiary.federation.sources.files import MetadataFile, load_registry
from ostiary.handle import HandleKey, mint
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.protocol import AttributeQuery, new_id
from ostiary.saml.signature import sign
from ostiary.saml.validate import Timing, verify_response
from sp_shire.shar.query import Shar
from tests.browser import Answer
from tests.flows.forging import signer_of, take_apart
from tests.simulator import START, Simulation, home_of

LIBRARY = "https://library.example/shar"
INSTRUMENT = "https://instrument.example/shar"
UNKNOWN_PRINCIPAL = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal"
REQUESTER = "urn:oasis:names:tc:SAML:2.0:status:Requester"


@dataclass(frozen=True)
class Federation:
    """What a resource can do: hold handles, and ask."""

    simulation: Simulation

    def name_id(self, resource: str, username: str) -> NameId:
        """The subject of a real Response."""
        page = self.simulation.to_response(self.simulation.browser(), resource, username)
        found = take_apart(self.simulation, page, home_of(username)[0]).assertion.name_id
        assert found is not None
        return found

    def minted(self, home: DemoHome, **content: object) -> str:
        """A handle made with the home's own key."""
        key = HandleKey((self.simulation.layout.directory(home.key) / "handle.key").read_bytes())
        defaults = {"principal": self.principal("alice"), "requester": LIBRARY, "expires": START + timedelta(hours=1)}
        return mint(key, **{**defaults, **content})  # type: ignore[arg-type]

    def principal(self, username: str) -> str:
        with self.simulation.directory(home_of(username)[0]) as directory:
            person = directory.find(username)
        assert person is not None
        return person.principal

    def ask(self, name_id: NameId, *, resource: str = "library", home: DemoHome = NORTHGATE) -> Answer:
        """The answer as it comes over the wire."""
        query = AttributeQuery(
            id=new_id(),
            issuer={"library": LIBRARY, "instrument": INSTRUMENT}[resource],
            issue_instant=self.simulation.clock.now(),
            name_id=name_id,
            destination=self.location(home),
        )
        element = query.to_xml()
        sign(element, signer_of(self.simulation, resource))
        return self.simulation.transport.send(
            "POST", self.location(home), {"Content-Type": "text/xml"}, encode_soap(element)
        )

    def location(self, home: DemoHome) -> str:
        role = self.registry().aa(home.entity_id, self.simulation.clock.now())
        assert role is not None
        return role.attribute_services[0].location

    def registry(self) -> Registry:
        layout = self.simulation.layout
        source = MetadataFile(layout.aggregate, (layout.federation_certificate,))
        return load_registry([source], now=self.simulation.clock.now())


@pytest.fixture
def asked(federation: Simulation) -> Federation:
    return Federation(federation)


def handle(value: str, *, home: DemoHome = NORTHGATE, requester: str | None = None) -> NameId:
    return NameId(value, names.TRANSIENT, home.entity_id, requester)


def flipped(value: str, position: int) -> str:
    """One bit of one character's six, so that it is still base64url."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = alphabet[alphabet.index(value[position]) ^ 0b000001]
    return value[:position] + changed + value[position + 1 :]


def left_over(answer: Answer) -> bytes:
    """The octets without what is random or told by the clock: IDs, what they answer, instants, digests and signatures."""
    body = re.sub(rb'((?:ID|InResponseTo|IssueInstant)=)"[^"]*"', rb'\1""', answer.body)
    body = re.sub(rb'URI="#[^"]*"', b'URI=""', body)
    return re.sub(rb"<ds:(DigestValue|SignatureValue)>[^<]*<", rb"<ds:\1><", body)


def status_of(asked: Federation, answer: Answer, home: DemoHome = NORTHGATE) -> tuple[str, str | None, bool]:
    proven = verify_response(decode_soap(answer.body), [signer_of(asked.simulation, home.key).public])
    return proven.envelope.status.code, proven.envelope.status.detail, proven.assertion is not None


def test_a_handle_of_one_s_own_tells_what_the_policy_releases(asked: Federation) -> None:
    """The twin of everything below."""
    answer = asked.ask(asked.name_id("library", "alice"))
    assert answer.status == 200
    assert status_of(asked, answer) == (names.SUCCESS, None, True)
    assert b"member@northgate.example" in answer.body
    assert b"Alice" not in answer.body


HANDLES: dict[str, Callable[[Federation], NameId]] = {
    "of another requester": lambda asked: asked.name_id("instrument", "alice")._replace(sp_name_qualifier=None),
    "of another requester, as its own": lambda asked: asked.name_id("instrument", "alice")._replace(
        sp_name_qualifier=LIBRARY
    ),
    "of another requester, as it came": lambda asked: asked.name_id("instrument", "alice"),
    "expired a second ago": lambda asked: handle(asked.minted(NORTHGATE, expires=START - timedelta(seconds=1))),
    "expires now": lambda asked: handle(asked.minted(NORTHGATE, expires=START)),
    "of another home": lambda asked: asked.name_id("library", "dora")._replace(name_qualifier=NORTHGATE.entity_id),
    "of another home, as it came": lambda asked: asked.name_id("library", "dora"),
    "of nobody": lambda asked: handle(asked.minted(NORTHGATE, principal="0" * 32)),
    "of somebody of the other home": lambda asked: handle(asked.minted(NORTHGATE, principal=asked.principal("dora"))),
    "of another authority of the same home": lambda asked: handle(asked.minted(NORTHGATE, authority=1)),
    "of a stranger's key": lambda asked: handle(
        mint(HandleKey(bytes(32)), principal="0" * 32, requester=LIBRARY, expires=START + timedelta(hours=1))
    ),
    "no handle at all": lambda asked: handle("alice"),
    "empty": lambda asked: handle(" "),
    "a whole book": lambda asked: handle("A" * 5000),
    "of another format": lambda asked: asked.name_id("library", "alice")._replace(format=names.UNSPECIFIED_NAMEID),
    "cut": lambda asked: handle(asked.name_id("library", "alice").value[:-1]),
    "longer": lambda asked: handle(asked.name_id("library", "alice").value + "A"),
}
# Version, key id, nonce, the sealed content and its tag.
for _position in (0, 3, 6, 9, 25, 60, 120, 140, -20, -2):
    HANDLES[f"a bit flipped at {_position}"] = lambda asked, at=_position: handle(  # type: ignore[misc]
        flipped(value := asked.name_id("library", "alice").value, at % len(value))
    )


@pytest.mark.parametrize("kind", HANDLES, ids=lambda kind: kind.replace(" ", "_"))
def test_a_handle_that_is_not_the_requester_s_own_gets_nothing(asked: Federation, kind: str) -> None:
    answer = asked.ask(HANDLES[kind](asked))
    assert answer.status == 200
    assert status_of(asked, answer) == (REQUESTER, UNKNOWN_PRINCIPAL, False)
    for secret in (b'northgate.example"', b"member", b"alice", b"Alice", b"handle", b"expired", b"forged"):
        assert secret not in answer.body.replace(b"https://northgate.example/idp", b"")


def test_the_answers_to_bad_handles_can_not_be_told_apart(asked: Federation) -> None:
    answers = {kind: asked.ask(make(asked)) for kind, make in HANDLES.items()}
    assert {kind: sha256(left_over(answer)).hexdigest() for kind, answer in answers.items()} == dict.fromkeys(
        HANDLES, sha256(left_over(answers["no handle at all"])).hexdigest()
    )
    assert len({len(answer.body) for answer in answers.values()}) == 1
    assert len({tuple(sorted(answer.headers)) for answer in answers.values()}) == 1


def test_somebody_disabled_is_answered_like_nobody(simulation: Simulation) -> None:
    asked = Federation(simulation)
    name_id = asked.name_id("library", "alice")
    before = asked.ask(name_id)
    simulation.disable("alice")
    after = asked.ask(name_id)
    assert status_of(asked, before) == (names.SUCCESS, None, True)
    assert left_over(after) == left_over(asked.ask(handle("no handle at all")))


def test_a_real_handle_is_answered_like_none_once_it_has_expired(simulation: Simulation) -> None:
    asked = Federation(simulation)
    name_id = asked.name_id("library", "alice")
    simulation.clock.forward(hours=3, minutes=59, seconds=59)
    assert status_of(asked, asked.ask(name_id)) == (names.SUCCESS, None, True)
    simulation.clock.forward(seconds=1)
    assert left_over(asked.ask(name_id)) == left_over(asked.ask(handle("no handle at all")))


def test_the_log_of_the_authority_tells_what_the_answer_does_not(asked: Federation) -> None:
    expected = {
        "of another requester": "handle.other_requester",
        "expired a second ago": "handle.expired",
        "a bit flipped at 60": "handle.forged",
        "of another home": "handle.forged",
        "of nobody": "aa.unknown_principal",
    }
    for kind, code in expected.items():
        asked.ask(HANDLES[kind](asked))
        assert asked.simulation.events("attribute_query_failed")[-1]["code"] == code


def shar_of(asked: Federation, resource: str) -> Shar:
    entity_id = {"library": LIBRARY, "instrument": INSTRUMENT}[resource]
    return Shar(entity_id, signer_of(asked.simulation, resource), asked.simulation.soap, Timing())


@pytest.mark.parametrize(
    "kind", ["of another requester", "expired a second ago", "a bit flipped at 60", "of another home", "of nobody"]
)
def test_the_shar_itself_gets_nothing_for_a_bad_handle(asked: Federation, kind: str) -> None:
    role = asked.registry().aa(NORTHGATE.entity_id, START)
    assert role is not None
    shar = shar_of(asked, "library")
    with pytest.raises(Denied) as refused:
        shar.ask(NORTHGATE.entity_id, role, HANDLES[kind](asked), START)
    assert (refused.value.code, refused.value.params["status"]) == ("saml.status", "UnknownPrincipal")
    own = shar.ask(NORTHGATE.entity_id, role, asked.name_id("library", "alice"), START).attributes
    assert [attribute.name for attribute in own] == ["eduPersonScopedAffiliation"]


def test_two_resources_can_not_find_out_that_they_know_the_same_person(asked: Federation) -> None:
    """Each hands its handle to the other: neither learns whether it is one person."""
    same = asked.ask(asked.name_id("instrument", "alice")._replace(sp_name_qualifier=None))
    other = asked.ask(asked.name_id("instrument", "bob")._replace(sp_name_qualifier=None))
    assert left_over(same) == left_over(other)


def test_a_query_in_the_name_of_another_resource_is_refused(asked: Federation) -> None:
    name_id = asked.name_id("instrument", "alice")
    query = AttributeQuery(new_id(), INSTRUMENT, START, name_id, destination=asked.location(NORTHGATE)).to_xml()
    sign(query, signer_of(asked.simulation, "library"))
    answer = asked.simulation.transport.send(
        "POST", asked.location(NORTHGATE), {"Content-Type": "text/xml"}, encode_soap(query)
    )
    assert answer.status == 400
    assert b"signature.wrong" not in answer.body
    assert asked.simulation.events("refused", service="northgate-aa")[-1]["code"] == "signature.wrong"
    assert status_of(asked, asked.ask(name_id, resource="instrument")) == (names.SUCCESS, None, True)


def test_a_handle_of_one_home_opens_at_that_home_only(asked: Federation) -> None:
    name_id = asked.name_id("library", "dora")
    answer = asked.ask(name_id, home=SOUTHBANK)
    assert status_of(asked, answer, SOUTHBANK) == (names.SUCCESS, None, True)
    assert status_of(asked, asked.ask(name_id)) == (REQUESTER, UNKNOWN_PRINCIPAL, False)
