"""The parser's limits and refusals, each beside a document that passes."""

import re
import socket
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.errors import Refusal, TooLarge
from ostiary.saml import names
from ostiary.saml.xml import (
    METADATA,
    Limits,
    add,
    child,
    make,
    parse_xml,
    read_boolean,
    read_instant,
    required_child,
    text_of,
    to_bytes,
    write_instant,
)

SMALL = Limits(max_bytes=2_000, max_depth=4, max_elements=10, max_attributes=3)


def code_of(data: bytes, limits: Limits = SMALL) -> str:
    try:
        parse_xml(data, limits)
    except Refusal as refusal:
        return refusal.code
    return "accepted"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<r>" + b"x" * 1_993 + b"</r>", "accepted"),
        (b"<r>" + b"x" * 1_994 + b"</r>", "xml.too_large"),
        (b"<a><a><a><a/></a></a></a>", "accepted"),
        (b"<a><a><a><a><a/></a></a></a></a>", "xml.too_deep"),
        (b"<r>" + b"<x/>" * 9 + b"</r>", "accepted"),
        (b"<r>" + b"<x/>" * 10 + b"</r>", "xml.too_many_elements"),
        (b"<r><x a='' b='' c=''/></r>", "accepted"),
        (b"<r><x a='' b='' c='' d=''/></r>", "xml.too_many_attributes"),
    ],
)
def test_each_limit_is_exact(data: bytes, code: str) -> None:
    assert code_of(data) == code


def test_the_limits_of_a_message_answer_413() -> None:
    with pytest.raises(TooLarge) as raised:
        parse_xml(b"<r>" + b"x" * 262_140 + b"</r>")
    assert raised.value.status == 413
    assert raised.value.expected == "at most 262144 bytes"


def test_nesting_beyond_what_libxml2_takes_is_refused_and_not_a_crash() -> None:
    assert code_of(b"<a>" * 9_000 + b"</a>" * 9_000, Limits(max_bytes=100_000)) == "xml.not_well_formed"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"text",
        b"<r>",
        b"<r></s>",
        b"<r/><r/>",
        b"<r a='1' a='2'/>",
        b"<p:r/>",
        b"<r>&undefined;</r>",
        b"\x00",
        b"<r>\x01</r>",
        b"<r>&#0;</r>",
    ],
)
def test_what_is_not_well_formed_is_refused(data: bytes) -> None:
    assert code_of(data) in ("xml.not_well_formed", "xml.encoding")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("<r>é</r>".encode(), "accepted"),
        ("<?xml version='1.0' encoding='UTF-8'?><r>é</r>".encode(), "accepted"),
        ("<?xml version='1.0' encoding='utf-8' standalone='yes'?><r>é</r>".encode(), "accepted"),
        ("\ufeff<r>é</r>".encode(), "accepted"),
        (b"<?xml version='1.0' encoding='us-ascii'?><r>e</r>", "accepted"),
        ("<r>é</r>".encode("utf-16"), "xml.encoding"),
        ("<r>é</r>".encode("utf-16-le"), "xml.encoding"),
        ("<r>é</r>".encode("utf-16-be"), "xml.encoding"),
        ("<r>é</r>".encode("utf-32"), "xml.encoding"),
        ("<r>é</r>".encode("utf-32-be"), "xml.encoding"),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><r>é</r>".encode(), "xml.encoding"),
        ('<?xml version="1.0" encoding = "windows-1252"?><r>é</r>'.encode(), "xml.encoding"),
        (b"<?xml version='1.0' encoding='UTF-7'?><r>+AOk-</r>", "xml.encoding"),
        (b"<?xml version='1.0' encoding='UTF-16'?><r>e</r>", "xml.encoding"),
        (b"<?xml version='1.0'" + b" " * 300 + b"encoding='ISO-8859-1'?><r>e</r>", "xml.encoding"),
        (b"<?xml version='1.0'\nencoding='EBCDIC-CP-US'?><r>e</r>", "xml.encoding"),
        ("<r>é</r>".encode("latin-1"), "xml.not_well_formed"),
        (b"<r>\xc0\xbc</r>", "xml.not_well_formed"),
    ],
)
def test_only_utf_8_is_read(data: bytes, code: str) -> None:
    assert code_of(data) == code


BEGINNINGS = [b"<", b"a", b"Z", b"?", b"!", b"\x00", b"<?xml version='1.0'", b" encoding='latin-1'", b"?>", b"/>", b" "]
MARKS = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<", b"<r>\xc3\xa9</r>", b"<r/>"]


