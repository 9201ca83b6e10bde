"""The object by which an application learns who is there, by itself."""

from datetime import UTC, datetime

import pytest

from ostiary.attributes import Attribute, make_attribute
from ostiary.errors import Refusal
from ostiary.web.identity import Person
from ostiary.x509 import verify
from sp_shire import Ostiary
from sp_shire.adapters.doorkeeper import GROUPS_AND_ROLES, Doors
from sp_shire.addresses import Addresses
from sp_shire.login.targets import Targets
from sp_shire.settings import ShireSettings

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def doors() -> Doors:
    settings = ShireSettings.model_construct(
        public_url="https://members.example.org/club", handler_path="/ostiary", protected=("/in",)
    )
    addresses = Addresses(settings)
    return Doors(addresses, Targets(addresses))


def told(doors: Doors, *attributes: Attribute, path: str = "/club/in/a b", query: bytes = b"x=1&y=%C3%A9") -> Ostiary:
    person = Person("https://home.example/idp", "handle", attributes, AT, None, "urn:mfa")
    return Ostiary(person, None, None, doors, path, query)


def test_attributes_are_tuples_of_texts_from_all_issuers(doors: Doors) -> None:
    ostiary = told(
        doors,
        make_attribute("mail", ["a@b.example", "c@d.example"], issuer="one"),
        make_attribute("mail", ["c@d.example", "e@f.example"], issuer="two"),
        make_attribute("eduPersonScopedAffiliation", ["member@home.example"]),
    )
    assert dict(ostiary.attributes) == {
        "mail": ("a@b.example", "c@d.example", "e@f.example"),
        "eduPersonScopedAffiliation": ("member@home.example",),
    }
    assert ostiary.values("mail") == ("a@b.example", "c@d.example", "e@f.example")
    assert ostiary.values("cn") == ()
    assert (ostiary.issuer, ostiary.authenticated_at, ostiary.authn_context) == (
        "https://home.example/idp",
        AT,
        "urn:mfa",
    )


def test_nobody_can_change_what_is_known(doors: Doors) -> None:
    ostiary = told(doors)
    with pytest.raises(TypeError):
        ostiary.attributes["isMemberOf"] = ("/vo",)  # type: ignore[index]
    with pytest.raises(AttributeError):
        ostiary.person = None  # type: ignore[misc]


def test_one_value_is_the_only_one(doors: Doors) -> None:
    ostiary = told(doors, make_attribute("mail", ["a@b"]), make_attribute("cn", ["Ada", "Adeline"]))
    assert (ostiary.one("mail"), ostiary.one("cn"), ostiary.one("sn")) == ("a@b", None, None)


def test_has_compares_letter_for_letter(doors: Doors) -> None:
    ostiary = told(doors, make_attribute("cn", ["Ada"]))
    assert (ostiary.has("cn"), ostiary.has("cn", "Ada"), ostiary.has("cn", "ada"), ostiary.has("sn")) == (
        True,
        True,
        False,
        False,
    )


def test_membership_is_of_the_very_group_or_role_in_either_form(doors: Doors) -> None:
    names = ["/physics/detector/Role=NULL/Capability=NULL", "/physics/grid/Role=admin", "no FQAN"]
    ostiary = told(doors, make_attribute("isMemberOf", names))
    assert ostiary.member_of("/physics/detector")
    assert ostiary.member_of("/physics/grid/Role=admin/Capability=NULL")
    assert not ostiary.member_of("/physics")
    assert not ostiary.member_of("/physics/grid")
    assert not ostiary.member_of("/physics/detector/Role=admin")
    with pytest.raises(Refusal) as refused:
        ostiary.member_of("physics")
    assert refused.value.code == "x509.fqan"


def test_groups_stand_where_attribute_certificates_put_them() -> None:
    assert GROUPS_AND_ROLES == verify.GROUPS_AND_ROLES


def test_a_login_comes_back_to_the_page_at_hand_or_to_another_of_this_site(doors: Doors) -> None:
    ostiary = told(doors)
    login = "https://members.example.org/club/ostiary/login?target="
    assert ostiary.login_url() == login + "%2Fclub%2Fin%2Fa%2520b%3Fx%3D1%26y%3D%25C3%25A9"
    assert ostiary.login_url("/club/in/other?a=b") == login + "%2Fclub%2Fin%2Fother%3Fa%3Db"
    assert ostiary.login_url("https://members.example.org/club/in/") == login + "%2Fclub%2Fin%2F"
    assert ostiary.logout_url() == "https://members.example.org/club/ostiary/logout"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "https://members.example.org.evil.example/",
        "/\\evil.example",
        "in",
        "",
    ],
)
def test_a_login_leads_to_no_other_site(doors: Doors, target: str) -> None:
    with pytest.raises(Refusal) as refused:
        told(doors).login_url(target)
    assert refused.value.code == "sp.target"


def test_where_nobody_is_there_nothing_is_known(doors: Doors) -> None:
    nobody = Ostiary(None, None, None, doors, "/club/", b"")
    assert not nobody.is_logged_in
    assert dict(nobody.attributes) == {}
    known = (nobody.one("mail"), nobody.issuer, nobody.authenticated_at, nobody.authn_context, nobody.session_ends)
    assert known == (None, None, None, None, None)
    assert not nobody.member_of("/physics")
    assert nobody.login_url() == "https://members.example.org/club/ostiary/login?target=%2Fclub%2F"


@pytest.mark.parametrize("holder", [{}, {"HTTP_OSTIARY": "x"}, {"ostiary": "a text"}, {"ostiary": None}])
def test_an_application_that_is_not_protected_is_told_so(holder: dict[str, object]) -> None:
    with pytest.raises(LookupError, match="ShireMiddleware"):
        Ostiary.of(holder)


def test_values_are_told_as_they_are_for_who_asks_by_name(doors: Doors) -> None:
    values = ["Ada\r\nSet-Cookie: a=b", "a;b\\c", "Żółć \U0001f511"]
    assert told(doors, make_attribute("cn", values)).values("cn") == tuple(values)
