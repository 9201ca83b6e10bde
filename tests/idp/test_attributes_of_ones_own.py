"""What a resource requires by the URI of an attribute that no standard names is required, whatever name it has at home."""

import pytest

from idp.consent.offer import offered_by, required_by
from ostiary.attributes import Value
from ostiary.federation.model import AttributeConsumingService, Endpoint, Entity, RequestedAttribute, SpRole
from ostiary.policy.release import ReleaseDecision, Verdict
from ostiary.ports import Release
from ostiary.saml import names

SHOES = "https://uni.example/shoe-size"


@pytest.mark.parametrize(("asked", "required"), [(SHOES, True), ("https://uni.example/hat-size", False)])
def test_an_attribute_is_required_by_the_uri_that_it_has_on_the_wire(asked: str, required: bool) -> None:
    acs = Endpoint(names.HTTP_POST, "https://sp.example/acs", index=0)
    service = AttributeConsumingService(0, (), (RequestedAttribute(asked, required=True),))
    sp = Entity("https://sp.example", sp=SpRole(assertion_consumers=(acs,), attribute_consuming=(service,)))
    verdict = Verdict("shoeSize", Value("37"), False, "", "no rule", "withheld")
    release = Release((), ReleaseDecision((), (verdict,)), wire_names={SHOES: "shoeSize"})
    (offered,) = offered_by(release, required_by(sp).at(None))
    assert (offered.attribute.name, offered.required) == ("shoeSize", required)