@given(st.lists(st.sampled_from(BEGINNINGS + MARKS), max_size=6).map(b"".join))
def test_a_document_that_begins_with_a_tag_says_nothing_else_of_its_encoding(data: bytes) -> None:
    found = code_of(data)
    with mock.patch("ostiary.saml.xml._BEGINS_WITH_A_TAG", re.compile(b"(?!)")):
        assert code_of(data) == found


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE r><r/>",
        b"<!DOCTYPE r [<!ENTITY e 'x'>]><r>&e;</r>",
        b"<!DOCTYPE r SYSTEM 'http://127.0.0.1/r.dtd'><r/>",
        b"<!DOCTYPE r PUBLIC '-//X//Y' 'file:///etc/passwd'><r/>",
        b"<!DOCTYPE r [<!ENTITY % p SYSTEM 'file:///etc/passwd'>%p;]><r/>",
        b"<!DOCTYPE r [<!ATTLIST r ID ID #IMPLIED>]><r ID='a'/>",
        b"<?xml version='1.0'?>\n<!-- first --><!DOCTYPE r><r/>",
        b"<?xml version='1.0' encoding='utf-8'?><!DOCTYPE\nr\n[]><r/>",
        b"\xef\xbb\xbf<!DOCTYPE r><r/>",
    ],
)
@pytest.mark.parametrize("limits", [SMALL, METADATA], ids=["message", "metadata"])
def test_a_document_type_is_refused_in_every_disguise(data: bytes, limits: Limits) -> None:
    assert code_of(data, limits) == "xml.doctype"


def test_a_document_type_in_another_case_is_no_xml() -> None:
    assert code_of(b"<!doctype r><r/>") == "xml.not_well_formed"


@pytest.mark.parametrize(
    "data",
    [
        *(b"<?x y?><r/>", b"<r/><?x y?>", b"<r><?x y?></r>", b"<r><a>v<?x y?>w</a></r>"),
        *(b"<?xml version='1.0'?><?x y?><r/>", b"<?xml\tversion='1.0'?><r/><?x?>", b"<?xml-stylesheet href='x'?><r/>"),
        b"\xef\xbb\xbf<?x y?><r/>",
    ],
)
def test_a_processing_instruction_is_refused_in_a_message_and_kept_in_metadata(data: bytes) -> None:
    assert code_of(data) == "xml.processing_instruction"
    assert parse_xml(data, METADATA).tag == "r"


@pytest.mark.parametrize(
    "data",
    [
        b"<r>al<!-- -->ma</r>",
        b"<!-- a --><r>alma</r><!-- b -->",
        b"<r><!-- -->alma</r>",
        b"<r>al<![CDATA[ma]]></r>",
        b"<r>\n al&#109;a </r>",
    ],
)
def test_a_comment_never_breaks_a_value_in_two(data: bytes) -> None:
    assert text_of(parse_xml(data)) == "alma"


def test_nothing_is_fetched_for_a_schema_location_or_an_inclusion() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        parse_xml(
            f"<r xmlns:xsi='{names.XSI}' xsi:schemaLocation='urn:x {url}'>"
            f"<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='{url}'/></r>".encode()
        )
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_child_that_may_stand_once_is_refused_when_it_stands_twice() -> None:
    root = parse_xml(f"<r xmlns='{names.SAML}'><Issuer>a</Issuer></r>".encode())
    issuer = child(root, names.SAML, "Issuer")
    assert issuer is not None
    assert text_of(issuer) == "a"
    assert child(root, names.SAML, "Subject") is None
    with pytest.raises(Refusal, match=r"xml\.missing_element"):
        required_child(root, names.SAML, "Subject")
    with pytest.raises(Refusal, match=r"xml\.repeated_element"):
        child(
            parse_xml(f"<r xmlns='{names.SAML}'><Issuer>a</Issuer><Issuer>b</Issuer></r>".encode()),
            names.SAML,
            "Issuer",
        )


def test_an_element_where_text_is_expected_is_refused() -> None:
    with pytest.raises(Refusal, match=r"xml\.unexpected_element"):
        text_of(parse_xml(b"<r>alma<x/>.evil</r>"))


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-22T12:00:00Z", datetime(2026, 11, 22, 12, tzinfo=UTC)),
        ("2026-11-22T12:00:00.5Z", datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-22T12:00:00.123456789Z", datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read(text: str, instant: datetime) -> None:
    assert read_instant(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T12:00:00",
        "2026-11-22T12:00:00+00:00",
        "2026-11-22T12:00:00+01:00",
        "2026-11-22T12:00:00z",
        "2026-11-22 12:00:00Z",
        "2026-11-22T12:00:00.Z",
        "2026-11-22T12:00:00.1234567890Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T12:00:60Z",
        "2026-02-30T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "12026-11-22T12:00:00Z",
        "-2026-11-22T12:00:00Z",
        "2026-11-22T12:00:00Z\n",
        "٢٠٢٦-11-22T12:00:00Z",
    ],
)
def test_what_is_no_utc_instant_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as raised:
        read_instant(text)
    assert raised.value.code == "xml.instant"


