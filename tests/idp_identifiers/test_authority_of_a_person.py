"""Which Attribute Authority knows a person: the first rule that holds, and the default."""

from collections.abc import Mapping

import pytest

from idp.authorities import Authorities, AuthoritiesSettings, AuthorityRule, authority_of
from ostiary.errors import Unavailable

RULES = (
    AuthorityRule(1, login_scope="medicine.uni.example"),
    AuthorityRule(2, attribute="isMemberOf", values=frozenset({"physics", "astronomy"})),
    AuthorityRule(3, login_scope="guests.uni.example", attribute="eduPersonAffiliation", values=frozenset({"alum"})),
)


def found(login_name: str | None, **attributes: tuple[str, ...]) -> int:
    return authority_of(RULES, 7, lambda: login_name, lambda: attributes)


def test_a_scope_of_the_login_name_decides_without_regard_to_case() -> None:
    assert found("ada@medicine.uni.example") == 1
    assert found("ada@Medicine.UNI.example") == 1


@pytest.mark.parametrize("name", ["ada", None, "ada@uni.example", "medicine.uni.example", "a@medicine.uni.example@x"])
def test_another_login_name_belongs_to_the_default(name: str | None) -> None:
    assert found(name) == 7


def test_one_value_of_an_attribute_is_enough() -> None:
    assert found("ada", isMemberOf=("chess", "physics")) == 2
    assert found("ada", isMemberOf=("Physics",)) == 7
    assert found("ada", memberOf=("physics",)) == 7


def test_where_both_are_given_both_must_hold() -> None:
    assert found("ada@guests.uni.example", eduPersonAffiliation=("alum",)) == 3
    assert found("ada@guests.uni.example", eduPersonAffiliation=("member",)) == 7
    assert found("ada@other.example", eduPersonAffiliation=("alum",)) == 7


def test_the_first_rule_that_holds_counts() -> None:
    assert found("ada@medicine.uni.example", isMemberOf=("physics",)) == 1


def test_nothing_is_asked_that_no_rule_needs() -> None:
    def never(_: str) -> Mapping[str, tuple[str, ...]]:
        raise Unavailable("storage.unavailable")

    by_name = {"rules": [{"authority": 1, "login_scope": "medicine.uni.example"}]}
    settings = AuthoritiesSettings.model_validate(by_name)
    assert Authorities(settings, login_name=lambda _: "a@medicine.uni.example", own_attributes=never).of("p1") == 1

    def nameless(_: str) -> str | None:
        raise Unavailable("storage.unavailable")

    assert Authorities(AuthoritiesSettings(default=4), login_name=nameless, own_attributes=never).of("p1") == 4


def test_a_directory_that_does_not_answer_is_not_taken_for_the_default() -> None:
    def silent(_: str) -> Mapping[str, tuple[str, ...]]:
        raise Unavailable("storage.unavailable")

    by_group = {"rules": [{"authority": 1, "attribute": "isMemberOf", "values": ["x"]}]}
    settings = AuthoritiesSettings.model_validate(by_group)
    with pytest.raises(Unavailable):
        Authorities(settings, login_name=lambda _: "ada", own_attributes=silent).of("p1")


@pytest.mark.parametrize("rule", [{}, {"attribute": "ou"}, {"values": ["x"]}, {"login_scope": "a", "values": ["x"]}])
def test_a_rule_that_says_half_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"idp\.authority_rule"):
        AuthoritiesSettings.model_validate({"rules": [{"authority": 1, **rule}]})
