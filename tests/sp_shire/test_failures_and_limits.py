"""When something behind the resource fails, or somebody asks for too much: nobody gets in by it, and little stays behind."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ostiary.errors import Unavailable
from ostiary.storage.memory import MemoryGroups, MemoryReplayStore, MemorySessionStore
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.assembly import make_stores
from sp_shire.messages import Passage, Reply
from sp_shire.sessions.keeper import session_key
from sp_shire.settings import ShireSettings
from sp_shire.snapshot import Stores
from tests.browser import Browser, WsgiTransport
from tests.simulator import START, Simulation, state_of_today
from tests.sp_shire.conftest import Core, cookie_of

COOKIE = f"ost-session-b43dc9a7={'A' * 43}"


class Down:
    """A store that does not answer, or falls over."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def put(self, key: str, value: bytes, *, expires: datetime, now: datetime) -> None:
        raise self._error

    def get(self, key: str, now: datetime) -> bytes | None:
        raise self._error

    def get_many(self, keys: Sequence[str], now: datetime) -> list[bytes | None]:
        raise self._error

    def take(self, key: str, now: datetime) -> bytes | None:
        raise self._error

    def first_use(self, key: str, *, expires: datetime, now: datetime) -> bool:
        raise self._error


def unavailable() -> Down:
    return Down(Unavailable("storage.unavailable", expected="a database that answers", found="none"))


# -- a store is away ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/library/", "/ostiary/session"])
def test_while_the_session_store_is_away_nobody_gets_in(make_core: Callable[..., Core], path: str) -> None:
    core = make_core(
        Stores(unavailable(), MemorySessionStore(), MemorySessionStore(), MemoryReplayStore(), MemoryGroups())
    )
    assert core.refused(path, cookie=COOKIE) == (503, "storage.unavailable")
    assert core.refused("/ostiary/logout", method="POST", cookie=COOKIE) == (503, "storage.unavailable")


def test_while_the_session_store_is_away_pages_that_need_nobody_are_shown(make_core: Callable[..., Core]) -> None:
    core = make_core(
        Stores(unavailable(), MemorySessionStore(), MemorySessionStore(), MemoryReplayStore(), MemoryGroups())
    )
    assert isinstance(core.ask("/open"), Passage)
    # Who has a session is nobody there for the time being.
    nobody = core.ask("/open", cookie=COOKIE)
    assert isinstance(nobody, Passage)
    assert (nobody.person, nobody.session, dict(nobody.exports)) == (None, None, {})
    assert core.target_of(core.ask("/library/")) == "/library/"


def test_while_the_store_of_logins_is_away_no_login_begins_and_sessions_go_on(make_core: Callable[..., Core]) -> None:
    core = make_core()
    cookie = core.session()
    broken = make_core(
        Stores(core.stores.sessions, unavailable(), MemorySessionStore(), MemoryReplayStore(), MemoryGroups())
    )
    assert isinstance(broken.ask("/library/", cookie=cookie), Passage)
    query = b"entityID=https://northgate.example/idp"
    assert broken.refused("/ostiary/login", query=query) == (503, "storage.unavailable")
    untaken = make_core(
        Stores(core.stores.sessions, core.stores.logins, unavailable(), MemoryReplayStore(), MemoryGroups())
    )
    assert untaken.refused("/ostiary/finish", query=b"ticket=x") == (503, "storage.unavailable")


def test_while_the_replay_store_is_away_no_response_is_taken(make_core: Callable[..., Core]) -> None:
    core = make_core(
        Stores(MemorySessionStore(), MemorySessionStore(), MemorySessionStore(), unavailable(), MemoryGroups())
    )
    with pytest.raises(AssertionError):
        core.session()
    assert core.log_lines()[-1]["code"] == "storage.unavailable"
    assert len(core.stores.sessions) == 0  # type: ignore[arg-type]