@given(st.datetimes(timezones=st.just(UTC)))
@settings(max_examples=100, deadline=None)
def test_an_instant_survives_writing_and_reading_to_the_millisecond(at: datetime) -> None:
    whole = at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert read_instant(write_instant(at)) == whole


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    zone = datetime.fromisoformat("2026-11-22T13:00:00+01:00")
    assert write_instant(zone) == "2026-11-22T12:00:00.000Z"
    assert zone.utcoffset() == timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "value"), [(None, None), ("true", True), ("1", True), ("false", False), (" 0 ", False)]
)
def test_a_boolean_is_read(text: str | None, value: bool | None) -> None:
    assert read_boolean(text) is value


@pytest.mark.parametrize("text", ["", "True", "TRUE", "yes", "2"])
def test_what_is_no_boolean_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match=r"xml\.boolean"):
        read_boolean(text)


@pytest.mark.parametrize("text", ["a\x00b", "a\x0bb", "a\ufffeb"])
def test_text_that_xml_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as raised:
        add(make(names.SAML, "Issuer"), names.SAML, "NameID", text)
    assert raised.value.code == "xml.unwritable"


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")))
@settings(max_examples=100, deadline=None)
def test_any_text_survives_writing_and_parsing(text: str) -> None:
    element = make(names.SAML, "Issuer")
    element.text = text
    assert (parse_xml(to_bytes(element)).text or "") == text


ELEMENTS = ["<a>", "</a>", "<a/>", "<a b='' c='' d=''/>", "<a b='' c='' d='' e=''>"]
OTHERS = [
    "<?x y?>",
    "<!-- <?x?> </ == -->",
    "<![CDATA[<?x?><a></a><!== ]]>",
    "&lt;",
    "&#38;",
    "&x;",
    "= = = =",
    "x='<'",
]
PIECES = st.sampled_from([*ELEMENTS, *OTHERS, "<!DOCTYPE a>"])


def what_the_tree_says(data: bytes) -> str:
    """The limits of `SMALL`, each counted in the tree of ``data``, in the order in which they are looked at."""
    root = etree.fromstring(data, etree.XMLParser(remove_comments=True, resolve_entities=False, encoding="utf-8"))
    elements = list(root.iter(etree.Element))
    beside = [*root.itersiblings(), *root.itersiblings(preceding=True), *root.iter(etree.PI)]
    found = {
        "xml.processing_instruction": any(isinstance(node, etree._ProcessingInstruction) for node in beside),
        "xml.doctype": next(root.iter(etree.Entity), None) is not None,
        "xml.too_deep": max(len(list(one.iterancestors())) + 1 for one in elements) > SMALL.max_depth,
        "xml.too_many_elements": len(elements) > SMALL.max_elements,
        "xml.too_many_attributes": max(len(one.attrib) for one in elements) > SMALL.max_attributes,
    }
    return next((code for code, exceeded in found.items() if exceeded), "accepted")


@given(
    st.lists(PIECES, max_size=14), st.sampled_from(["", "<?xml version='1.0'?>", "<?x?>", "\ufeff"]), st.integers(0, 5)
)
@settings(max_examples=500, deadline=None)
def test_no_limit_is_missed_by_what_the_octets_tell(pieces: list[str], start: str, depth: int) -> None:
    data = f"{start}{'<a>' * depth}<r>{''.join(pieces)}</r>{'</a>' * depth}".encode()
    try:
        expected = what_the_tree_says(data)
    except etree.XMLSyntaxError:
        expected = "xml.not_well_formed"
    if b"<!DOCTYPE" in data:
        expected = "xml.doctype"
    assert code_of(data) == expected


def test_one_message_leaves_nothing_to_the_next() -> None:
    for _ in range(3):
        assert code_of(b"<r><x></r>") == "xml.not_well_formed"
        assert text_of(parse_xml("<r xml:id='a'>é</r>".encode())) == "é"
        assert code_of(b"<r>\xff</r>") == "xml.not_well_formed"
        assert parse_xml(b"<p:r xmlns:p='urn:p'/>").nsmap == {"p": "urn:p"}
        assert code_of(b"<p:r/>") == "xml.not_well_formed"


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_no_octets_do_anything_but_parse_or_be_refused(data: bytes) -> None:
    try:
        root = parse_xml(b"<r>" + data + b"</r>")
    except Refusal:
        return
    assert root.tag == "r"
    assert all(isinstance(node.tag, str) for node in root.iter(etree.Element))
