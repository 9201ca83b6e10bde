"""Lists of members, groups and roles: searched, a page at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from ostiary.command.vo_service import MIGRATIONS
from ostiary.errors import Missing, Refusal
from ostiary.x509.certificate_names import CertificateNames
from tests.databases import DATABASES, upgraded
from tests.x509.authorities import NOW
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.browsing import MemberState, count_members, list_groups, list_roles, search_members
from voms.details import Details
from voms.directory import create_vo
from voms.periods import When

CA = "CN=Test CA,O=Test,C=ZZ"
PEOPLE = (
    ("Zoë", "Ångström", "Uppsala"),
    ("Bea", "Müller", "Basel"),
    ("Cem", "Müller", "Ankara"),
    ("Dan", "O'Neil_100%", "Cork"),
)


@dataclass(frozen=True)
class Listed:
    """Four members by their given names, and ``alice``, who has none; nothing of it is changed."""

    engine: Engine
    members: dict[str, str]


@pytest.fixture(scope="module", params=sorted(DATABASES))
def vo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listed]:
    with upgraded(request.param, tmp_path_factory.mktemp("lists"), MIGRATIONS) as engine:
        create_vo(engine, "testvo", at=NOW, by="operator")
        desk = Desk(engine, "testvo", OPERATOR, NOW)
        for group in ("/testvo/g1", "/testvo/g1/sub", "/testvo/g2"):
            desk.add_group(group)
        desk.add_role("pilot")
        made = {
            given: desk.add_member(
                CertificateNames(f"CN={given},O=Test,C=ZZ", CA), about=Details(given, surname, place)
            )
            for given, surname, place in PEOPLE
        }
        made["alice"] = desk.add_member(CertificateNames("CN=Alice,O=Test,C=ZZ", CA))
        desk.join(made["Bea"], "/testvo/g1/sub")
        desk.join(made["Cem"], "/testvo/g2", When(until=NOW + timedelta(days=1)))
        desk.assign_role(made["Bea"], "/testvo/g1", "pilot")
        desk.suspend(made["Dan"], "Away.")
        desk.set_end(made["Zoë"], NOW + timedelta(days=10))
        yield Listed(engine, made)


def found(engine: Engine, text: str = "", **more: object) -> list[str]:
    page = search_members(engine, "testvo", text, **{"at": NOW, **more})  # type: ignore[arg-type]
    return [each.details.given_name or each.name for each in page.rows]


def test_words_are_found_without_regard_to_case_and_accents(vo: Listed) -> None:
    assert found(vo.engine, "MULLER") == ["Bea", "Cem"]
    assert found(vo.engine, "muller ank") == ["Cem"]
    assert found(vo.engine, "angstrom") == ["Zoë"]
    assert found(vo.engine, "cn=alice") == ["CN=Alice,O=Test,C=ZZ"]
    assert found(vo.engine, vo.members["Dan"]) == ["Dan"]
    assert found(vo.engine, "nobody") == []


def test_signs_that_databases_read_as_patterns_mean_themselves(vo: Listed) -> None:
    assert found(vo.engine, "100%") == ["Dan"]
    assert found(vo.engine, "neil_1") == ["Dan"]
    assert found(vo.engine, "%") == ["Dan"]


def test_members_stand_in_the_order_of_their_surnames_or_else_of_their_certificates(vo: Listed) -> None:
    assert found(vo.engine) == ["Zoë", "CN=Alice,O=Test,C=ZZ", "Bea", "Cem", "Dan"]


def test_pages_follow_one_another_without_gap_and_repetition(vo: Listed) -> None:
    after, seen = None, []
    for _ in range(10):
        page = search_members(vo.engine, "testvo", at=NOW, after=after, most=2)
        seen += [each.member for each in page.rows]
        after = page.after
        if after is None:
            break
    assert sorted(seen) == sorted(vo.members.values())
    assert after is None


def test_a_group_has_who_is_in_it_or_below_it_at_the_moment(vo: Listed) -> None:
    assert found(vo.engine, group="/testvo/g1") == ["Bea"]
    assert found(vo.engine, group="/testvo/g2") == ["Cem"]
    assert found(vo.engine, group="/testvo/g2", at=NOW + timedelta(days=2)) == []
    assert len(found(vo.engine, group="/testvo")) == 5
    assert found(vo.engine, group="/testvo/g1", role="pilot") == ["Bea"]
    assert found(vo.engine, group="/testvo/g2", role="pilot") == []
    assert found(vo.engine, role="pilot") == ["Bea"]
    with pytest.raises(Missing, match=r"voms\.no_group"):
        found(vo.engine, group="/testvo/none")


@pytest.mark.parametrize(("state", "names"), [("suspended", ["Dan"]), ("expired", ["Zoë"]), ("active", 3)])
def test_members_are_found_by_their_state(
    vo: Listed,
    state: MemberState,
    names: list[str] | int,
) -> None:
    at = NOW + timedelta(days=11)
    who = found(vo.engine, state=state, at=at)
    assert (who if isinstance(names, list) else len(who)) == names
    assert count_members(vo.engine, "testvo", at=at)[state] == len(who)


def test_names_are_neither_searched_nor_told_where_they_are_nobodys_business(
    vo: Listed,
) -> None:
    assert found(vo.engine, "uppsala", personal=False) == []
    page = search_members(vo.engine, "testvo", "cn=bea", at=NOW, personal=False)
    assert [(each.name, each.details) for each in page.rows] == [("CN=Bea,O=Test,C=ZZ", Details())]


@pytest.mark.parametrize("after", ["x", "bm9uc2Vuc2U", "WzEsMl0", "W10"])
def test_a_place_that_no_page_ended_at_is_refused(vo: Listed, after: str) -> None:
    with pytest.raises(Refusal, match=r"voms\.page"):
        search_members(vo.engine, "testvo", at=NOW, after=after)


def test_what_is_too_much_is_refused(vo: Listed) -> None:
    with pytest.raises(Refusal, match=r"voms\.search"):
        search_members(vo.engine, "testvo", "a b c d e f g h i", at=NOW)
    with pytest.raises(Refusal, match=r"voms\.page"):
        list_groups(vo.engine, "testvo", most=501)


def test_groups_and_roles_are_listed_a_page_at_a_time(vo: Listed) -> None:
    first = list_groups(vo.engine, "testvo", most=2)
    second = list_groups(vo.engine, "testvo", most=2, after=first.after)
    assert [group.path for group in (*first.rows, *second.rows)] == [
        "/testvo",
        "/testvo/g1",
        "/testvo/g1/sub",
        "/testvo/g2",
    ]
    assert second.after is None
    assert [(group.path, group.below) for group in list_groups(vo.engine, "testvo", below="/testvo").rows] == [
        ("/testvo/g1", 1),
        ("/testvo/g2", 0),
    ]
    assert [group.path for group in list_groups(vo.engine, "testvo", "G2").rows] == ["/testvo/g2"]
    assert [group.path for group in list_groups(vo.engine, "testvo", only=["/testvo/g1", "/testvo/x"]).rows] == [
        "/testvo/g1"
    ]
    assert list_groups(vo.engine, "testvo", only=[]).rows == ()
    assert "pilot" in [role.name for role in list_roles(vo.engine, "testvo", "PILOT", most=1).rows]