def test_a_full_replay_store_takes_no_response(make_core: Callable[..., Core]) -> None:
    """Forgetting one would let its message in again."""
    core = make_core(
        Stores(
            MemorySessionStore(),
            MemorySessionStore(),
            MemorySessionStore(),
            MemoryReplayStore(max_entries=1),
            MemoryGroups(),
        )
    )
    cookie = core.session()
    with pytest.raises(AssertionError):
        core.session()
    assert core.log_lines()[-1]["code"] == "storage.replay_full"
    assert isinstance(core.ask("/library/", cookie=cookie), Passage)


# -- a defect ----------------------------------------------------------------------------------------------------------


def test_a_defect_shows_a_page_and_opens_no_door(make_core: Callable[..., Core]) -> None:
    core = make_core(
        Stores(
            Down(RuntimeError("a secret detail")),
            MemorySessionStore(),
            MemorySessionStore(),
            MemoryReplayStore(),
            MemoryGroups(),
        )
    )
    for path in ("/library/", "/open", "/ostiary/session"):
        reply = core.ask(path, cookie=COOKIE)
        assert isinstance(reply, Reply)
        assert reply.status == 500
        assert b"secret detail" not in reply.body
        assert b"Traceback" not in reply.body
        line = core.log_lines()[-1]
        assert line["reference"] in reply.body.decode()
        assert (line["event"], line["traceback"][-1]) == ("crashed", "RuntimeError: a secret detail")


def test_a_defect_reaches_no_application(make_core: Callable[..., Core]) -> None:
    core = make_core(
        Stores(Down(KeyError("x")), MemorySessionStore(), MemorySessionStore(), MemoryReplayStore(), MemoryGroups())
    )
    reached: list[str] = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        reached.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return []

    transport = WsgiTransport()
    transport.applications["http://127.0.0.1:20005"] = ShireMiddleware(application, core.shire)
    browser = Browser(transport)
    browser.cookies["127.0.0.1", "ost-session-b43dc9a7"] = "A" * 43
    assert browser.get("http://127.0.0.1:20005/library/").status == 500
    assert browser.get("http://127.0.0.1:20005/open").status == 500
    assert reached == []


def test_a_record_that_can_not_be_read_is_a_defect_and_no_session(make_core: Callable[..., Core]) -> None:
    core = make_core()
    token = core.session().partition("=")[2]
    core.stores.sessions.put(session_key(token), b"{}", expires=START.replace(hour=12), now=START)
    reply = core.ask("/library/", cookie=f"ost-session-b43dc9a7={token}")
    assert isinstance(reply, Reply)
    assert reply.status == 500


def test_a_session_half_of_which_is_lost_ends(make_core: Callable[..., Core]) -> None:
    for part, other in (("", " state"), (" state", "")):
        core = make_core()
        cookie = core.session()
        key = session_key(cookie.partition("=")[2])
        assert isinstance(core.ask("/library/", cookie=cookie), Passage)
        assert core.stores.sessions.take(key + part, START) is not None
        assert core.target_of(core.ask("/library/", cookie=cookie)) == "/library/"
        # What is left without it means nothing; without its state, nothing is left.
        assert (core.stores.sessions.get(key + other, START) is None) is (part == " state")


# -- what stays behind -------------------------------------------------------------------------------------------------


def test_a_thousand_visitors_who_choose_no_home_leave_bounded_state_that_goes_by_itself(
    make_core: Callable[..., Core],
) -> None:
    core = make_core()
    for number in range(1000):
        assert core.target_of(core.ask("/library/", query=f"n={number}".encode())) == f"/library/?n={number}"
    assert (len(core.stores.logins), len(core.stores.sessions)) == (1000, 0)  # type: ignore[arg-type]
    core.clock.forward(minutes=31)
    # Each call clears away a few.
    for _ in range(100):
        core.ask("/library/")
    assert len(core.stores.logins) == 100  # type: ignore[arg-type]


def test_a_thousand_logins_never_finished_leave_bounded_state_that_goes_by_itself(
    make_core: Callable[..., Core],
) -> None:
    stores = Stores(
        MemorySessionStore(),
        logins := MemorySessionStore(max_entries=200),
        MemorySessionStore(),
        MemoryReplayStore(),
        MemoryGroups(),
    )
    core = make_core(stores)
    query = b"entityID=https://northgate.example/idp&target=/library/"
    for _ in range(1000):
        reply = core.ask("/ostiary/login", query=query)
        assert isinstance(reply, Reply)
        assert reply.status == 302
    assert len(logins) == 200
    core.clock.forward(minutes=30)
    core.ask("/ostiary/login", query=query)
    assert len(logins) == 1


