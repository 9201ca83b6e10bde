"""A registry with an entity of the organisation's own, which stands in no metadata."""

from datetime import UTC, datetime

from ostiary.federation.model import Endpoint, Entity, SpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PAGES = "https://aa.uni.example/pages"


def resource(entity_id: str, host: str) -> Entity:
    consumer = Endpoint(names.HTTP_POST, f"https://{host}/acs", index=0)
    return Entity(entity_id, sp=SpRole(assertion_consumers=(consumer,)))


OTHER, OWN = resource("https://library.example/shar", "library.example"), resource(PAGES, "aa.uni.example")


def test_it_is_found_by_its_name_and_stands_in_no_list() -> None:
    registry = Registry([OTHER]).with_unlisted(OWN)
    assert registry.get(PAGES, NOW) == OWN
    assert list(registry.all(NOW)) == [OTHER]


def test_nobody_takes_its_place_by_metadata_under_its_name() -> None:
    registry = Registry([resource(PAGES, "evil.example"), OTHER]).with_unlisted(OWN)
    assert registry.get(PAGES, NOW) == OWN
    assert list(registry.all(NOW)) == [OTHER]
