"""A token for a token: one's own for a narrower one, or that of a home organisation for the VO's."""

import pytest
from sqlalchemy import Engine, update

from ostiary.tokens import sign_token
from tests.voms.conftest import NOW
from tests.voms_tokens.conftest import HOME, ISSUER, OTHER, SIGNER, STORAGE, TokenSite
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.directory import FederatedIdentity
from voms.tables import vo_issued
from voms.tokens.asked import ACCESS_TOKEN

MOMENT = int(NOW.timestamp())


def link(site: TokenSite) -> None:
    identity = FederatedIdentity(HOME, "sub", "alice-at-home")
    site.grid.vo.directory.link_identity(site.grid.vo.alice, identity, at=NOW, by="operator")


def test_ones_own_token_is_exchanged_for_one_with_fewer_groups(unchanged: TokenSite) -> None:
    own = unchanged.own_token("wlcg.groups wlcg.groups:/testvo/pilot wlcg.groups:/testvo/g1/admin")
    told = unchanged.exchange(own, "wlcg.groups:/testvo/pilot")
    assert told.status == 200
    assert told.content["issued_token_type"] == ACCESS_TOKEN
    assert told.claims["aud"] == STORAGE
    assert told.claims["wlcg.groups"][0] == "/testvo/pilot"
    assert "/testvo/g1/admin" not in told.claims["wlcg.groups"]


def test_without_a_scope_it_states_what_the_first_one_did(unchanged: TokenSite) -> None:
    told = unchanged.exchange(unchanged.own_token("wlcg.groups:/testvo/pilot vo.read"))
    assert told.content["scope"] == "wlcg.groups:/testvo/pilot wlcg.groups vo.read"


@pytest.mark.parametrize("more", ["wlcg.groups:/testvo/pilot", "vo.manage", "storage.read:/", "vo.attributes"])
def test_it_never_states_more(site: TokenSite, more: str) -> None:
    site.grid.vo.directory.set_attribute("storage.read", "/", group="/testvo", at=NOW, by="operator")
    assert site.by_certificate(more).status == 200
    told = site.exchange(site.own_token("wlcg.groups storage.read:/data"), more)
    assert told.problem == (400, "invalid_scope")
    assert site.logged()[-1]["code"] == "voms.token_wider"


def test_capabilities_become_narrower_paths(site: TokenSite) -> None:
    directory = site.grid.vo.directory
    directory.set_attribute("storage.modify", "/data", group="/testvo/g1", role="admin", at=NOW, by="operator")
    own = site.own_token("storage.modify:/data")
    assert site.exchange(own, "storage.create:/data/x").claims["scope"] == "storage.create:/data/x"
    assert site.exchange(own, "wlcg.groups").problem == (400, "invalid_scope")


def test_a_capability_of_a_role_that_is_not_listed_survives_the_exchange(site: TokenSite) -> None:
    directory = site.grid.vo.directory
    directory.set_attribute("storage.modify", "/data", group="/testvo/g1", role="admin", at=NOW, by="operator")
    own = site.own_token("wlcg.groups storage.modify:/data")
    assert site.exchange(own).content["scope"] == "wlcg.groups storage.modify:/data"


def test_it_ends_when_the_first_one_does(site: TokenSite) -> None:
    own = site.own_token()
    site.grid.clock.forward(minutes=45)
    assert site.exchange(own).content["expires_in"] == 900


def test_what_she_lost_in_between_is_gone(site: TokenSite) -> None:
    own = site.own_token()
    site.grid.vo.directory.leave(site.grid.vo.alice, "/testvo/g2", at=NOW, by="operator")
    assert "/testvo/g2" not in site.exchange(own).claims["wlcg.groups"]


def test_a_group_that_she_joined_in_between_does_not_come_in(site: TokenSite) -> None:
    directory = site.grid.vo.directory
    own = site.own_token()
    directory.add_group("/testvo/g3", at=NOW, by="operator")
    directory.join(site.grid.vo.alice, "/testvo/g3", at=NOW, by="operator")
    assert "/testvo/g3" not in site.exchange(own).claims["wlcg.groups"]


def test_a_token_for_somebody_else_is_good_for_nothing_here(unchanged: TokenSite) -> None:
    """A storage service that got it can't make one for another storage service of it."""
    token = str(unchanged.by_certificate("wlcg.groups").content["access_token"])
    assert unchanged.exchange(token).problem == (400, "invalid_request")
    assert unchanged.logged()[-1]["code"] == "voms.token_meant_for"


def test_a_revoked_token_is_refused(site: TokenSite, engine: Engine) -> None:
    own = site.own_token()
    with engine.begin() as connection:
        connection.execute(update(vo_issued).values(revoked_at=NOW, revoked_for="suspended"))
    assert site.exchange(own).problem == (400, "invalid_request")
    assert site.logged()[-1]["code"] == "voms.token_revoked"


def test_a_token_that_we_signed_but_never_recorded_is_refused(unchanged: TokenSite) -> None:
    claims = {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": unchanged.grid.vo.alice,
        "jti": "0" * 32,
        "iat": MOMENT,
        "exp": MOMENT + 60,
    }
    assert unchanged.exchange(sign_token(claims, SIGNER)).problem == (400, "invalid_request")


def test_a_home_organisations_token_is_exchanged_for_the_vos(site: TokenSite) -> None:
    link(site)
    told = site.exchange(site.home_token(), "wlcg.groups")
    assert told.claims["sub"] == site.grid.vo.alice
    assert told.claims["wlcg.groups"] == ["/testvo", "/testvo/g1", "/testvo/g1/sub", "/testvo/g2"]
    assert told.content["expires_in"] == 1800


def test_whom_the_vo_does_not_know_gets_nothing(site: TokenSite) -> None:
    told = site.exchange(site.home_token())
    assert told.problem == (400, "invalid_request")
    assert told.content["error_description"] == "testvo: User unknown to this VO."


def test_a_suspended_member_gets_nothing_in_exchange(site: TokenSite) -> None:
    link(site)
    site.grid.vo.directory.suspend(site.grid.vo.alice, "Away.", at=NOW, by="operator")
    assert site.exchange(site.home_token()).problem == (400, "invalid_request")


def test_the_keys_of_a_trusted_issuer_vouch_for_nobody_elses_tokens(unchanged: TokenSite) -> None:
    """The home organisation can't sign a token of the VO itself."""
    claims = {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": unchanged.grid.vo.alice,
        "jti": "1",
        "iat": MOMENT,
        "exp": MOMENT + 60,
    }
    assert unchanged.exchange(sign_token(claims, OTHER)).problem == (400, "invalid_request")
    assert unchanged.logged()[-1]["code"] == "token.key"


def test_what_she_got_by_a_login_ends_when_that_is_hers_no_longer(site: TokenSite) -> None:
    link(site)
    own = site.own_token()
    got = str(site.exchange(site.home_token(), "wlcg.groups vo.manage", audience=ISSUER).content["access_token"])
    identity = FederatedIdentity(HOME, "sub", "alice-at-home")
    Desk(site.engine, "testvo", OPERATOR, NOW).unlink_identity(site.grid.vo.alice, identity)
    assert site.exchange(got).problem == (400, "invalid_request")
    assert site.logged()[-1]["code"] == "voms.token_revoked"
    assert site.exchange(own).status == 200
