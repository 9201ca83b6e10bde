"""Signed in, but not as a page needs it: the page offers to sign in again by the means that its rule wants, and leads back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ostiary.policy.access import Check, Decision, Obligation, Reason
from ostiary.saml import names
from sp_shire.login.step_up import step_up
from sp_shire.login.wishes import Wishes
from tests.browser import Answer, forms_of
from tests.flows.forging import take_apart
from tests.simulator import Simulation
from tests.sp_shire.conftest import Core
from tests.sp_shire.signing_in import NORTHGATE_ID, ORIGIN, Site, asked_of

MFA = names.REFEDS_MFA
MakeSite = Callable[[str], Site]


@pytest.fixture
def make_site(make_core: Callable[..., Core], tmp_path: Path) -> MakeSite:
    """A resource with these access rules."""

    def make(rules: str) -> Site:
        path = tmp_path / "access.yaml"
        path.write_text(f"rules: {rules}")
        return Site(make_core(access=(path,)))

    return make


NEEDS_MFA = f"""[
  {{id: vault, paths: /library/vault, permit: {{authn_context: {MFA}}}}},
  {{id: rest, paths: /library, permit: {{authenticated: true}}}}]"""
NEEDS_FRESH = """[
  {id: vault, paths: /library/vault, permit: {authenticated_within: 10m}},
  {id: rest, paths: /library, permit: {authenticated: true}}]"""


def button(page: Answer) -> list[tuple[str, str]] | None:
    """The fields of the form that leads to a better login."""
    return next((form.fields for form in forms_of(page) if form.action.endswith("/ostiary/again")), None)


def test_a_page_that_needs_other_means_asks_her_home_for_them_and_opens(
    make_site: MakeSite, federation: Simulation
) -> None:
    site = make_site(NEEDS_MFA)
    browser = site.browser()
    site.log_in(browser, browser.get(f"{ORIGIN}/library/"))
    denied = browser.get(f"{ORIGIN}/library/vault?box=7")
    assert denied.status == 403
    assert "Sign in again at Northgate University" in denied.text
    fields = button(denied)
    assert fields == [("target", "/library/vault?box=7")]
    again = browser.submit_without_following(site.handler("again"), fields)
    asked = asked_of(again)
    assert (again.status, asked.force_authn) == (303, False)
    assert asked.requested_context is not None
    assert (asked.requested_context.classes, asked.requested_context.comparison) == ((MFA,), "exact")
    # What her home would say with a second factor: the same login as before, by better means.
    other = site.browser()
    said = take_apart(federation, site.to_response(other, other.get(f"{ORIGIN}/library/"))).answering(asked.id)
    weak = browser.submit_without_following(site.handler("acs"), [("SAMLResponse", said.encoded())])
    assert browser.get(weak.header("Location") or "").status == 400
    assert site.core.log_lines()[-1]["code"] == "sp.other_context"
    assert browser.get(f"{ORIGIN}/library/").text.startswith("somebody"), "the session that she had goes on"
    strong = said.anew().with_statement(context_class=MFA)
    held = browser.submit_without_following(site.handler("acs"), [("SAMLResponse", strong.encoded())])
    done = browser.get(held.header("Location") or "")
    assert (done.url, done.text) == (f"{ORIGIN}/library/vault?box=7", f"somebody {NORTHGATE_ID} {MFA}")


def test_a_page_that_needs_a_fresh_login_asks_for_one(make_site: MakeSite) -> None:
    site = make_site(NEEDS_FRESH)
    browser = site.browser()
    site.log_in(browser, browser.get(f"{ORIGIN}/library/vault"))
    site.core.clock.forward(minutes=11)
    denied = browser.get(f"{ORIGIN}/library/vault")
    assert denied.status == 403
    again = browser.submit_without_following(site.handler("again"), button(denied) or [])
    asked = asked_of(again)
    assert (asked.force_authn, asked.requested_context) == (True, None)


def test_a_denial_that_no_login_turns_offers_none(make_site: MakeSite) -> None:
    site = make_site("[{id: named, paths: /library, permit: {attribute: mail, value: nobody@nowhere.example}}]")
    browser = site.browser()
    denied = site.log_in(browser, browser.get(f"{ORIGIN}/library/"))
    assert (denied.status, button(denied)) == (403, None)
    # Asked all the same, it leads back to the page, which says why.
    answer = browser.submit_without_following(site.handler("again"), [("target", "/library/")])
    assert (answer.status, answer.header("Location")) == (303, f"{ORIGIN}/library/")


def test_the_means_are_those_of_the_rule_and_not_of_the_form(make_site: MakeSite) -> None:
    site = make_site(NEEDS_MFA)
    browser = site.browser()
    site.log_in(browser, browser.get(f"{ORIGIN}/library/"))
    fields = [
        ("target", "/library/vault"),
        ("authnContextClassRef", names.PASSWORD),
        ("entityID", "https://evil.example"),
    ]
    asked = browser.submit_without_following(site.handler("again"), fields)
    message = asked_of(asked)
    assert message.requested_context is not None
    assert message.requested_context.classes == (MFA,)
    assert (asked.header("Location") or "").startswith("http://localhost:20001/")


def test_what_the_settings_demand_of_every_login_holds_for_a_better_one_too(
    make_core: Callable[..., Core], tmp_path: Path
) -> None:
    path = tmp_path / "access.yaml"
    path.write_text(f"""rules: [
      {{id: vault, paths: /library/vault, permit: {{any: [{{authn_context: {MFA}}}, {{authn_context: {names.KERBEROS}}}]}}}},
      {{id: desk, paths: /library/desk, permit: {{authn_context: {names.KERBEROS}}}}},
      {{id: rest, paths: /library, permit: {{authenticated: true}}}}]""")
    contexts = [names.PASSWORD_PROTECTED_TRANSPORT, names.PASSWORD, MFA]
    site = Site(make_core(access=(path,), login={"authn_contexts": contexts}))
    browser = site.browser()
    site.log_in(browser, browser.get(f"{ORIGIN}/library/"))
    asked = asked_of(browser.submit_without_following(site.handler("again"), [("target", "/library/vault")]))
    assert asked.requested_context is not None
    assert asked.requested_context.classes == (MFA,)
    # By the only means that this page wants, nobody would be let in anywhere else.
    denied = browser.get(f"{ORIGIN}/library/desk")
    assert (denied.status, button(denied)) == (403, None)
    answer = browser.submit_without_following(site.handler("again"), [("target", "/library/desk")])
    assert (answer.status, answer.header("Location")) == (303, f"{ORIGIN}/library/desk")


def test_another_site_begins_no_better_login(make_site: MakeSite) -> None:
    site = make_site(NEEDS_MFA)
    browser = site.browser()
    site.log_in(browser, browser.get(f"{ORIGIN}/library/"))
    answer = browser.submit_without_following(
        site.handler("again"), [("target", "/library/vault")], site="http://localhost:20001"
    )
    assert (answer.status, site.core.log_lines()[-1]["code"]) == (400, "sp.form_elsewhere")


def test_who_is_signed_out_meanwhile_logs_in_as_anybody_does(make_site: MakeSite) -> None:
    site = make_site(NEEDS_MFA)
    answer = site.browser().submit_without_following(site.handler("again"), [("target", "/library/vault?x")])
    assert answer.status == 303
    assert (answer.header("Location") or "").startswith("http://localhost:20000/discovery?")


OLD = Check("authn_age", "", "1:00:00", ("2:00:00",), holds=False)
DENIED = Decision(False, (Reason("access.not_met", "rule"),), obligations=(Obligation("reauthenticate", (MFA,)),))


@pytest.mark.parametrize(
    ("decision", "wishes"),
    [
        (DENIED, Wishes(authn_contexts=(MFA,))),
        (
            replace(DENIED, reasons=(Reason("access.not_met", "rule", checks=(OLD,)),)),
            Wishes(force=True, authn_contexts=(MFA,)),
        ),
        (replace(DENIED, obligations=(Obligation("reauthenticate"),)), Wishes(force=True)),
        (replace(DENIED, obligations=()), None),
        (replace(DENIED, allow=True), None),
    ],
    ids=["means", "means and age", "age", "nothing helps", "allowed"],
)
def test_what_login_would_turn_a_denial(decision: Decision, wishes: Wishes | None) -> None:
    assert step_up(decision) == wishes
