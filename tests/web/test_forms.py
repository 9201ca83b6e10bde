"""Strict, bounded parsing of queries and form bodies; each refusal beside its accepted twin."""

from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import Refusal, TooLarge
from ostiary.web.forms import FormLimits, one, optional, parse_form, parse_query, raw_value


def test_a_query_is_decoded_and_keeps_its_octets() -> None:
    fields = parse_query(b"SAMLRequest=a%2Bb%2f&RelayState=x+y")
    assert one(fields, "SAMLRequest") == "a+b/"
    assert one(fields, "RelayState") == "x y"
    assert raw_value(fields, "SAMLRequest") == b"a%2Bb%2f"
    assert raw_value(fields, "SigAlg") is None
    assert fields.raw == b"SAMLRequest=a%2Bb%2f&RelayState=x+y"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"", "http.parameter_missing"),
        (b"SAMLResponse=", "http.parameter_missing"),
        (b"samlresponse=x", "http.parameter_missing"),
        (b"SAMLResponse=x&SAMLResponse=x", "http.parameter_repeated"),
        (b"SAMLResponse=x&SAML%52esponse=y", "http.parameter_repeated"),
        (b"SAMLResponse=12345678901", "http.parameter_too_long"),
    ],
)
def test_a_required_parameter_stands_there_exactly_once(query: bytes, code: str) -> None:
    assert one(parse_query(b"SAMLResponse=1234567890"), "SAMLResponse", max_length=10) == "1234567890"
    with pytest.raises(Refusal) as caught:
        one(parse_query(query), "SAMLResponse", max_length=10)
    assert (caught.value.code, caught.value.params["name"]) == (code, "SAMLResponse")


def test_an_optional_parameter_may_be_absent_but_not_doubled() -> None:
    assert optional(parse_query(b"a=1"), "b") is None
    assert optional(parse_query(b"b="), "b") == ""
    with pytest.raises(Refusal, match=r"http\.parameter_repeated"):
        optional(parse_query(b"b=1&b=2"), "b")
    with pytest.raises(Refusal, match=r"http\.parameter_repeated"):
        raw_value(parse_query(b"b=1&b=2"), "b")


@pytest.mark.parametrize(
    "query", [b"a=%", b"a=%1", b"a=%zz", b"a=%ff", b"a=%c3%28", b"a=\xff", b"a=%00", b"%00=a", b"a=%ed%a0%80"]
)
def test_what_is_not_percent_encoded_utf8_is_refused(query: bytes) -> None:
    assert one(parse_query(b"a=%C3%A9"), "a") == "é"
    with pytest.raises(Refusal, match=r"http\.encoding"):
        parse_query(query)


def test_the_number_of_parameters_is_bounded() -> None:
    limits = FormLimits(fields=3)
    assert len(parse_query(b"a=1&b=2&c=3", limits).fields) == 3
    with pytest.raises(Refusal, match=r"http\.too_many_parameters"):
        parse_query(b"a=1&b=2&c=3&d=4", limits)
    with pytest.raises(Refusal, match=r"http\.too_many_parameters"):
        parse_query(b"&".join([b"a"] * 10_000), limits)


def test_the_total_size_is_bounded_before_decoding() -> None:
    limits = FormLimits(total=10)
    assert one(parse_query(b"a=12345678", limits), "a") == "12345678"
    with pytest.raises(TooLarge, match=r"http\.too_large"):
        parse_query(b"a=123456789", limits)


def test_only_an_html_form_is_read_as_a_form() -> None:
    kind = "application/x-www-form-urlencoded; charset=UTF-8"
    assert one(parse_form(kind, b"a=1"), "a") == "1"
    for other in (None, "", "multipart/form-data; boundary=x", "application/json", "text/plain"):
        with pytest.raises(Refusal, match=r"http\.content_type"):
            parse_form(other, b"a=1")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=10), st.text(max_size=20)), max_size=8))
def test_what_a_browser_encodes_is_decoded_to_the_same(pairs: list[tuple[str, str]]) -> None:
    clean = [(name.replace("\0", "0"), value.replace("\0", "0")) for name, value in pairs]
    query = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in clean).encode()
    assert [(field.name, field.value) for field in parse_query(query)] == clean


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_octets_are_parsed_or_refused_and_nothing_else(octets: bytes) -> None:
    accepted = True
    try:
        fields = parse_query(octets)
    except Refusal as refusal:
        accepted = False
        code = refusal.code
    assert fields.raw == octets if accepted else code in ("http.encoding", "http.too_many_parameters")
