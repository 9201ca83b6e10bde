"""A session that ends by itself: she is told shortly before, can stay where that is possible, and is told afterwards."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from pydantic import ValidationError

from ostiary.saml import names
from ostiary.saml.assertion import NameId
from sp_shire.messages import Passage, Reply
from sp_shire.sessions.ending import end_of, is_due
from sp_shire.sessions.records import Knowledge, Login, Session
from sp_shire.settings import ShireSessionSettings
from tests.flows.logging_out import words
from tests.sp_shire.conftest import Core, header

PAGE = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
FORM = {"content_type": "application/x-www-form-urlencoded"}
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def core(make_core: Callable[..., Core]) -> Core:
    """Two hours at most, ten minutes unused. Attributes are not asked for again."""
    return make_core(sessions={"lifetime": "2h", "idle": "10m", "attributes": "2h", "attributes_at_most": "2h"})


def use(core: Core, cookie: str, **passed: float) -> None:
    """She goes on working, and never longer unseen than nine minutes."""
    left = timedelta(**passed)
    while left:
        step = min(left, timedelta(minutes=9))
        core.clock.forward(seconds=step.total_seconds())
        left -= step
        if left:
            assert isinstance(core.ask("/library/", cookie=cookie, sec_fetch_mode="cors"), Passage)


def warned(core: Core, cookie: str, path: str = "/library/", **how: Any) -> str | None:
    """Where she is sent in place of the page; None when she gets the page."""
    answer = core.ask(path, cookie=cookie, **{**PAGE, **how})
    if isinstance(answer, Passage):
        return None
    assert answer.status == 303
    return header(answer, "Location")


def page(core: Core, cookie: str = "", query: str = "") -> tuple[Reply, str]:
    reply = core.ask("/ostiary/expiring", query=query.encode(), cookie=cookie)
    assert isinstance(reply, Reply)
    assert reply.status == 200
    return reply, words_of(reply)


def words_of(reply: Reply) -> str:
    class Text:
        text = reply.body.decode()

    return words(Text())  # type: ignore[arg-type]


# -- the warning -------------------------------------------------------------------------------------------------------


def test_shortly_before_the_end_she_is_told_once_on_her_way_to_a_page(core: Core) -> None:
    cookie = core.session()
    use(core, cookie, minutes=114, seconds=59)
    assert warned(core, cookie) is None
    core.clock.forward(seconds=1)
    assert (
        warned(core, cookie, "/library/a b", query=b"x=1&y=%C3%A4")
        == "http://127.0.0.1:20005/ostiary/expiring?target=%2Flibrary%2Fa%2520b%3Fx%3D1%26y%3D%25C3%25A4"
    )
    assert warned(core, cookie, "/library/a b") is None
    core.clock.forward(minutes=4)
    assert warned(core, cookie) is None
    assert [line["ends"] for line in core.log_lines() if line["event"] == "session_end_announced"] == [
        "2026-11-22T11:00:00+00:00"
    ]


@pytest.mark.parametrize(
    "how",
    [
        {"method": "POST"},
        {"method": "HEAD"},
        {"sec_fetch_mode": "cors"},
        {"sec_fetch_dest": "iframe"},
        {"sec_purpose": "prefetch"},
        {"x_requested_with": "XMLHttpRequest"},
        {"accept": "application/json"},
        {"accept": "*/*"},
    ],
    ids=lambda how: "-".join(map(str, how.values())),
)
def test_nothing_but_a_page_that_she_opens_is_held_up(core: Core, how: dict[str, str]) -> None:
    cookie = core.session()
    use(core, cookie, minutes=116)
    assert isinstance(core.ask("/library/", cookie=cookie, **{**PAGE, **how}), Passage)
    # And it was not the one warning.
    assert warned(core, cookie) is not None


def test_a_page_that_is_open_to_everybody_warns_of_nothing(core: Core) -> None:
    cookie = core.session()
    use(core, cookie, minutes=116)
    assert warned(core, cookie, "/open") is None


def test_who_may_not_enter_is_told_that_first(core: Core) -> None:
    cookie = core.session("carol")
    for _ in range(13):
        core.clock.forward(minutes=9)
        denied = core.ask("/library/", cookie=cookie, **PAGE)
        assert isinstance(denied, Reply)
        assert denied.status == 403


def test_without_warnings_nobody_is_warned(make_core: Callable[..., Core]) -> None:
    core = make_core(sessions={"lifetime": "10m", "idle": "10m", "warn_before": "0s"})
    cookie = core.session()
    core.clock.forward(minutes=9, seconds=59)
    assert warned(core, cookie) is None


def test_a_short_session_warns_when_half_of_it_is_over(make_core: Callable[..., Core]) -> None:
    core = make_core(sessions={"lifetime": "4m", "idle": "4m"})
    cookie = core.session()
    core.clock.forward(minutes=1, seconds=59)
    assert warned(core, cookie) is None
    core.clock.forward(seconds=1)
    assert warned(core, cookie) is not None


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_says_when_and_why_and_leads_to_a_new_login(core: Core) -> None:
    cookie = core.session()
    use(core, cookie, minutes=116)
    assert warned(core, cookie) is not None
    reply, said = page(core, cookie, "target=/library/x")
    assert "Your session ends soon" in said
    assert "In about 4 minutes you will be signed out here." in said
    assert "A session here does not last longer, however much it is used." in said
    assert "2026-11-22 11:00:00 UTC" in said
    login = (
        "http://127.0.0.1:20005/ostiary/login?target=%2Flibrary%2Fx&amp;entityID=https%3A%2F%2Fnorthgate.example%2Fidp"
    )
    assert f'href="{login}"' in reply.body.decode()
    assert 'href="/library/x"' in reply.body.decode()
    assert (
        header(reply, "Refresh")
        == "241; url=http://127.0.0.1:20005/ostiary/expiring?target=%2Flibrary%2Fx&why=lifetime"
    )


def test_looking_at_the_page_or_the_session_does_not_make_it_last(core: Core) -> None:
    cookie = core.session()
    for minute in range(1, 10):
        core.clock.forward(minutes=1)
        _, said = page(core, cookie)
        known = core.ask("/ostiary/session", cookie=cookie, accept="application/json")
        assert isinstance(known, Reply)
        assert json.loads(known.body)["idle_until"] == "2026-11-22T09:10:00+00:00"
        assert ("Your session ends soon" in said) is (minute >= 5)
    core.clock.forward(minutes=1)
    _, said = page(core, cookie, "why=idle")
    assert "Nobody had used this service in your name for a while" in said


def test_a_long_time_is_told_in_hours(make_core: Callable[..., Core]) -> None:
    core = make_core(sessions={"lifetime": "12h", "idle": "5h"})
    _, said = page(core, core.session())
    assert "Your session In about 5 hours you will be signed out here." in said
    assert "Stay signed in" in said


def test_staying_makes_it_last_and_leads_back(core: Core) -> None:
    cookie = core.session()
    core.clock.forward(minutes=9, seconds=30)
    reply, said = page(core, cookie, "target=/library/x")
    assert "In about 1 minute you will be signed out here." in said
    assert 'name="target" value="/library/x"' in reply.body.decode()
    stayed = core.ask("/ostiary/expiring", method="POST", body=b"target=/library/x", cookie=cookie, **FORM)
    assert isinstance(stayed, Reply)
    assert (stayed.status, header(stayed, "Location")) == (303, "http://127.0.0.1:20005/library/x")
    core.clock.forward(minutes=9, seconds=59)
    assert isinstance(core.ask("/library/", cookie=cookie), Passage)


def test_nobody_stays_for_longer_than_a_session_lasts(core: Core) -> None:
    cookie = core.session()
    use(core, cookie, minutes=119)
    stayed = core.ask("/ostiary/expiring", method="POST", body=b"target=/library/", cookie=cookie, **FORM)
    assert isinstance(stayed, Reply)
    assert stayed.status == 303
    core.clock.forward(minutes=1)
    assert core.target_of(core.ask("/library/", cookie=cookie)) == "/library/"


def test_who_stays_too_late_is_told_so(core: Core) -> None:
    cookie = core.session()
    core.clock.forward(minutes=10)
    late = core.ask("/ostiary/expiring", method="POST", body=b"target=/library/x", cookie=cookie, **FORM)
    assert isinstance(late, Reply)
    where = urlsplit(header(late, "Location") or "")
    assert (late.status, where.path, where.query) == (303, "/ostiary/expiring", "target=%2Flibrary%2Fx")
    _, said = page(core, cookie, where.query)
    assert "This service does not know your session any more." in said


def test_another_site_lets_nobody_stay(core: Core) -> None:
    cookie = core.session()
    how = {"method": "POST", "body": b"target=/library/", "cookie": cookie, "origin": "https://evil.example", **FORM}
    assert core.refused("/ostiary/expiring", **how) == (400, "sp.form_elsewhere")


@pytest.mark.parametrize(
    ("why", "sentence"),
    [
        ("idle", "Nobody had used this service in your name for a while"),
        ("lifetime", "Your session had reached its longest time"),
        ("home", "Your sign-in had reached its longest time"),
        ("", "This service does not know your session any more."),
        ("<script>", "This service does not know your session any more."),
    ],
)
def test_after_the_end_the_page_says_why_and_how_to_come_back(core: Core, why: str, sentence: str) -> None:
    reply, said = page(core, f"ost-session-b43dc9a7={'A' * 43}", f"target=/library/x&why={quote(why)}")
    assert "You have been signed out here" in said
    assert sentence in said
    assert 'href="http://127.0.0.1:20005/ostiary/login?target=%2Flibrary%2Fx"' in reply.body.decode()
    assert header(reply, "Set-Cookie") == "ost-session-b43dc9a7=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    assert header(reply, "Refresh") is None
    assert "script" not in said


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_the_page_leads_to_no_other_site(core: Core, target: str) -> None:
    assert core.refused("/ostiary/expiring", query=f"target={quote(target, safe='')}".encode()) == (400, "sp.target")
    cookie = core.session()
    how = {"method": "POST", "body": f"target={quote(target, safe='')}".encode(), "cookie": cookie, **FORM}
    assert core.refused("/ostiary/expiring", **how) == (400, "sp.target")


# -- the rules ---------------------------------------------------------------------------------------------------------

TIMES = ShireSessionSettings(lifetime=8 * HOUR, idle=HOUR, warn_before=HOUR / 12)


def a_session(
    ends: datetime, home_ends: datetime | None = None, used: datetime = NOON, warned: bool = False
) -> Session:
    login = Login("home", NameId("x", names.TRANSIENT), NOON, None, None, None, home_ends, ())
    return Session(login, Knowledge((), (), (), False, NOON, NOON), NOON, ends, used=used, warned=warned)


@pytest.mark.parametrize(
    ("session", "now", "expected"),
    [
        (a_session(NOON + 8 * HOUR), NOON, (NOON + HOUR, "idle", False)),
        (a_session(NOON + 8 * HOUR), NOON + 55 * HOUR / 60, (NOON + HOUR, "idle", True)),
        (a_session(NOON + HOUR / 2), NOON, (NOON + HOUR / 2, "lifetime", False)),
        (a_session(NOON + HOUR), NOON, (NOON + HOUR, "lifetime", False)),
        (a_session(NOON + HOUR / 2, NOON + HOUR / 2), NOON + HOUR / 2 - HOUR / 12, (NOON + HOUR / 2, "home", True)),
        (a_session(NOON + HOUR / 2, NOON + 9 * HOUR), NOON, (NOON + HOUR / 2, "lifetime", False)),
    ],
    ids=["unused", "unused for long", "over", "both at once", "by her home", "her home allows longer"],
)
def test_what_comes_first_ends_a_session(session: Session, now: datetime, expected: tuple[datetime, str, bool]) -> None:
    end = end_of(session, TIMES, now)
    assert (end.at, end.why, end.is_soon) == expected


def test_who_was_warned_is_not_warned_again() -> None:
    late = NOON + 8 * HOUR - HOUR / 12
    assert is_due(a_session(NOON + 8 * HOUR), TIMES, late)
    assert not is_due(a_session(NOON + 8 * HOUR), TIMES, late - timedelta(seconds=1))
    assert not is_due(a_session(NOON + 8 * HOUR, warned=True), TIMES, late)


def test_where_her_home_sets_the_end_she_is_sent_to_prove_anew_who_she_is(make_core: Callable[..., Core]) -> None:
    """Single sign-on would bring the same end again."""
    core = make_core(sessions={"lifetime": "20h", "idle": "20h", "attributes": "20h", "attributes_at_most": "20h"})
    cookie = core.session()
    known = core.ask("/ostiary/session", cookie=cookie, accept="application/json")
    assert isinstance(known, Reply)
    ends = datetime.fromisoformat(json.loads(known.body)["ends"])
    core.clock.at = ends - timedelta(minutes=2)
    where = warned(core, cookie)
    assert where is not None
    reply, said = page(core, cookie, urlsplit(where).query)
    assert "A sign-in at Northgate University does not last longer." in said
    again = next(part for part in reply.body.decode().split('"') if "/ostiary/login?" in part)
    assert parse_qs(urlsplit(again.replace("&amp;", "&")).query)["forceAuthn"] == ["true"]


@pytest.mark.parametrize(
    ("key", "wrong", "right"),
    [
        ("warn_before", "5", "0s"),
        ("bind_to_address", "sometimes", "exact"),
        ("address_prefix_v4", 33, 32),
        ("address_prefix_v6", 0, 128),
    ],
)
def test_settings_that_make_no_sense_are_refused(key: str, wrong: object, right: object) -> None:
    ShireSessionSettings.model_validate({key: right})
    with pytest.raises(ValidationError):
        ShireSessionSettings.model_validate({key: wrong})
