"""Which assertion of a response is looked at: one in its place, and no second one anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.protocol import sole_assertion
from ostiary.saml.xml import Element, qname

RESPONSE = qname(names.SAMLP, "Response")
ASSERTION = qname(names.SAML, "Assertion")
ENCRYPTED = qname(names.SAML, "EncryptedAssertion")
ADVICE = qname(names.SAML, "Advice")

Shape = tuple[str, "list[Shape]"]
shapes: st.SearchStrategy[Shape] = st.recursive(
    st.tuples(st.sampled_from([ASSERTION, ENCRYPTED, ADVICE]), st.just([])),
    lambda inner: st.tuples(st.sampled_from([ASSERTION, ADVICE, RESPONSE]), st.lists(inner, max_size=2)),
    max_leaves=4,
)


def tree(parent: Element, shapes: list[Shape]) -> None:
    for tag, inner in shapes:
        tree(etree.SubElement(parent, tag), inner)


def expected(response: Element) -> str | Element | None:
    """As the rule says it: all of them are the one below the response, or stand in it."""
    children = list(response)
    if ENCRYPTED in [child.tag for child in children]:
        return "saml.encrypted"
    own = [child for child in children if child.tag == ASSERTION]
    everywhere = list(response.getroottree().getroot().iter(ASSERTION, ENCRYPTED))
    if len(own) > 1 or any(not own or own[0] not in (one, *one.iterancestors()) for one in everywhere):
        return "saml.several_assertions"
    return own[0] if own else None


@given(st.lists(shapes, max_size=2), st.lists(shapes, max_size=3))
def test_the_one_assertion_of_a_response_is_found_or_refused(around: list[Shape], inside: list[Shape]) -> None:
    root = etree.Element("root")
    tree(root, around)
    response = etree.SubElement(root, RESPONSE)
    tree(response, inside)
    try:
        found: str | Element | None = sole_assertion(response)
    except Refusal as refusal:
        found = refusal.code
    assert found == expected(response)


@pytest.mark.parametrize("tag", [ASSERTION, ENCRYPTED])
def test_an_assertion_beside_the_response_is_not_its_own(tag: str) -> None:
    root = etree.Element("root")
    etree.SubElement(root, tag)
    with pytest.raises(Refusal, match="several_assertions"):
        sole_assertion(etree.SubElement(root, RESPONSE))
