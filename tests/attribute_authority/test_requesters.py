"""What the release policies learn about a requester from its metadata."""

from attribute_authority.requesters import requester_of
from ostiary.federation.model import Endpoint, Entity, SpRole
from ostiary.saml import names


def test_the_origins_of_a_requester_are_those_of_its_registered_endpoints() -> None:
    role = SpRole(
        assertion_consumers=(
            Endpoint(names.HTTP_POST, "https://Library.example:443/acs", index=0),
            Endpoint(names.HTTP_POST, "https://maps.library.example:8443/acs", index=1),
            Endpoint(names.HTTP_POST, "http://127.0.0.1:8001/acs", index=2),
        ),
        discovery_responses=(Endpoint(names.IDPDISC, "https://search.library.example/login?x=1", index=0),),
    )
    assert requester_of(Entity("https://library.example/shar", sp=role)).origins == {
        ("https", "library.example", 443),
        ("https", "maps.library.example", 8443),
        ("http", "127.0.0.1", 8001),
        ("https", "search.library.example", 443),
    }


def test_neither_an_entity_id_nor_an_unreadable_location_gives_an_origin() -> None:
    role = SpRole(
        assertion_consumers=(
            Endpoint(names.HTTP_POST, "https://other.example@library.example/acs", index=0),
            Endpoint(names.HTTP_POST, "urn:example:acs", index=1),
        )
    )
    assert requester_of(Entity("https://library.example/shar", sp=role)).origins == frozenset()
    assert requester_of(Entity("https://library.example/shar")).origins == frozenset()
