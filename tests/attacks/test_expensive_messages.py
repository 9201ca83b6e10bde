"""Messages that cost much: refused by what they weigh, before anything is computed. Found in a review: exclusive c14n costs elements times
namespace declarations in scope times prefixes, so that 160 kB could keep a worker busy for a quarter of a minute."""

import pytest

from ostiary.errors import Refusal, TooLarge
from ostiary.saml import names
from ostiary.saml.signature import sign, verify_element
from ostiary.saml.xml import parse_xml, qname, to_bytes
from tests.saml.world import signer


def test_a_message_with_a_flood_of_namespaces_is_refused_before_it_is_parsed() -> None:
    def message(declarations: int) -> bytes:
        flood = " ".join(f'xmlns:p{number}="urn:x"' for number in range(declarations - 1))
        return f'<r xmlns="urn:r" {flood}><not closed'.encode()

    with pytest.raises(TooLarge) as refused:
        parse_xml(message(201))
    assert refused.value.code == "xml.too_many_namespaces"
    with pytest.raises(Refusal) as parsed:
        parse_xml(message(200))
    assert parsed.value.code == "xml.not_well_formed"


@pytest.mark.parametrize(
    "declared",
    [
        f'xmlns:p="urn:x:{"a" * 100_000}"',
        f"xmlns:p='urn:x:{'a' * 100_000}'",
        " ".join(f'xmlns:p{n or ""} = "urn:x:{"a" * 1_000}"' for n in range(100)),
    ],
    ids=["one long name", "in other quotes", "many prefixes of one name"],
)
def test_a_message_whose_canonical_form_would_be_gigabytes_is_refused(declared: str) -> None:
    """Each element that uses a prefix declares it again there: 230 kB become 980 MB."""
    with pytest.raises(TooLarge) as refused:
        parse_xml(f"<r {declared}>{'<p:a/>' * 4_000}</r>".encode())
    assert refused.value.code == "xml.too_many_namespaces"


def test_a_large_message_that_declares_what_others_declare_is_read() -> None:
    value = f'<v xmlns:xsi="{names.XSI}" xmlns:xs="{names.XS}" xsi:type="xs:string">{"text " * 20}</v>'
    assert len(parse_xml(f'<r xmlns="urn:r">{value * 90}{"<v/>" * 4_000}</r>'.encode())) == 4_090


@pytest.mark.parametrize(("prefixes", "outcome"), [(16, "signature.wrong"), (17, "signature.structure")])
def test_a_long_list_of_prefixes_is_refused_before_the_digest(prefixes: int, outcome: str) -> None:
    root = parse_xml(f'<samlp:Response xmlns:samlp="{names.SAMLP}" ID="_r"/>'.encode())
    sign(root, signer("rsa", "idp"))
    transform = root[0][0][2][0][1]
    inclusive = transform.makeelement(qname(names.EC, "InclusiveNamespaces"))
    inclusive.set("PrefixList", " ".join(f"p{number}" for number in range(prefixes)))
    transform.append(inclusive)
    with pytest.raises(Refusal) as refused:
        verify_element(parse_xml(to_bytes(root)), [signer("rsa", "idp").public])
    assert refused.value.code == outcome
