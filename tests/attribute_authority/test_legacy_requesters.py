"""A requester whose software signs with SHA-1 is answered only where the configuration names it."""

from datetime import UTC, datetime

import pytest

from attribute_authority.queries.soap import QueryEndpoint, prove_sender
from ostiary.errors import Refusal
from ostiary.federation.model import Entity, EntityKey, SpRole
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.protocol import AttributeQuery
from ostiary.saml.xml import parse_xml, to_bytes
from tests.saml.legacy import sign_with_sha1
from tests.saml.world import signer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OLD = "https://old.example/shibboleth"
OTHER = "https://other.example/shibboleth"
HERE = "https://home.example/saml/attribute-query"


def outcome(issuer: str, *named: str) -> str:
    keys = (EntityKey(signer().public, "signing"),)
    registry = Registry([Entity(entity_id, sp=SpRole(keys=keys)) for entity_id in (OLD, OTHER)])
    query = AttributeQuery(
        id="_q", issuer=issuer, issue_instant=NOW, name_id=NameId("handle", names.TRANSIENT), destination=HERE
    ).to_xml()
    sign_with_sha1(query, signer())
    endpoint = QueryEndpoint(
        "https://home.example/idp", (HERE,), (HandleKey(b"k" * 32),), allow_sha1_from_legacy_partners=frozenset(named)
    )
    try:
        return prove_sender(parse_xml(to_bytes(query)), None, endpoint, registry, NOW).requester
    except Refusal as error:
        return error.code


@pytest.mark.parametrize(
    ("issuer", "named", "expected"),
    [
        (OLD, (), "signature.algorithm"),
        (OLD, (OLD,), OLD),
        (OTHER, (OLD,), "signature.algorithm"),
    ],
)
def test_a_query_with_sha1_is_for_named_partners(issuer: str, named: tuple[str, ...], expected: str) -> None:
    assert outcome(issuer, *named) == expected
