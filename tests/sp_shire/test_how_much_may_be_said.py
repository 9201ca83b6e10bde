"""What a home organisation says about a person is bounded wherever it comes in: bytes, elements, depth, attributes, values; what is
within the bounds and odd does no harm."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote_plus

import pytest
from lxml import etree

from ostiary.attributes import Attribute, Attributes, make_attribute
from ostiary.saml import names
from ostiary.saml.bindings import encode_post
from ostiary.saml.signature import sign
from ostiary.saml.xml import Element, qname, to_bytes
from sp_shire.messages import MAXIMUM_BODY, Passage, Reply
from tests.flows.forging import Message
from tests.sp_shire.answering import FORM, answered, finish, logged_in, post
from tests.sp_shire.conftest import Core, cookie_of

MEMBER = make_attribute("eduPersonScopedAffiliation", ["member@northgate.example"])


@dataclass(frozen=True)
class Said:
    core: Core
    cookie: str
    message: Message

    def with_attributes(self, *attributes: Attribute) -> str:
        return self.message.with_assertion(attributes=attributes).encoded()

    def refusal(self, encoded: str) -> tuple[int, str]:
        started = time.perf_counter()
        reply = post(self.core, encoded)
        if time.perf_counter() - started > 2:
            raise AssertionError("took too long")
        if not isinstance(reply, Reply):
            raise TypeError("the application was reached")
        return reply.status, str(self.core.log_lines()[-1]["code"])

    def passage(self, *attributes: Attribute) -> Passage:
        done = finish(self.core, post(self.core, self.with_attributes(*attributes)), self.cookie)
        page = self.core.ask("/library/", cookie=cookie_of(done))
        if not isinstance(page, Passage):
            raise AssertionError(f"not let in: {self.core.log_lines()[-1]}")
        return page

    def session(self) -> bytes:
        done = finish(self.core, post(self.core, self.message.encoded()), self.cookie)
        shown = self.core.ask("/ostiary/session", query=b"format=json", cookie=cookie_of(done))
        if not isinstance(shown, Reply):
            raise TypeError("the application was reached")
        return shown.body


@pytest.fixture
def said(core: Core) -> Said:
    return Said(core, *answered(core))


def numbered(count: int) -> Attributes:
    return tuple(make_attribute(f"urn:x:{number}", ["v"]) for number in range(count))


def test_a_value_of_a_megabyte_is_refused_before_it_is_read(said: Said) -> None:
    assert said.refusal(said.with_attributes(make_attribute("displayName", ["x" * 1_000_000]))) == (
        413,
        "http.too_large",
    )


def test_a_message_of_more_than_a_quarter_of_a_megabyte_is_refused_before_it_is_parsed(said: Said) -> None:
    assert said.refusal(said.with_attributes(make_attribute("displayName", ["x" * 260_000]))) == (413, "xml.too_large")


def test_a_body_longer_than_any_form_is_refused(said: Said) -> None:
    for path, kind in (("/ostiary/acs", FORM), ("/ostiary/acs/artifact", FORM), ("/ostiary/acs/paos", "x/y")):
        reply = said.core.ask(path, method="POST", body=b"a=" + b"x" * MAXIMUM_BODY, content_type=kind)
        assert isinstance(reply, Reply)
        assert reply.status in (400, 413)


def test_ten_thousand_attributes_are_refused(said: Said) -> None:
    assert said.refusal(said.with_attributes(*numbered(10_000)))[0] == 413
    element = said.message.assertion_element(signed=False)
    short = etree.SubElement(element, qname(names.SAML, "AttributeStatement"))
    for number in range(2_001):
        holder = etree.SubElement(short, qname(names.SAML, "Attribute"), Name=f"a{number}")
        etree.SubElement(holder, qname(names.SAML, "AttributeValue")).text = "v"
    sign(element, said.message.signer)
    assert said.refusal(encode_post(said.message.around(element))) == (400, "saml.attribute_limits")


def bounded(make_core: Callable[..., Core], **largest: int) -> Core:
    plain = make_core()
    return make_core(sessions={**plain.settings.sessions.model_dump(), "largest": largest})


@pytest.mark.parametrize(
    ("largest", "too_much", "just_fits", "found"),
    [
        ({"attributes": 3}, numbered(3), numbered(2), "4 attributes"),
        (
            {"values": 4},
            (make_attribute("eduPersonEntitlement", ["urn:a", "urn:b", "urn:c", "urn:d"]),),
            (make_attribute("eduPersonEntitlement", ["urn:a", "urn:b", "urn:c"]),),
            "5 values",
        ),
        # The names take 26 and 11 bytes, the affiliation 24; the umlaut takes two.
        (
            {"bytes": 1024},
            (make_attribute("displayName", ["ü" + "x" * 962]),),
            (make_attribute("displayName", ["ü" + "x" * 961]),),
            "1025 bytes",
        ),
    ],
    ids=["attributes", "values", "bytes"],
)
def test_a_session_holds_no_more_than_the_settings_allow(
    make_core: Callable[..., Core], largest: dict[str, int], too_much: Attributes, just_fits: Attributes, found: str
) -> None:
    core = bounded(make_core, **largest)
    said = Said(core, *answered(core))
    assert said.refusal(said.with_attributes(MEMBER, *too_much)) == (413, "sp.too_much_said")
    assert core.log_lines()[-1]["found"] == found
    assert len(core.stores.tickets) == 0  # type: ignore[arg-type]
    assert said.passage(MEMBER, *just_fits).exports["affiliation"] == "member@northgate.example"


def test_what_an_authority_answers_is_bounded_in_the_same_way(make_core: Callable[..., Core]) -> None:
    core = bounded(make_core, attributes=1, values=1)
    said = Said(core, *answered(core))
    done = finish(core, post(core, said.message.encoded()), said.cookie)
    assert (done.status, core.log_lines()[-1]["code"]) == (413, "sp.too_much_said")
    assert not logged_in(core, done)


@pytest.mark.parametrize(
    ("value", "exported"),
    [
        ("Alice\r\nSet-Cookie: a=b", None),
        ("Alice\nX-Admin: yes", None),
        ("Alice\tLidell", None),
        ("Alice\x7f", None),
        ("Алиса Лидделл 🔑", "Алиса Лидделл 🔑"),
        ("\u202eecilA", "\u202eecilA"),
    ],
    ids=["crlf", "lf", "tab", "del", "letters", "direction"],
)
def test_no_value_ends_a_header(said: Said, value: str, exported: str | None) -> None:
    passage = said.passage(MEMBER, make_attribute("displayName", [value]))
    assert passage.exports.get("displayName") == exported
    for line in said.core.log_stream.getvalue().splitlines():
        assert line.startswith("{")


@pytest.mark.parametrize(
    "octets", [b"\0", b"&#0;", b"&#x1;", b"\xff\xfe"], ids=["nul", "reference", "control", "latin"]
)
def test_what_is_no_text_is_no_message(said: Said, octets: bytes) -> None:
    raw = to_bytes(said.message.around(said.message.assertion_element())).replace(
        b"</saml:NameID>", octets + b"</saml:NameID>"
    )
    assert said.refusal(base64.b64encode(raw).decode())[0] == 400


def nested(message: Message, depth: int) -> str:
    element: Element = message.with_assertion(attributes=(MEMBER,)).assertion_element(signed=False)
    inside = element.find(f".//{qname(names.SAML, 'AttributeValue')}")
    if inside is None:
        raise ValueError("no value")
    inside.attrib.clear()
    for _ in range(depth):
        inside.text = None
        inside = etree.SubElement(inside, "a")
    sign(element, message.signer)
    return encode_post(message.around(element))


def test_deep_nesting_is_refused_and_a_little_does_no_harm(said: Said) -> None:
    assert said.refusal(nested(said.message, 5_000))[1] in ("xml.too_deep", "xml.too_large", "xml.not_well_formed")
    done = finish(said.core, post(said.core, nested(said.message, 5)), said.cookie)
    assert done.status == 303
    # A value that is no text is none.
    assert not logged_in(said.core, done)


def test_many_elements_and_declarations_are_refused_quickly(said: Said) -> None:
    raw = to_bytes(said.message.around(said.message.assertion_element()))
    for junk in (b"<a/>" * 50_000, b"<a " + b" ".join(b'b%d="c"' % n for n in range(20_000)) + b"/>"):
        wide = raw.replace(b"</saml:NameID>", b"</saml:NameID>" + junk)
        status, code = said.refusal(base64.b64encode(wide).decode())
        assert (status in (400, 413), code.partition(".")[0]) == (True, "xml")


def test_a_form_of_many_fields_is_refused(said: Said) -> None:
    body = f"SAMLResponse={quote_plus(said.message.encoded())}".encode() + b"&x=1" * 100_000
    assert said.core.refused("/ostiary/acs", method="POST", body=body, content_type=FORM)[0] in (400, 413)
