"""What several authorities say of one person becomes one knowledge: each value with its issuer, and each thing as long as it counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ostiary.attributes import Attribute, Value, make_attribute, texts_of
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from sp_shire.sessions.records import Knowledge, Login, Session, Source, dump_session, dump_state, load_session
from sp_shire.shar.knowing import NEVER, knowledge_of, merged, named_by, serves_until, sources_of, too_old
from sp_shire.shar.settings import FurtherAuthoritySettings

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOME, VO = "https://home.example/idp", "https://vo.example/aa"
TWO_HOURS = timedelta(hours=2)
LOGIN = Login(HOME, NameId("handle", names.TRANSIENT, HOME, "https://sp.example"), NOW, None, None, None, None, ())


def minutes(count: float) -> datetime:
    return NOW + timedelta(minutes=count)


def said(authority: str, way: str, *attributes: Attribute, **more: object) -> Source:
    return Source(authority, way, NOW, attributes, **more)  # type: ignore[arg-type]


def groups(*texts: str, issuer: str = HOME, valid_until: datetime | None = None) -> Attribute:
    return make_attribute("isMemberOf", texts, issuer=issuer)._replace(valid_until=valid_until)


def test_values_of_one_issuer_are_united_and_those_of_another_stay_its_own() -> None:
    found = merged(
        [(groups("a", "b"), make_attribute("mail", ["x"], issuer=HOME)), (groups("b", "c"), groups("d", issuer=VO))]
    )
    assert found == (groups("a", "b", "c"), make_attribute("mail", ["x"], issuer=HOME), groups("d", issuer=VO))
    assert texts_of(found, "isMemberOf") == ("a", "b", "c", "d")


def test_the_same_value_of_two_issuers_is_kept_with_both() -> None:
    found = merged([(groups("a"),), (groups("a", issuer=VO),)])
    assert [attribute.issuer for attribute in found] == [HOME, VO]
    assert texts_of(found, "isMemberOf") == ("a",)


def test_values_that_end_at_different_times_are_not_united() -> None:
    found = merged([(groups("a"),), (groups("b", valid_until=minutes(5)),)])
    assert [attribute.valid_until for attribute in found] == [None, minutes(5)]


def test_one_sources_attributes_are_taken_as_they_are() -> None:
    twice = (groups("a"), groups("a"))
    assert knowledge_of([said(HOME, "response", *twice)], TWO_HOURS, NOW).attributes == twice


def test_what_came_with_the_response_is_never_due() -> None:
    known = knowledge_of([said(HOME, "response", groups("a"))], TWO_HOURS, NOW)
    assert (known.queried, known.ask_again, known.at) == (False, NEVER, NOW)


def test_the_first_thing_that_runs_out_is_looked_at() -> None:
    pushed = said(HOME, "response", groups("a", valid_until=minutes(7)))
    asked = said(HOME, "query", groups("b"), fresh_until=minutes(30), ask_again=minutes(30))
    known = knowledge_of([pushed, asked], TWO_HOURS, NOW)
    assert (known.queried, known.ask_again) == (True, minutes(7))
    later = knowledge_of(known.sources, TWO_HOURS, minutes(7))
    assert (texts_of(later.attributes, "isMemberOf"), later.ask_again) == (("b",), minutes(30))


def test_what_an_authority_said_serves_no_longer_than_it_may() -> None:
    asked = said(
        VO,
        "further",
        groups("a", issuer=VO),
        fresh_until=minutes(30),
        ask_again=minutes(119),
        problem="shar.unreachable",
    )
    just = knowledge_of([asked], TWO_HOURS, minutes(119.9))
    assert (texts_of(just.attributes, "isMemberOf"), just.ask_again) == (("a",), minutes(119))
    over = knowledge_of([asked], TWO_HOURS, minutes(120))
    assert over.attributes == ()
    assert too_old(asked, TWO_HOURS, minutes(120))
    assert not too_old(said(HOME, "response", groups("a")), TWO_HOURS, minutes(100_000))


@pytest.mark.parametrize(
    ("said_until", "serves"),
    [(None, 30), (minutes(60), 30), (minutes(5), 5), (minutes(0.1), 0.5), (minutes(-10), 0.5)],
)
def test_an_answer_serves_as_long_as_it_says_or_as_usual_and_half_a_minute_at_least(
    said_until: datetime | None, serves: float
) -> None:
    assert serves_until(NOW, timedelta(minutes=30), said_until) == minutes(serves)


def test_where_the_usual_time_is_shorter_than_half_a_minute_it_counts() -> None:
    assert serves_until(NOW, timedelta(seconds=10), minutes(-1)) == NOW + timedelta(seconds=10)


def test_what_was_stored_before_there_were_sources_has_one() -> None:
    old = Knowledge((groups("a"),), (), (), True, NOW, minutes(30))
    assert sources_of(LOGIN, old) == (
        Source(HOME, "query", NOW, (groups("a"),), fresh_until=minutes(30), ask_again=minutes(30)),
    )
    assert sources_of(LOGIN, replace(old, queried=False)) == (Source(HOME, "response", NOW, (groups("a"),)),)


def stored(known: Knowledge) -> Knowledge:
    """As it comes out of a store."""
    session = Session(LOGIN, known, NOW, minutes(480))
    return load_session(dump_session(session), dump_state(session)).knowledge


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_store_gives_back_who_said_what(count: int) -> None:
    sources = [
        said(HOME, "response", groups("a", valid_until=minutes(90)), withheld=(("mail", "x", "no_rule"),)),
        said(
            HOME,
            "query",
            groups("a"),
            fresh_until=minutes(5),
            ask_again=minutes(5),
            target="/wiki/page",
            rules=(("isMemberOf", "r"),),
        ),
        replace(said(VO, "further", ask_again=minutes(1), problem="shar.unreachable"), at=None),
    ]
    known = knowledge_of(sources[:count], TWO_HOURS, NOW)
    assert stored(known) == known
    assert stored(known).sources == tuple(sources[:count])


def test_a_store_gives_back_a_source_whose_attributes_go_by_another_name_in_the_whole() -> None:
    """The acceptance policy makes one attribute of several, of all sources together."""
    known = knowledge_of([said(HOME, "query", groups("a"), ask_again=minutes(30))], TWO_HOURS, NOW)
    renamed = replace(known, attributes=(make_attribute("group", ["a"], issuer=HOME),))
    assert stored(renamed) == renamed
    assert stored(renamed).sources[0].attributes == (groups("a"),)


TOLD = (
    make_attribute("eduPersonPrincipalName", ["alice@home.example"], issuer=HOME),
    make_attribute("voPersonCertificateDN", ["CN=Alice,O=Home"], issuer=HOME),
    make_attribute("pairwise-id", ["k7@home.example"], issuer=HOME),
    make_attribute("mail", ["a@home.example", "b@home.example"], issuer=HOME),
    Attribute("employeeNumber", (Value("17"),), issuer=HOME),
)


@pytest.mark.parametrize(
    ("subject", "name_format", "named"),
    [
        ("eduPersonPrincipalName", None, NameId("alice@home.example", "urn:oid:1.3.6.1.4.1.5923.1.1.1.6")),
        ("pairwise-id", None, NameId("k7@home.example", "urn:oasis:names:tc:SAML:attribute:pairwise-id")),
        ("certificate-subject", None, NameId("CN=Alice,O=Home", names.X509_SUBJECT_NAME)),
        ("handle", None, LOGIN.name_id),
        ("employeeNumber", "urn:example:number", NameId("17", "urn:example:number")),
        ("eduPersonPrincipalName", "urn:example:own", NameId("alice@home.example", "urn:example:own")),
        ("subject-id", None, None),
        ("mail", names.EMAIL_ADDRESS, None),
    ],
)
def test_a_further_authority_is_told_one_accepted_name_or_nothing(
    subject: str, name_format: str | None, named: NameId | None
) -> None:
    setting = FurtherAuthoritySettings(authority=VO, subject=subject, format=name_format)
    assert named_by(setting, LOGIN, TOLD) == named