def test_a_browser_that_begins_many_logins_keeps_one_cookie(core: Core) -> None:
    query = b"entityID=https://northgate.example/idp"
    first = core.ask("/ostiary/login", query=query)
    assert isinstance(first, Reply)
    second = core.ask("/ostiary/login", query=query, cookie=cookie_of(first))
    assert isinstance(second, Reply)
    assert cookie_of(second) == ""


def test_a_finished_login_leaves_the_session_and_the_replay_entry(make_core: Callable[..., Core]) -> None:
    core = make_core()
    cookie = core.session()
    assert len(core.stores.logins) == 0  # type: ignore[arg-type]
    assert len(core.stores.sessions) == 2  # type: ignore[arg-type]
    assert len(core.stores.replay) == 1  # type: ignore[arg-type]
    core.ask("/ostiary/logout", method="POST", cookie=cookie)
    assert len(core.stores.sessions) == 0  # type: ignore[arg-type]


# -- what a thief of the store learns ----------------------------------------------------------------------------------


def test_the_database_holds_sessions_under_hashes_only(
    make_core: Callable[..., Core], library_settings: ShireSettings, tmp_path: Path
) -> None:
    settings = ShireSettings.model_validate(
        {**library_settings.model_dump(), "store": {"url": f"sqlite:///{tmp_path / 'sessions.db'}"}}
    )
    core = make_core(make_stores(settings))
    begun = core.ask("/ostiary/login", query=b"entityID=https://northgate.example/idp")
    assert isinstance(begun, Reply)
    browser = cookie_of(begun).partition("=")[2]
    token = core.session("alice").partition("=")[2]
    assert isinstance(core.ask("/library/", cookie=f"ost-session-b43dc9a7={token}"), Passage)
    content = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("sessions.db*")))
    assert b"northgate.example" in content
    assert len(token) == len(browser) == 43
    assert token.encode() not in content
    assert browser.encode() not in content
    core.ask("/ostiary/logout", method="POST", cookie=f"ost-session-b43dc9a7={token}")
    assert core.target_of(core.ask("/library/", cookie=f"ost-session-b43dc9a7={token}")) == "/library/"


# -- what is loaded ----------------------------------------------------------------------------------------------------

_NEVER = (
    "sqlalchemy alembic flask werkzeug ldap3 argon2 saml2 granian click idp attribute_authority wayf"
    " jose h11 django asgiref fastapi starlette"
)


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Which of the modules that a protected application does not need a fresh interpreter has after this code."""
    report = f"import sys\n{code}\nprint(*sorted(set({_NEVER.split()!r}) & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", report, *arguments], capture_output=True, text=True, cwd=root, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_a_resource_with_sessions_in_memory_loads_nothing_that_an_application_does_not_need(
    state_template: Path, tmp_path: Path
) -> None:
    config = state_of_today(state_template, tmp_path / "state").directory("library") / "sp.yaml"
    code = "from sp_shire import ShireMiddleware\nShireMiddleware(lambda environ, start_response: [], sys.argv[1])"
    assert loaded_by(code, str(config)) == set()


def test_a_resource_with_sessions_in_a_database_loads_its_library(federation: Simulation, tmp_path: Path) -> None:
    """The twin that shows that the look into the interpreter sees something."""
    config = federation.layout.directory("library") / "sp.yaml"
    code = (
        "from sp_shire.assembly import make_stores\n"
        "from sp_shire.settings import ShireSettings\n"
        "from ostiary.config import load_settings, DatabaseSettings\n"
        "settings = load_settings(sys.argv[1], ShireSettings)\n"
        "make_stores(settings.model_copy(update={'store': DatabaseSettings(url=sys.argv[2])}))"
    )
    assert loaded_by(code, str(config), f"sqlite:///{tmp_path / 'a.db'}") >= {"sqlalchemy", "alembic"}
