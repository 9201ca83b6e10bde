"""By which proofs callers are believed, and what each is good for."""

from datetime import timedelta

import pytest

from ostiary.x509.proxy import make_proxy
from tests.voms.conftest import NOW
from tests.voms_api.conftest import ApiSite
from tests.voms_tokens.conftest import HOME
from voms.administration.permissions import Permission
from voms.administration.who import Who, WhoKind
from voms.directory import FederatedIdentity

GROUP = {"path": "/testvo/new"}


def test_a_member_without_rights_sees_herself_and_nothing_else(site: ApiSite) -> None:
    assert site.as_alice("GET", "/").content["caller"]["member"] == site.alice
    assert site.as_alice("GET", f"/members/{site.alice}").status == 200
    assert site.as_alice("GET", f"/members/{site.admin_member}").problem == (403, "voms.not_allowed")
    assert site.as_alice("GET", "/members").problem == (403, "voms.not_allowed")
    assert site.as_alice("GET", "/groups").content == {"groups": [], "after": None}
    assert site.as_alice("GET", "/acl", query="group=/testvo").problem == (403, "voms.not_allowed")
    assert site.as_alice("POST", "/groups", GROUP).problem == (403, "voms.not_allowed")


def test_a_manager_of_one_group_manages_that_group_alone(site: ApiSite) -> None:
    site.desk.add_manager("/testvo/g2", Who.member(site.alice))
    assert [each["path"] for each in site.as_alice("GET", "/groups").content["groups"]] == ["/testvo", "/testvo/g2"]
    assert site.as_alice("GET", "/members", query="group=/testvo/g2").status == 200
    assert site.as_alice("GET", "/members").problem == (403, "voms.not_allowed")
    assert site.as_alice("POST", "/groups", {"path": "/testvo/g2/mine"}).status == 201
    assert site.as_alice("POST", "/groups", GROUP).problem == (403, "voms.not_allowed")
    since = "group=/testvo/g1&since=2026-11-22T00:00:00Z&until=2026-11-23T00:00:00Z"
    assert site.as_alice("GET", "/history/actors", query=since).problem == (403, "voms.not_allowed")


def test_one_who_proves_nothing_is_asked_for_a_token(site: ApiSite) -> None:
    told = site.get("/members", chain=())
    assert told.problem == (401, "voms.not_allowed")
    assert told.headers["WWW-Authenticate"] == "Bearer"


def test_one_who_proves_nothing_may_do_what_anyone_may(site: ApiSite) -> None:
    site.desk.add_manager("/testvo", Who.of_kind(WhoKind.ANYONE), Permission.CONTAINER_READ)
    assert site.get("/roles", chain=()).status == 200


def test_a_suspended_manager_may_do_nothing(site: ApiSite) -> None:
    site.desk.suspend(site.admin_member, "Away.")
    assert site.get("/").content["caller"]["barred"] is True
    assert site.get("/members").problem == (403, "voms.not_allowed")
    assert site.get("/history/members/" + site.admin_member).problem == (403, "voms.not_allowed")


def test_a_proxy_may_look_and_change_nothing(site: ApiSite) -> None:
    lifetime = timedelta(hours=12)
    chain = make_proxy(site.admin.certificates, site.admin.key, lifetime=lifetime, now=NOW, key_size="ec").ders
    assert site.get("/members", chain=chain).status == 200
    assert site.call("POST", "/groups", GROUP, chain=chain).problem == (403, "voms.api_proxy")
    told = site.tokens.by_certificate("vo.manage", chain=chain)
    assert told.problem == (400, "invalid_scope")


def test_a_token_is_good_for_what_its_scope_says(site: ApiSite) -> None:
    looks, manages = site.token("vo.read"), site.token("vo.manage")
    assert site.get("/members", token=looks).status == 200
    assert site.call("POST", "/groups", GROUP, token=looks).problem == (403, "voms.api_read_only")
    assert site.call("POST", "/groups", GROUP, token=manages).status == 201
    done = site.get("/history/changes", f"by={site.admin_member}").content["changes"]
    assert done[0]["facts"]["group"] == "/testvo/new"


def test_a_token_for_something_else_is_not_good_here(site: ApiSite) -> None:
    assert site.get("/members", token=site.token("wlcg.groups")).problem == (403, "voms.api_scope")
    elsewhere = site.tokens.by_certificate("vo.manage", chain=site.admin.ders)
    text = str(elsewhere.content["access_token"])
    assert site.get("/members", token=text).problem == (401, "voms.token_meant_for")


def test_a_token_of_another_issuer_has_to_be_exchanged_first(site: ApiSite) -> None:
    site.desk.link_identity(site.admin_member, FederatedIdentity(HOME, "sub", "alice-at-home"))
    home = site.tokens.home_token(scope="vo.manage")
    assert site.get("/members", token=home).problem == (401, "voms.api_token")
    told = site.tokens.exchange(home, "vo.read", audience="https://voms.test:15010")
    assert site.get("/members", token=str(told.content["access_token"])).status == 200


def test_a_token_ends_when_its_member_is_suspended(site: ApiSite) -> None:
    token = site.token("vo.manage")
    site.desk.suspend(site.admin_member, "Away.")
    assert site.get("/members", token=token).status in (401, 403)


@pytest.mark.parametrize("shown", ["Basic YTpi", "Bearer", "Bearer x", "bearer a.b.c", "Token a.b.c"])
def test_another_kind_of_proof_is_refused_even_beside_a_certificate(unchanged: ApiSite, shown: str) -> None:
    told = unchanged.get("/members", HTTP_AUTHORIZATION=shown)
    assert told.status == 401
    assert told.headers["WWW-Authenticate"] == "Bearer"


def test_a_page_of_another_site_moves_nobodys_browser_to_anything(unchanged: ApiSite) -> None:
    for site_of_page in ("cross-site", "same-site"):
        told = unchanged.call("DELETE", "/group", query="path=/testvo/g2", HTTP_SEC_FETCH_SITE=site_of_page)
        assert told.problem == (403, "voms.api_other_site")
    plain = unchanged.call("POST", "/groups", GROUP, CONTENT_TYPE="text/plain")
    assert plain.problem == (400, "voms.api_content_type")
