"""``refresh()``: an application has somebody's attributes asked for anew."""

from typing import Any

from ostiary.command.demo.people import NORTHGATE
from sp_shire import Ostiary, ShireMiddleware
from tests.browser import Browser
from tests.simulator import Simulation


class Asking:
    """An application that asks anew in the middle of a request; something may happen just before."""

    def __init__(self) -> None:
        self.before: list[Any] = []
        self.seen: list[tuple[Ostiary, Ostiary]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        ostiary = Ostiary.of(environ)
        for happens in self.before:
            happens()
        self.seen.append((ostiary, ostiary.refresh()))
        start_response("200 OK", [])
        return []


def signed_in(simulation: Simulation) -> tuple[Asking, Browser]:
    application = Asking()
    simulation.serve(simulation.origin("library"), ShireMiddleware(application, simulation.shires["library"]))
    browser = simulation.browser()
    simulation.log_in(browser, "library", "alice")
    application.seen.clear()
    return application, browser


def test_what_has_changed_at_home_is_there_at_once(simulation: Simulation) -> None:
    application, browser = signed_in(simulation)
    simulation.clock.forward(minutes=2)
    with simulation.directory(NORTHGATE) as directory:
        person = directory.find("alice")
        assert person is not None
        known = {**directory.attributes(person.principal), "eduPersonScopedAffiliation": ("member@northgate.example",)}
        directory.set_attributes(person.principal, known, at=simulation.clock.now(), by="test")
    browser.get(simulation.url("library"))
    [(before, after)] = application.seen
    assert before.values("eduPersonScopedAffiliation") == ("member@northgate.example", "staff@northgate.example")
    assert after.values("eduPersonScopedAffiliation") == ("member@northgate.example",)
    assert after.decision is not None
    assert after.decision.allow
    assert after.login_url() == before.login_url()


def test_a_session_that_ended_meanwhile_is_nobodys(simulation: Simulation) -> None:
    application, browser = signed_in(simulation)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": simulation.origin("library")}
    sign_out = simulation.handler("library", "logout")
    application.before.append(lambda: browser.request("POST", sign_out, headers=form, body=b"scope=here"))
    browser.get(simulation.url("library"))
    [(before, after)] = application.seen
    assert (before.is_logged_in, after.is_logged_in, after.decision) == (True, False, None)


def test_who_is_nobody_stays_so(simulation: Simulation) -> None:
    application, _ = signed_in(simulation)
    simulation.browser().get(simulation.origin("library") + "/open")
    [(before, after)] = application.seen
    assert after is before
    assert not after.is_logged_in
