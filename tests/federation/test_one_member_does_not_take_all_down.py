"""A member of a federation publishes oddities: its entity is left out and reported, everybody else is read."""

from datetime import UTC, datetime, timedelta

import pytest

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.model import Endpoint, Entity, SpRole
from ostiary.federation.publish.documents import signed_aggregate
from ostiary.federation.read import read_signed_metadata
from ostiary.saml import names
from tests.saml.world import signer

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
GOOD = Entity(
    "https://good.example/sp",
    sp=SpRole(assertion_consumers=(Endpoint(names.HTTP_POST, "https://good.example/acs", index=0),)),
)
ROLE = (
    '<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"{role}>{inside}'
    '<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{acs}" index="0"/>'
    "</md:SPSSODescriptor>"
)
INFO = '<mdui:UIInfo xmlns:mdui="urn:oasis:names:tc:SAML:metadata:ui"><mdui:DisplayName xml:lang="en">x</mdui:DisplayName></mdui:UIInfo>'
DISCOVERY = (
    '<idpdisc:DiscoveryResponse xmlns:idpdisc="urn:oasis:names:tc:SAML:profiles:SSO:idp-discovery-protocol" '
    'Binding="urn:oasis:names:tc:SAML:profiles:SSO:idp-discovery-protocol" Location="https://odd.example/d" index="{index}"/>'
)


def odd(*, acs: str = "https://odd.example/acs", role: str = "", extensions: str = "", entity: str = "") -> Entity:
    inside = f"<md:Extensions>{extensions}</md:Extensions>" if extensions else ""
    source = (
        f'<md:EntityDescriptor xmlns:md="{names.MD}" entityID="https://odd.example/sp"{entity}>'
        + ROLE.format(role=role, inside=inside, acs=acs)
        + "</md:EntityDescriptor>"
    )
    return Entity("https://odd.example/sp", source=source.encode())


def read(*entities: Entity) -> tuple[set[str], list[tuple[str, str]]]:
    """(entityIDs that were read, (entityID, code) of those that were left out)."""
    key = signer("rsa", "federation")
    document = signed_aggregate(entities, key, name="https://f.example", valid_until=NOW + timedelta(days=1))
    left: list[tuple[str, str]] = []

    def leave_out(entity_id: str, problem: OstiaryError) -> None:
        left.append((entity_id, problem.code))

    found = read_signed_metadata(document, [key.public], now=NOW, leave_out=leave_out)
    return {entity.entity_id for entity in found}, left


@pytest.mark.parametrize(
    ("member", "code"),
    [
        (odd(acs="http://odd.example/acs"), "metadata.endpoint"),
        (odd(acs="javascript:alert(1)"), "metadata.endpoint"),
        (odd(role=' validUntil="2030-01-01T00:00:00"'), "xml.instant"),
        (odd(role=' validUntil="2030-01-01T00:00:00+02:00"'), "xml.instant"),
        (odd(extensions=INFO + INFO), "xml.repeated_element"),
        (odd(entity=' cacheDuration="soon"'), "xml.schema"),
    ],
)
def test_an_entity_that_can_not_be_read_is_left_out_and_reported(member: Entity, code: str) -> None:
    assert read(GOOD, member) == ({"https://good.example/sp"}, [("https://odd.example/sp", code)])
    key = signer("rsa", "federation")
    document = signed_aggregate([GOOD, member], key, name="https://f.example", valid_until=NOW + timedelta(days=1))
    with pytest.raises(Refusal) as refused:
        read_signed_metadata(document, [key.public], now=NOW)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "member",
    [
        odd(),
        odd(extensions="<x:x xmlns:x='urn:x'>" + "<x:y>" * 60 + "</x:y>" * 60 + "</x:x>"),
        odd(extensions="<x:x xmlns:x='urn:x' " + " ".join(f"a{n}='1'" for n in range(150)) + "/>"),
        odd(extensions=DISCOVERY.format(index="7")),
        odd(extensions=DISCOVERY.format(index="abc")),
        odd(extensions=DISCOVERY.format(index="99999")),
    ],
    ids=["plain", "deep", "many attributes", "discovery", "no index", "index too large"],
)
def test_what_is_only_unusual_is_read(member: Entity) -> None:
    assert read(GOOD, member) == ({"https://good.example/sp", "https://odd.example/sp"}, [])


def test_members_may_use_the_same_id_because_nothing_refers_to_it() -> None:
    extensions = "<x:x xmlns:x='urn:x' Id='k1'/>"
    other = Entity(
        "https://other.example/sp", source=odd(extensions=extensions).source.replace(b"odd.example", b"other.example")
    )
    assert read(odd(extensions=extensions), other) == ({"https://odd.example/sp", "https://other.example/sp"}, [])


def test_a_second_element_with_the_id_of_the_signed_root_is_refused() -> None:
    key = signer("rsa", "federation")
    document = signed_aggregate([GOOD], key, name="https://f.example", valid_until=NOW + timedelta(days=1))
    identifier = document.partition(b'ID="')[2].partition(b'"')[0]
    doubled = document.replace(b"<md:SPSSODescriptor ", b'<md:SPSSODescriptor ID="' + identifier + b'" ')
    with pytest.raises(Refusal) as refused:
        read_signed_metadata(doubled, [key.public], now=NOW)
    assert refused.value.code == "signature.duplicate_id"
