"""What comes to the application: values as they are, and none that could break a header, a log line or a page."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ostiary.attributes import Attribute, Attributes, make_attribute
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from sp_shire.adapters.exports import exports_of
from sp_shire.messages import Passage, Reply
from sp_shire.sessions.records import Knowledge, Login, Session
from sp_shire.settings import ShireSettings
from tests.sp_shire.conftest import Core

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ENVIRON = {"displayName": "name", "mail": "mail", "eduPersonEntitlement": "entitlement"}


def session_with(*attributes: Attribute) -> Session:
    login = Login(
        issuer="https://northgate.example/idp",
        name_id=NameId("handle", names.TRANSIENT),
        authenticated_at=NOW,
        in_response_to=None,
        session_index=None,
        authn_context="urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
        session_ends=None,
        attributes=(),
    )
    return Session(login, Knowledge(attributes, (), (), False, NOW, NOW), NOW, NOW)


@pytest.fixture
def exported(library_settings: ShireSettings) -> Callable[..., dict[str, str]]:
    settings = library_settings.model_copy(update={"environ": ENVIRON, "remote_user": ("mail",)})

    def export(*attributes: Attribute) -> dict[str, str]:
        own = {"OSTIARY_IDP", "OSTIARY_AUTHENTICATED_AT", "OSTIARY_AUTHN_CONTEXT"}
        return {
            key: value
            for key, value in exports_of(settings, session_with(*attributes).person()).items()
            if key not in own
        }

    return export


def test_several_values_are_joined_and_what_joins_them_is_escaped(exported: Callable[..., dict[str, str]]) -> None:
    assert exported(make_attribute("displayName", ["a;b", "c\\d", "e"])) == {"name": "a\\;b;c\\\\d;e"}


@pytest.mark.parametrize(
    "value",
    ["a\r\nSet-Cookie: b=c", "a\nb", "a\rb", "a\x00b", "\x7f", "a\x85b", "a\u2028b", "a\u2029b", "a\tb", "\x1b[31m"],
    ids=ascii,
)
def test_a_value_with_a_control_character_is_left_out_and_the_others_stay(
    exported: Callable[..., dict[str, str]], value: str
) -> None:
    assert exported(make_attribute("displayName", [value, "Alice"])) == {"name": "Alice"}
    assert exported(make_attribute("displayName", [value])) == {}
    assert exported(make_attribute("mail", [value])) == {}


def test_values_are_ordinary_text(exported: Callable[..., dict[str, str]]) -> None:
    assert exported(make_attribute("displayName", ["Émil Żółć 艾米 🔑"])) == {"name": "Émil Żółć 艾米 🔑"}


def test_the_user_name_is_the_only_value_of_its_attribute(exported: Callable[..., dict[str, str]]) -> None:
    assert exported(make_attribute("mail", ["a@b"])) == {"mail": "a@b", "REMOTE_USER": "a@b", "AUTH_TYPE": "ostiary"}
    assert exported(make_attribute("mail", ["a@b", "c@d"])) == {"mail": "a@b;c@d"}
    assert exported() == {}


def test_what_is_not_configured_is_not_exported(exported: Callable[..., dict[str, str]]) -> None:
    assert exported(make_attribute("eduPersonPrincipalName", ["a@b"])) == {}


def test_a_million_characters_and_ten_thousand_values_are_exported_as_they_are(
    exported: Callable[..., dict[str, str]],
) -> None:
    assert exported(make_attribute("displayName", ["x" * 1_000_000])) == {"name": "x" * 1_000_000}
    joined = exported(make_attribute("eduPersonEntitlement", [f"urn:{number}" for number in range(10_000)]))[
        "entitlement"
    ]
    assert joined.count(";") == 9_999


# -- through a whole login ---------------------------------------------------------------------------------------------


def passage(core: Core, attributes: Attributes, path: str = "/library/") -> Passage:
    reply = core.ask(path, cookie=core.session(attributes=attributes))
    assert isinstance(reply, Passage), reply
    return reply


MEMBER = make_attribute("eduPersonScopedAffiliation", ["member@northgate.example"])


def test_a_carriage_return_in_a_name_reaches_no_header_and_no_log_line(core: Core) -> None:
    name = make_attribute("displayName", ["Alice\rSet-Cookie: a=b"])
    before = len(core.log_lines())
    assert passage(core, (MEMBER, name)).exports.get("displayName") is None
    assert len(core.log_lines()) > before  # each line is JSON of its own, or log_lines would have failed


def test_a_scope_of_another_home_is_not_believed(core: Core) -> None:
    forged = make_attribute("eduPersonScopedAffiliation", ["member@southbank.example", "member@northgate.example.evil"])
    cookie = core.session(attributes=(forged,))
    reply = core.ask("/library/", cookie=cookie)
    assert isinstance(reply, Reply)
    assert reply.status == 403
    shown = core.ask("/ostiary/session", query=b"format=json", cookie=cookie)
    assert isinstance(shown, Reply)
    assert b'"not_accepted": [\n    "eduPersonScopedAffiliation: scope"\n  ]' in shown.body


def test_markup_in_values_and_names_stays_text(core: Core) -> None:
    markup = "<script>alert(1)</script>"
    attributes = (make_attribute("displayName", [markup]), make_attribute(f"urn:x:{markup}", [markup]))
    cookie = core.session(attributes=attributes)
    for path in ("/library/", "/ostiary/session"):
        reply = core.ask(path, cookie=cookie)
        assert isinstance(reply, Reply)
        assert b"<script>alert" not in reply.body
        assert b"&lt;script&gt;alert(1)&lt;/script&gt;" in reply.body


def test_a_very_long_value_does_no_harm(core: Core) -> None:
    found = passage(core, (MEMBER, make_attribute("displayName", ["x" * 20_000])))
    assert "displayName" not in found.exports
    assert found.exports["affiliation"] == "member@northgate.example"
    assert len(core.log_stream.getvalue().splitlines()[-1]) < 20_000


def test_a_thousand_attributes_do_no_harm(core: Core) -> None:
    many = tuple(make_attribute(f"urn:x:{number}", ["value"]) for number in range(1000))
    assert passage(core, (MEMBER, *many)).exports["affiliation"] == "member@northgate.example"
    assert len(core.log_stream.getvalue().splitlines()[-1]) < 20_000


@pytest.mark.parametrize("answer", [b"x" * 1_000_000, b"<a>" * 100_000, b"", b"not SOAP", b"<!DOCTYPE a><a/>"], ids=len)
def test_nonsense_from_an_authority_starts_no_session(make_core: Callable[..., Core], answer: bytes) -> None:
    core = make_core()
    core.soap.post = lambda url, envelope, within: answer  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        core.session()
    down, refused = core.log_lines()[-2:]
    assert (refused["event"], refused["code"], refused["status"]) == ("refused", "sp.authority_down", 503)
    assert (down["event"], down["found"].split(".")[0]) in (("authority_down", "xml"), ("authority_down", "soap"))
    assert len(core.stores.sessions) == 0  # type: ignore[arg-type]
