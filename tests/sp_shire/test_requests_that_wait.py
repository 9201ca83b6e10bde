"""AuthnRequests that wait at the resource behind an artifact: the home organisation that each is for fetches it, once, within two
minutes."""

from collections.abc import Callable
from typing import Any

import pytest

from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.saml.artifact import ArtifactResolve, ArtifactResponse, carried, new_artifact
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import AuthnRequest, new_id
from ostiary.saml.signature import sign, verify_element
from ostiary.saml.soap import decode_soap, encode_soap
from ostiary.saml.xml import Element
from sp_shire.applications import domains_of
from sp_shire.login.artifacts import ArtifactIssuer
from sp_shire.messages import Reply
from tests.flows.forging import signer_of
from tests.simulator import START
from tests.sp_shire.conftest import Core, header

LIBRARY = "https://library.example/shar"
LOCATION = "http://127.0.0.1:20005/ostiary/artifact"


def waiting(core: Core, recipient: str = NORTHGATE.entity_id) -> str:
    """An artifact behind which a signed AuthnRequest waits."""
    element = AuthnRequest("_the_request", LIBRARY, START).to_xml()
    sign(element, signer_of(core.federation, "library"))
    return ArtifactIssuer(core.settings, core.stores.logins).issue(element, recipient, core.clock.now())


def asked(
    core: Core, artifact: str, *, home: Any = NORTHGATE, by: Signer | None = None, signed: bool = True, **changes: Any
) -> Reply:
    fields = {"issuer": home.entity_id, "issue_instant": core.clock.now(), "destination": LOCATION, **changes}
    element = ArtifactResolve(new_id(), artifact=artifact, **fields).to_xml()
    if signed:
        sign(element, by or signer_of(core.federation, home.key))
    return sent(core, encode_soap(element))


def sent(core: Core, body: bytes, content_type: str = "text/xml; charset=utf-8") -> Reply:
    reply = core.ask("/ostiary/artifact", method="POST", body=body, content_type=content_type, accept="*/*")
    if not isinstance(reply, Reply):
        raise TypeError("the application was reached")
    return reply


def fetched(core: Core, reply: Reply) -> Element | None:
    """The message in the answer, which is signed with the resource's key."""
    if reply.status != 200:
        raise AssertionError(f"no answer: {core.log_lines()[-1]}")
    proof = verify_element(decode_soap(reply.body), [signer_of(core.federation, "library").public])
    answer = ArtifactResponse.from_proof(proof)
    if answer.issuer != LIBRARY or answer.in_response_to is None:
        raise AssertionError(str(answer))
    inside = carried(proof)
    return inside.element if inside is not None else None


def test_the_home_that_it_is_for_fetches_it_once_with_its_own_signature(core: Core) -> None:
    artifact = waiting(core)
    reply = asked(core, artifact)
    assert header(reply, "Cache-Control") == "no-cache, no-store, must-revalidate, private"
    message = fetched(core, reply)
    assert message is not None
    verify_element(message, [signer_of(core.federation, "library").public])
    assert message.get("ID") == "_the_request"
    assert fetched(core, asked(core, artifact)) is None


def test_another_home_gets_nothing_and_takes_nothing_away(core: Core) -> None:
    artifact = waiting(core)
    assert fetched(core, asked(core, artifact, home=SOUTHBANK)) is None
    assert fetched(core, asked(core, artifact)) is not None


def test_what_waits_for_an_application_domain_is_fetched_at_the_one_address_of_the_entity(
    make_core: Callable[..., Core],
) -> None:
    """Metadata names one ArtifactResolutionService, whichever part of the resource began the login."""
    core = make_core(applications=({"name": "maps", "path": "/library/maps"},))
    [domain] = domains_of(core.settings)
    element = AuthnRequest("_of_the_maps", LIBRARY, START).to_xml()
    artifact = ArtifactIssuer(domain, core.stores.logins).issue(element, NORTHGATE.entity_id, core.clock.now())
    message = fetched(core, asked(core, artifact))
    assert message is not None
    assert message.get("ID") == "_of_the_maps"


def test_it_waits_two_minutes(make_core: Callable[..., Core]) -> None:
    core = make_core()
    in_time, too_late = waiting(core), waiting(core)
    core.clock.forward(minutes=1, seconds=59)
    assert fetched(core, asked(core, in_time)) is not None
    core.clock.forward(seconds=1)
    assert fetched(core, asked(core, too_late)) is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"signed": False}, "signature.missing"),
        ({"by": SOUTHBANK.key}, "signature.wrong"),
        ({"issuer": SOUTHBANK.entity_id}, "signature.wrong"),
        ({"issuer": "https://nobody.example"}, "sp.unknown_idp"),
        ({"issuer": "https://instrument.example/shar"}, "sp.unknown_idp"),
        ({"destination": "http://127.0.0.1:20005/ostiary/acs"}, "saml.destination"),
        ({"issue_instant": START.replace(hour=8)}, "saml.too_old"),
        ({"issue_instant": START.replace(minute=4)}, "saml.from_the_future"),
    ],
    ids=["unsigned", "other_key", "other_home", "unknown", "resource", "destination", "old", "future"],
)
def test_who_does_not_prove_that_it_asks_is_refused(core: Core, changes: dict[str, Any], code: str) -> None:
    artifact = waiting(core)
    if "by" in changes:
        changes = {"by": signer_of(core.federation, changes["by"])}
    reply = asked(core, artifact, **changes)
    assert (reply.status, core.log_lines()[-1]["code"]) == (400, code)
    assert fetched(core, asked(core, artifact)) is not None


def test_an_artifact_of_somebody_else_or_none_at_all_is_refused(core: Core) -> None:
    for artifact, code in (
        (str(new_artifact(NORTHGATE.entity_id, 0)), "artifact.other_issuer"),
        ("AAQ", "artifact.form"),
    ):
        reply = asked(core, artifact)
        assert (reply.status, core.log_lines()[-1]["code"]) == (400, code)
    assert fetched(core, asked(core, str(new_artifact(LIBRARY, 0)))) is None


def test_a_message_of_another_kind_or_none_is_refused(core: Core) -> None:
    element = AuthnRequest(new_id(), NORTHGATE.entity_id, START).to_xml()
    sign(element, signer_of(core.federation, NORTHGATE.key))
    assert sent(core, encode_soap(element)).status == 400
    assert core.log_lines()[-1]["code"] == "saml.other_message"
    fault = sent(core, b"<html/>")
    assert (fault.status, header(fault, "Content-Type")) == (500, "text/xml; charset=utf-8")
    assert sent(core, b"a=b", "application/x-www-form-urlencoded").status == 400
    assert core.log_lines()[-1]["code"] == "sp.soap_content_type"


def test_a_flood_from_one_address_pushes_out_its_own_and_nobody_else_s(
    make_core: Callable[..., Core], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sp_shire.login.artifacts.WAITING_AT_MOST", 20_000)
    core = make_core()
    issuer = ArtifactIssuer(core.settings, core.stores.logins)
    element = AuthnRequest("_the_request", LIBRARY, START).to_xml()

    def issued(remote: str) -> str:
        return issuer.issue(element, NORTHGATE.entity_id, core.clock.now(), remote=remote)

    hers = issued("198.51.100.1")
    flood = [issued("192.0.2.1") for _ in range(100)]
    assert fetched(core, asked(core, hers)) is not None
    assert fetched(core, asked(core, flood[0])) is None
    assert fetched(core, asked(core, flood[-1])) is not None
    assert len(core.stores.logins) < 30  # type: ignore[arg-type]
