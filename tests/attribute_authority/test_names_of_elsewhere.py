"""Queries by what another organisation calls a person: who may ask so, and what comes first."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attribute_authority.metadata import aa_role
from attribute_authority.queries.identifiers import ToldIdentifiers
from ostiary.federation.keys import KeyRing
from ostiary.ports import NamedPerson
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from tests.attribute_authority.query_home import (
    AFFILIATION,
    HOME_SIGNER,
    LAB,
    LAB_SIGNER,
    LIBRARY,
    LIBRARY_SIGNER,
    NOW,
    REGISTRY,
    Home,
    envelope,
    prepared,
    query,
    texts,
)

SUBJECT, PAIRWISE = "urn:oasis:names:tc:SAML:attribute:subject-id", "urn:oasis:names:tc:SAML:attribute:pairwise-id"
EPPN = "urn:oid:1.3.6.1.4.1.5923.1.1.1.6"
HERS = "abc234@elsewhere.example"
ADA, NOBODY = NamedPerson("p1"), NamedPerson("p9")
UNKNOWN, DENIED = ("Requester", "UnknownPrincipal"), ("Responder", "RequestDenied")
MakeHome = Callable[..., Home]


@pytest.fixture
def make_home(tmp_path: Path) -> Iterator[MakeHome]:
    engine = prepared(tmp_path)
    yield lambda **settings: Home(tmp_path, engine, REGISTRY, **settings)
    engine.dispose()


def may_ask(*requesters: str) -> dict[str, list[str]]:
    return {"requesters": list(requesters)}


class Asking:
    """Asks a home, each time anew."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.asked = 0

    def __call__(self, value: str, name_format: str, requester: str = LIBRARY, **more: str) -> object:
        """The attributes, or the last parts of the status codes."""
        self.asked += 1
        name_id = NameId(value, name_format, **more)
        asked = query(id=f"_{self.asked:040x}", issuer=requester, name_id=name_id)
        answer = self.home.post(envelope(asked, LIBRARY_SIGNER if requester == LIBRARY else LAB_SIGNER))
        if "Assertion " in answer.text:
            return texts(answer, asked)
        return tuple(part.split('"', 1)[0].rpartition(":")[2] for part in answer.text.split('StatusCode Value="')[1:])


def refused(home: Home) -> list[object]:
    return [facts["code"] for _, facts in home.recorded("attributes.refused")]


def test_who_is_listed_is_answered_about_whom_such_a_name_names(make_home: MakeHome) -> None:
    ask = Asking(make_home(external_names=may_ask(LIBRARY)))
    ask.home.externals[HERS] = ADA
    for name_format in (PAIRWISE, SUBJECT, EPPN):
        assert ask(HERS, name_format) == AFFILIATION
        assert ask(HERS, name_format, sp_name_qualifier=LIBRARY) == AFFILIATION
        assert ask("other@elsewhere.example", name_format) == UNKNOWN
        # Whom another organisation vouches for is no name of ours.
        assert ask(HERS, name_format, name_qualifier="https://idp.elsewhere.example") == UNKNOWN
    assert [person for person, _ in ask.home.recorded()] == ["p1"] * 6
    ask.home.active.clear()
    assert ask(HERS, PAIRWISE) == UNKNOWN


def test_who_is_not_listed_is_denied_whether_the_name_is_somebodys_or_not(make_home: MakeHome) -> None:
    ask = Asking(make_home(external_names=may_ask(LIBRARY)))
    ask.home.externals[HERS] = ADA
    for name_format in (PAIRWISE, SUBJECT, EPPN):
        assert ask(HERS, name_format, LAB) == ask("other@elsewhere.example", name_format, LAB) == DENIED
    codes = ["aa.external_name"] * 4 + ["aa.principal_name"] * 2
    assert (refused(ask.home), ask.home.recorded()) == (codes, [])


def test_a_name_of_another_requester_helps_only_those_who_are_listed_themselves(make_home: MakeHome) -> None:
    ask = Asking(make_home(external_names=may_ask(LIBRARY), may_ask_for={LAB: [LIBRARY]}))
    ask.home.externals[HERS] = ADA
    assert ask(HERS, PAIRWISE, LAB, sp_name_qualifier=LIBRARY) == DENIED
    assert ask(HERS, PAIRWISE, sp_name_qualifier=LAB) == UNKNOWN


def test_without_the_setting_only_what_this_organisation_told_names_somebody(make_home: MakeHome) -> None:
    ask = Asking(make_home(principal_names=may_ask(LIBRARY)))
    ask.home.externals[HERS] = ADA
    assert [ask(HERS, name_format) for name_format in (PAIRWISE, SUBJECT, EPPN)] == [UNKNOWN] * 3
    assert refused(ask.home) == ["aa.name_id"] * 3


def test_what_this_organisation_told_itself_comes_first_and_to_everybody(make_home: MakeHome) -> None:
    ask = Asking(make_home(external_names=may_ask(LIBRARY)))
    store = ToldIdentifiers(ask.home.engine)
    ask.home.externals[HERS] = NOBODY
    for requester in (LIBRARY, LAB):
        store.told("pairwise-id", HERS, requester, ADA, NOW)
    assert ask(HERS, PAIRWISE) == AFFILIATION
    assert ask(HERS, PAIRWISE, LAB) == {**AFFILIATION, "mail": ("ada@uni.example",)}
    assert [person for person, _ in ask.home.recorded()] == ["p1", "p1"]


def test_a_login_name_comes_before_a_principal_name_of_elsewhere(make_home: MakeHome) -> None:
    ask = Asking(make_home(external_names=may_ask(LIBRARY, LAB), principal_names=may_ask(LIBRARY)))
    ask.home.principals[HERS], ask.home.externals[HERS] = ADA, NOBODY
    assert ask(HERS, EPPN) == AFFILIATION
    # Whoever may ask by the names of elsewhere alone is not answered about a login name.
    assert ask(HERS, EPPN, LAB) == UNKNOWN
    ask.home.externals["bob@elsewhere.example"] = ADA
    assert ask("bob@elsewhere.example", EPPN) == AFFILIATION


def test_what_can_be_no_identifier_is_not_looked_up(make_home: MakeHome) -> None:
    ask = Asking(make_home(external_names=may_ask(LIBRARY)))
    for value in ("no scope", "\u0430bc@elsewhere.example", "a" * 3000, "a@b@c"):
        ask.home.externals[value] = ADA
        assert ask(value, PAIRWISE) == ask(value, SUBJECT) == UNKNOWN
    assert ask("a" * 3000, EPPN) == UNKNOWN


def test_metadata_names_these_formats_once(make_home: MakeHome) -> None:
    home = make_home(external_names=may_ask(LIBRARY), principal_names=may_ask(LIBRARY))
    role = aa_role(home.settings, KeyRing(HOME_SIGNER, ()), ["uni.example"])
    assert role.nameid_formats == (names.TRANSIENT, EPPN, PAIRWISE, SUBJECT)
