"""What is decided the short way for nearly every entity is decided as on the long way."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.errors import Refusal
from ostiary.federation.model import Display, LocalizedText, Logo
from ostiary.federation.read import read_entity, read_stored_entity
from ostiary.federation.shown_text import shown_text
from ostiary.saml import names
from ostiary.saml.xml import parse_stored

_ENTITY = (
    '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:x="urn:x" entityID="https://sp.example/?id=1"{root}>'
    "<md:Extensions><x:part{part}>{text}</x:part></md:Extensions><md:SPSSODescriptor"
    ' protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
    '<md:AssertionConsumerService index="1" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://sp.example/acs"/>'
    "</md:SPSSODescriptor></md:EntityDescriptor>"
)


@pytest.mark.parametrize("name", ["ID", "Id", "id", "AssertionID", "RequestID", "ResponseID", "xml:id"])
def test_no_kind_of_id_stays_in_the_source(name: str) -> None:
    stored = _ENTITY.format(root="", part=f' {name}="_1"', text="kept").encode()
    source = read_stored_entity(stored, None).source
    assert b'"_1"' not in source
    assert b">kept</x:part>" in source


def test_the_id_of_the_descriptor_does_not_stay_in_the_source() -> None:
    stored = _ENTITY.format(root=' ID="_1"', part="", text="kept").encode()
    assert b"_1" not in read_stored_entity(stored, None).source


def test_what_only_looks_like_an_id_stays() -> None:
    stored = _ENTITY.format(root="", part=' publicationId="_1" y="id=&quot;2&quot;"', text='ID="3" Signature').encode()
    source = read_stored_entity(stored, None).source
    assert etree.canonicalize(source.decode()) == etree.canonicalize(stored.decode())


@settings(max_examples=50)
@given(
    st.text(alphabet=st.sampled_from("ab \t\n\u00a0\u200b\u200d\u202eé大"), max_size=12) | st.text(max_size=12),
    st.integers(min_value=2, max_value=8),
)
def test_a_text_is_shown_as_it_is_after_a_blank_which_is_never_the_short_way(text: str, longest: int) -> None:
    assert shown_text(text, longest) == shown_text(f" {text}", longest)


def test_what_people_are_shown_is_read_late_and_is_the_same() -> None:
    info = (
        f'<mdui:UIInfo xmlns:mdui="{names.MDUI}"><mdui:DisplayName xml:lang="en">Name</mdui:DisplayName>'
        '<mdui:Logo width="80" height="60">https://a.example/logo.png</mdui:Logo></mdui:UIInfo>'
        f'<mdui:DiscoHints xmlns:mdui="{names.MDUI}"><mdui:DomainHint>a.example</mdui:DomainHint></mdui:DiscoHints>'
    )
    octets = descriptor_with(info)
    late, at_once = read_stored_entity(octets, None), read_entity(parse_stored(octets), None, source=octets)
    assert (late, hash(late)) == (at_once, hash(at_once))
    assert late.idp is not None
    assert late.idp.display == Display(
        names=(LocalizedText("Name", "en"),),
        logos=(Logo("https://a.example/logo.png", 80, 60),),
        domain_hints=("a.example",),
    )
    assert dataclasses.replace(late.idp.display, logos=()).domain_hints == ("a.example",)
    assert isinstance(late.idp.display, Display)
    assert late.name("de") == "Name"


def test_a_second_name_of_a_role_is_refused_at_once_all_the_same() -> None:
    twice = f'<mdui:UIInfo xmlns:mdui="{names.MDUI}"/>' * 2
    with pytest.raises(Refusal) as refused:
        read_stored_entity(descriptor_with(twice), None)
    assert refused.value.code == "xml.repeated_element"
    assert read_stored_entity(descriptor_with(""), None).idp is not None


def descriptor_with(extensions: str) -> bytes:
    return (
        f'<md:EntityDescriptor xmlns:md="{names.MD}" entityID="https://a.example/idp">'
        f'<md:IDPSSODescriptor protocolSupportEnumeration="{names.SAMLP}"><md:Extensions>{extensions}<x:y xmlns:x="urn:x"/></md:Extensions>'
        f'<md:SingleSignOnService Binding="{names.HTTP_POST}" Location="https://a.example/sso"/>'
        "</md:IDPSSODescriptor></md:EntityDescriptor>"
    ).encode()
