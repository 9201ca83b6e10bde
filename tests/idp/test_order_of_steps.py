"""Whoever knows nothing but a password goes straight to a later page of the sign-on: it shows and keeps nothing before its turn."""

import os
from urllib.parse import parse_qs, urlsplit

import pytest

from idp.accounts.passwords import Passwords
from idp.consent.settings import ConsentPageSettings
from idp.factors.keys import load_factor_keys
from idp.factors.settings import SecondFactorSettings
from idp.factors.store import Factors
from idp.terms.settings import TermsOfUseSettings
from tests.idp.conftest import NOW, form_of

TEXT = "Be kind."


@pytest.fixture
def strict(make_populated_home, tmp_path):
    """The organisation with a second factor, terms of use and consent. Ada and Bea have an authenticator app; Bea's password is to be
    changed."""
    (tmp_path / "factors.key").write_text("cd" * 32)
    os.chmod(tmp_path / "factors.key", 0o600)
    (tmp_path / "terms.txt").write_text(TEXT)
    home = make_populated_home(
        second_factor=SecondFactorSettings(secret_keys=(tmp_path / "factors.key",)),
        terms_of_use=TermsOfUseSettings(version="1", texts={"en": tmp_path / "terms.txt"}),
        consent=ConsentPageSettings.model_validate({"mode": "required"}),
    )
    password = Passwords(home.settings.password_hashing.parameters()).hash("right horse")
    home.people["bea"] = home.directory.create(
        "bea", password_hash=password, attributes={}, at=NOW, by="operator", must_change=True
    )
    factors = Factors(home.engine, load_factor_keys((tmp_path / "factors.key",)))
    for name in ("ada", "bea"):
        factors.add_totp(home.people[name], b"s" * 20, "phone", step=0, at=NOW, by=home.people[name])
    return home


def with_password_alone(home, library, username: str) -> str:
    """The ticket of a sign-on that waits for the second factor."""
    answer = home.whole_login(library.redirect(), username=username)
    where = urlsplit(answer.headers["Location"])
    assert where.path == "/login/second-factor"
    return parse_qs(where.query)["ticket"][0]


@pytest.mark.parametrize(
    ("username", "path"),
    [("ada", "/saml/sso/consent"), ("ada", "/saml/sso/terms"), ("bea", "/account/password/renew")],
)
def test_a_page_that_comes_later_leads_to_the_step_that_is_due(strict, library, username: str, path: str) -> None:
    ticket = with_password_alone(strict, library, username)
    answer = strict.get(f"{path}?ticket={ticket}")
    assert answer.status_code == 303
    assert urlsplit(answer.headers["Location"]).path == "/login/second-factor"
    assert strict.attribute_source.asked == []


@pytest.mark.parametrize(
    ("username", "path", "typed", "action"),
    [
        ("ada", "/saml/sso/consent", {"answer": "accept", "mode": "remember", "shown": "x"}, "consent.given"),
        ("ada", "/saml/sso/consent", {"answer": "refuse"}, "consent.refused"),
        ("ada", "/saml/sso/terms", {"answer": "refuse", "shown": "x"}, "terms.refused"),
        (
            "bea",
            "/account/password/renew",
            {"current": "right horse", "password": "tulip ladder ocean clock", "again": "tulip ladder ocean clock"},
            "person.password_set",
        ),
    ],
)
def test_a_form_that_comes_later_keeps_nothing(
    strict, library, username: str, path: str, typed: dict[str, str], action: str
) -> None:
    ticket = with_password_alone(strict, library, username)
    token = form_of(strict.get(f"/login/second-factor?ticket={ticket}")).fields["csrf_token"]
    answer = strict.post(path, {**typed, "csrf_token": token, "ticket": ticket})
    assert answer.status_code == 303
    assert urlsplit(answer.headers["Location"]).path == "/login/second-factor"
    assert strict.events(action) == []
