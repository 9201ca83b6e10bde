"""The login page: what it offers, what it tells to whom, and what comes of tickets, certificates and the word of a web server in front."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lxml import html

from idp.login.kerberos import AcceptedTicket, KerberosLogin
from idp.login.ldap import LdapLogin, LdapNames
from idp.login.mapping import Home
from idp.login.methods import EmbeddedNames
from idp.login.opening import Means, open_login
from idp.login.settings import LoginSettings
from idp.people import OpenedPeople
from idp.settings import ThrottleSettings
from ostiary.clock import SystemClock
from ostiary.config import Sources, networks
from ostiary.errors import Unavailable
from ostiary.ldap.filters import read_filter
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.settings import LdapSettings
from ostiary.saml import names
from ostiary.saml.protocol import RequestedAuthnContext
from ostiary.storage.memory import MemoryReplayStore
from ostiary.web.connection import PEER_CHAIN
from ostiary.web.log import make_log
from tests.ldap_directory import BASE, MemoryDirectory
from tests.x509.authorities import root

SITE = "http://localhost:8001"
CA = root()
WRONG = "That user name and password do not go together."
SECRET = "0123456789abcdef"


class KnownTickets:
    """Opens tickets that are the names of their principals."""

    def accept(self, token: bytes) -> AcceptedTicket | str:
        if not token.startswith(b"ticket of "):
            return "Invalid token was supplied"
        return AcceptedTicket(token.removeprefix(b"ticket of ").decode(), b"it is us")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """What the settings of methods name: a CA directory, a keytab that nobody opens, a shared secret."""
    (tmp_path / "ca").mkdir()
    CA.install(tmp_path / "ca", crl=CA.crl())
    for name, content in (("http.keytab", ""), ("front.secret", SECRET)):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    return tmp_path


METHODS = {
    "password": {"type": "password"},
    "kerberos": {"type": "kerberos", "keytab": "http.keytab", "realms": {"EXAMPLE.ORG": "{name}"}},
    "certificate": {
        "type": "certificate",
        "ca_directory": "ca",
        "rules": [{"field": "uid"}],
        "from_front_end": {"addresses": ["192.0.2.80"]},
    },
    "front_end": {"type": "front_end", "secret_header": "FrontSecret", "secret_file": "front.secret"},
}


@pytest.fixture
def make_with(make_home, engine, directory, files: Path) -> Callable[..., object]:
    """A home with Ada (active) and Bob (disabled), and these methods. Tickets are opened by `KnownTickets`."""

    def make(*wanted: str, kerberos_networks: tuple[str, ...] = (), **changes: object):
        methods = [METHODS[name] for name in wanted]
        login = LoginSettings.model_validate({"methods": methods, **changes}, context={"directory": files})
        plain = make_home()
        without_kerberos = login.model_copy(
            update={"methods": tuple(method for method in login.methods if method.type != "kerberos")}
        )

        def watch(load):
            value = load(Sources())
            return lambda: value

        log = make_log(SystemClock(), service="idp")
        means = Means(
            engine, plain.settings.password_hashing.passwords, lambda _: None, watch, MemoryReplayStore(), log
        )
        opened = open_login(plain.settings.people, without_kerberos, means)
        if "kerberos" in wanted:
            home = Home(EmbeddedNames(directory), directory)
            kerberos = KerberosLogin(
                KnownTickets(), {"EXAMPLE.ORG": "{name}"}, networks(kerberos_networks), home, MemoryReplayStore()
            )
            opened = replace(opened, ambient=(kerberos, *opened.ambient))
        made = make_home(opened, login=login)
        hashed = made.settings.password_hashing.passwords().hash("right horse")
        for name in ("ada", "bob"):
            made.people[name] = directory.create(
                name, password_hash=hashed, attributes={}, at=made.clock.now(), by="operator"
            )
        directory.disable(made.people["bob"], at=made.clock.now(), by="operator")
        return made

    return make


def text_of(page) -> str:
    return html.document_fromstring(page.get_data(as_text=True)).text_content()


def links_of(page) -> dict[str, str]:
    document = html.document_fromstring(page.get_data(as_text=True))
    return {" ".join(link.text_content().split()): link.get("href") for link in document.iter("a")}


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def get(home, url: str, **headers: str):
    return home.client.get(path_of(url), base_url=SITE, headers=headers)


def is_response(page) -> bool:
    return page.status_code == 200 and 'name="SAMLResponse"' in page.get_data(as_text=True)


def ticket_of(client: str = "ada@EXAMPLE.ORG") -> str:
    return "Negotiate " + base64.b64encode(f"ticket of {client}".encode()).decode()


def login_page(home, library, **changes: object):
    return home.follow(home.get(library.redirect(**changes)))


# What the page offers


def test_the_page_links_to_the_other_methods(make_with, library) -> None:
    page = login_page(make_with("password", "kerberos", "certificate", "front_end"), library)
    assert set(links_of(page)) >= {
        "Sign in with Kerberos",
        "Sign in with a certificate",
        "Sign in through your organisation's web login",
    }
    assert "Other ways to sign in" in text_of(page)
    document = html.document_fromstring(page.get_data(as_text=True))
    assert set(document.forms[0].fields) == {"csrf_token", "ticket", "username", "password", "shared"}


def test_a_page_with_the_password_alone_has_no_other_ways(make_with, library) -> None:
    page = login_page(make_with("password"), library)
    assert "ways to sign in" not in text_of(page)


def test_without_passwords_there_is_no_form_and_none_is_taken(make_with, library) -> None:
    home = make_with("kerberos")
    page = login_page(home, library)
    document = html.document_fromstring(page.get_data(as_text=True))
    assert document.forms == []
    assert "Ways to sign in" in text_of(page)
    assert home.post("/saml/sso/login", {"ticket": "x", "username": "ada", "password": "right horse"}).status_code in (
        400,
        403,
        405,
    )


def test_where_the_address_of_certificates_is_another_port_the_link_leads_there(make_home, make_with, library) -> None:
    home = make_with("password", "certificate")
    assert links_of(login_page(home, library))["Sign in with a certificate"].startswith(
        f"{SITE}/saml/sso/login/certificate?ticket="
    )


def test_only_methods_that_lead_to_what_was_asked_for_are_offered(make_with, library) -> None:
    home = make_with("password", "kerberos", "certificate", "front_end")
    wanted = RequestedAuthnContext((names.TLS_CLIENT,))
    links = links_of(login_page(home, library, requested_context=wanted))
    assert "Sign in with a certificate" in links
    assert "Sign in with Kerberos" not in links
    assert "Sign in through your organisation's web login" not in links


def test_a_login_that_has_to_be_made_anew_is_not_offered_by_what_rests_on_an_earlier_one(make_with, library) -> None:
    home = make_with("password", "kerberos", "certificate", "front_end", kerberos_networks=("127.0.0.0/8",))
    page = login_page(home, library, force_authn=True)
    assert page.status_code == 200
    assert "Sign in with Kerberos" not in links_of(page)
    assert "Sign in with a certificate" in links_of(page)
    ticket = html.document_fromstring(page.get_data(as_text=True)).forms[0].fields["ticket"]
    answer = get(home, f"/saml/sso/login/negotiate?ticket={ticket}", Authorization=ticket_of())
    assert answer.status_code == 303
    assert home.session_cookie() is None


def test_where_nothing_can_make_it_anew_the_resource_is_told(make_with, library) -> None:
    home = make_with("kerberos")
    page = login_page(home, library, force_authn=True)
    assert 'name="SAMLResponse"' in page.get_data(as_text=True)
    assert home.session_cookie() is None


# Kerberos


def test_a_browser_with_a_ticket_gets_in_and_learns_that_it_is_us(make_with, library) -> None:
    home = make_with("password", "kerberos")
    link = links_of(login_page(home, library))["Sign in with Kerberos"]
    challenge = get(home, link)
    assert (challenge.status_code, challenge.headers["WWW-Authenticate"]) == (401, "Negotiate")
    page = get(home, link, Authorization=ticket_of())
    assert is_response(page)
    assert page.headers["WWW-Authenticate"] == "Negotiate " + base64.b64encode(b"it is us").decode()
    assert home.accept(page, library).name_id.value
    assert [event.facts["by"] for event in home.events("login.succeeded")] == ["kerberos"]


def test_the_challenge_shows_the_form_which_works(make_with, library) -> None:
    home = make_with("password", "kerberos")
    challenge = get(home, links_of(login_page(home, library))["Sign in with Kerberos"])
    assert home.accept(home.log_in(challenge), library).name_id.value


def test_browsers_inside_are_asked_at_once(make_with, library) -> None:
    home = make_with("password", "kerberos", kerberos_networks=("127.0.0.0/8",))
    page = login_page(home, library)
    assert (page.status_code, page.headers["WWW-Authenticate"]) == (401, "Negotiate")
    assert is_response(home.log_in(page))


def test_browsers_elsewhere_are_not(make_with, library) -> None:
    home = make_with("password", "kerberos", kerberos_networks=("10.0.0.0/8",))
    page = login_page(home, library)
    assert page.status_code == 200
    assert "WWW-Authenticate" not in page.headers


@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        (ticket_of("eve@EXAMPLE.ORG"), "there is no account here that belongs to you"),
        (ticket_of("ada@OTHER.ORG"), "there is no account here that belongs to you"),
        (ticket_of("bob@EXAMPLE.ORG"), "This account is switched off."),
        ("Negotiate YWJj", "Your Kerberos ticket could not be used."),
        ("Negotiate TlRMTVNTUAABAAAA", "Your browser did not show a Kerberos ticket."),
        ("Basic YWRhOnJpZ2h0IGhvcnNl", "Your browser did not show a Kerberos ticket."),
    ],
)
def test_a_ticket_that_lets_nobody_in_leads_back_to_the_form(make_with, library, authorization: str, told: str) -> None:
    home = make_with("password", "kerberos")
    page = get(home, links_of(login_page(home, library))["Sign in with Kerberos"], Authorization=authorization)
    assert page.status_code == 401
    assert told in text_of(page)
    assert home.session_cookie() is None
    form = get(home, links_of(page)["Sign in another way"])
    assert is_response(home.log_in(form))


def test_a_failed_ticket_is_in_the_audit_under_its_reference(make_with, library) -> None:
    home = make_with("password", "kerberos")
    page = get(
        home, links_of(login_page(home, library))["Sign in with Kerberos"], Authorization=ticket_of("bob@EXAMPLE.ORG")
    )
    [event] = home.events("login.failed")
    assert (event.facts["by"], event.facts["reason"], event.person) == ("kerberos", "disabled", home.people["bob"])
    assert event.reference in text_of(page)


def test_tickets_of_one_address_are_limited(make_with, library) -> None:
    home = make_with("password", "kerberos")
    link = links_of(login_page(home, library))["Sign in with Kerberos"]
    statuses = [get(home, link, Authorization="Negotiate YWJj").status_code for _ in range(101)]
    assert statuses == [401] * 100 + [429]
    # Being asked costs nothing.
    home.clock.move(timedelta(minutes=1))
    assert {get(home, link).status_code for _ in range(101)} == {401}
    assert is_response(get(home, link, Authorization=ticket_of()))


# Certificates


def with_certificate(home, url: str, name: str):
    chain = CA.issue(f"/C=ZZ/O=HV Test/UID={name}").ders
    return home.client.get(path_of(url), base_url=SITE, environ_overrides={PEER_CHAIN: chain})


def test_a_certificate_of_the_connection_logs_in(make_with, library) -> None:
    home = make_with("password", "certificate")
    link = links_of(login_page(home, library))["Sign in with a certificate"]
    page = with_certificate(home, link, "ada")
    accepted = home.accept(page, library)
    assert accepted.authn.context_class == names.TLS_CLIENT


@pytest.mark.parametrize(
    ("name", "told"),
    [("eve", "there is no account here that belongs to you"), ("bob", "This account is switched off.")],
)
def test_a_certificate_of_nobody_here_leads_back_to_the_form(make_with, library, name: str, told: str) -> None:
    home = make_with("password", "certificate")
    page = with_certificate(home, links_of(login_page(home, library))["Sign in with a certificate"], name)
    assert page.status_code == 401
    assert told in text_of(page)
    assert "UID" not in text_of(page)
    assert home.session_cookie() is None
    assert is_response(home.log_in(get(home, links_of(page)["Sign in another way"])))


def test_without_a_certificate_the_page_says_what_to_do(make_with, library) -> None:
    home = make_with("password", "certificate")
    page = get(home, links_of(login_page(home, library))["Sign in with a certificate"], ClientCert="AAAA")
    assert page.status_code == 401
    assert "Your browser did not show a certificate." in text_of(page)
    assert home.events("login.failed") == []


# A web server in front


def test_the_web_server_in_front_says_who_it_is_before_any_form_is_shown(make_with, library) -> None:
    home = make_with("password", "front_end")
    said = {"RemoteUser": "ada", "FrontSecret": SECRET}
    page = home.client.get(library.redirect(), base_url=SITE, headers=said)
    while page.status_code == 303:
        page = get(home, page.headers["Location"], **said)
    assert home.accept(page, library).name_id.value
    assert [event.facts["by"] for event in home.events("login.succeeded")] == ["front_end"]


@pytest.mark.parametrize("secret", ["", "wrong", SECRET + "0", None])
def test_anybody_else_who_says_so_finds_the_form(make_with, library, secret: str | None) -> None:
    home = make_with("password", "front_end")
    said = {"RemoteUser": "ada"} if secret is None else {"RemoteUser": "ada", "FrontSecret": secret}
    link = links_of(login_page(home, library))["Sign in through your organisation's web login"]
    page = get(home, link, **said)
    assert page.status_code == 401
    assert "web login did not say who you are" in text_of(page)
    assert home.session_cookie() is None
    assert get(home, links_of(page)["Sign in another way"], **said).status_code == 200


def test_who_is_nobody_here_for_a_method_that_is_tried_at_once_still_reaches_the_form(make_with, library) -> None:
    home = make_with("password", "kerberos", "front_end", kerberos_networks=("127.0.0.0/8",))
    said = {"RemoteUser": "eve", "FrontSecret": SECRET, "Authorization": ticket_of("eve@EXAMPLE.ORG")}
    page = home.client.get(library.redirect(), base_url=SITE, headers=said)
    while page.status_code == 303:
        page = get(home, page.headers["Location"], **said)
    assert "there is no account here that belongs to you" in text_of(page)
    form = get(home, links_of(page)["Sign in another way"], **said)
    assert form.status_code == 200
    assert is_response(home.log_in(form))


# Every address


ADDRESSES = ["/saml/sso/login", "/saml/sso/login/negotiate", "/saml/sso/login/certificate", "/saml/sso/login/front-end"]


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?ticket=", 400),
        ("?ticket=a&ticket=b", 400),
        (f"?ticket={'A' * 65}", 400),
        (f"?ticket={'A' * 43}", 400),
        ("?ticket=%ff", 400),
    ],
)
def test_no_address_does_anything_without_a_good_ticket(make_with, path: str, query: str, status: int) -> None:
    home = make_with("password", "kerberos", "certificate", "front_end")
    page = get(
        home, f"{path}?" if not query else path + query, Authorization=ticket_of(), RemoteUser="ada", FrontSecret=SECRET
    )
    assert page.status_code == status
    assert home.session_cookie() is None


@pytest.mark.parametrize("path", ADDRESSES[1:])
def test_a_ticket_of_another_browser_is_refused(make_with, library, path: str) -> None:
    home = make_with("password", "kerberos", "certificate", "front_end")
    ticket = html.document_fromstring(login_page(home, library).get_data(as_text=True)).forms[0].fields["ticket"]
    stranger = home.make_client()
    headers = {"Authorization": ticket_of(), "RemoteUser": "ada", "FrontSecret": SECRET}
    page = stranger.get(f"{path}?ticket={ticket}", base_url=SITE, headers=headers)
    assert page.status_code == 400
    assert home.events("login.succeeded") == []


@pytest.mark.parametrize("path", ADDRESSES[1:])
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
def test_only_a_get_logs_in(make_with, library, path: str, method: str) -> None:
    home = make_with("password", "kerberos", "certificate", "front_end")
    ticket = html.document_fromstring(login_page(home, library).get_data(as_text=True)).forms[0].fields["ticket"]
    headers = {"Authorization": ticket_of(), "RemoteUser": "ada", "FrontSecret": SECRET, "Origin": SITE}
    page = home.client.open(f"{path}?ticket={ticket}", method=method, base_url=SITE, headers=headers)
    assert page.status_code in (400, 403, 405)
    assert home.session_cookie() is None


@pytest.mark.parametrize(
    ("query", "status"), [("by=other", 200), ("by=", 200), ("by=form&by=form", 400), (f"by={'f' * 9}", 400)]
)
def test_the_wish_for_a_form_is_bounded(make_with, library, query: str, status: int) -> None:
    home = make_with("password")
    ticket = html.document_fromstring(login_page(home, library).get_data(as_text=True)).forms[0].fields["ticket"]
    assert get(home, f"/saml/sso/login?ticket={ticket}&{query}").status_code == status


@pytest.mark.parametrize("shared", ["yes", "no", "", "YES"])
def test_the_box_for_shared_computers_may_say_anything_short(make_with, library, shared: str) -> None:
    home = make_with("password")
    assert is_response(home.log_in(login_page(home, library), shared=shared))


def test_the_box_for_shared_computers_is_bounded(make_with, library) -> None:
    home = make_with("password")
    assert home.log_in(login_page(home, library), shared="y" * 9).status_code == 400


# Account states


@pytest.fixture
def in_ldap() -> MemoryDirectory:
    filled = MemoryDirectory()
    for name, state in (
        ("ada", "accepted"),
        ("cyd", "inactive"),
        ("dora", "password_expired"),
        ("emil", "must_change"),
        ("fay", "expired"),
        ("gus", "not_now"),
        ("hal", "locked"),
    ):
        filled.add(name).state = state  # type: ignore[assignment]
    return filled


@pytest.fixture
def at_ldap(make_home, in_ldap: MemoryDirectory):
    people = LdapPeople(
        in_ldap, LdapSettings.model_validate({"servers": ["ldap://localhost"], "base_dn": BASE, "remember": "0s"})
    )
    wanted = read_filter("(uid={login})")
    login = LoginSettings.model_validate({"password_change_url": "https://password.example.org/"})
    return make_home(OpenedPeople(LdapNames(people, wanted), LdapLogin(people, wanted)), login=login)


@pytest.mark.parametrize(
    ("name", "told", "reason"),
    [
        ("cyd", "This account is switched off.", "disabled"),
        ("dora", "Your password has expired.", "password_expired"),
        ("emil", "You have to change your password before you can sign in.", "must_change"),
        ("fay", "This account has expired.", "expired"),
        ("gus", "This account may not sign in at this time, or not from here.", "not_now"),
    ],
)
def test_whoever_has_the_right_password_learns_what_is_wrong_with_the_account(
    at_ldap, library, name: str, told: str, reason: str
) -> None:
    page = at_ldap.whole_login(library.redirect(), username=name)
    assert page.status_code == 401
    assert told in text_of(page)
    assert [event.facts["reason"] for event in at_ldap.events("login.failed")] == [reason]
    assert at_ldap.session_cookie() is None


@pytest.mark.parametrize("name", ["cyd", "dora", "emil", "fay", "gus", "hal", "eve"])
def test_whoever_has_not_learns_nothing(at_ldap, library, name: str) -> None:
    page = at_ldap.whole_login(library.redirect(), username=name, password="wrong")
    assert page.status_code == 401
    assert WRONG in text_of(page)


@pytest.mark.parametrize(("name", "linked"), [("dora", True), ("emil", True), ("cyd", False), ("fay", False)])
def test_who_has_to_change_the_password_is_shown_where(at_ldap, library, name: str, linked: bool) -> None:
    page = at_ldap.whole_login(library.redirect(), username=name)
    assert ("Change your password" in links_of(page)) is linked
    if linked:
        assert links_of(page)["Change your password"] == "https://password.example.org/"


def test_a_lock_is_told_only_in_a_browser_that_she_used_before(at_ldap, in_ldap: MemoryDirectory, library) -> None:
    assert is_response(at_ldap.whole_login(library.redirect()))
    in_ldap.entries[0].state = "locked"
    page = at_ldap.log_in(login_page(at_ldap, library, force_authn=True, id="_request2"))
    assert "This account is locked for a while" in text_of(page)
    stranger = replace(at_ldap, client=at_ldap.make_client())
    assert WRONG in text_of(stranger.log_in(login_page(stranger, library, id="_request3")))


def test_a_directory_that_is_down_shows_the_form_once_more_with_a_way_back(
    at_ldap, in_ldap: MemoryDirectory, library
) -> None:
    form = login_page(at_ldap, library)
    in_ldap.failing = Unavailable("ldap.down", expected="a server", found="none")
    page = at_ldap.log_in(form)
    assert page.status_code == 503
    assert "It is not about your password." in text_of(page)
    assert WRONG not in text_of(page)
    assert 'value="ada"' in page.get_data(as_text=True)
    assert "right horse" not in page.get_data(as_text=True)
    in_ldap.failing = None
    again = get(at_ldap, links_of(page)["Try again"])
    assert is_response(at_ldap.log_in(again))


# Known browsers


def guess(home, form, address: str, username: str = "ada") -> int:
    typed = {
        **dict(html.document_fromstring(form.get_data(as_text=True)).forms[0].fields),
        "username": username,
        "password": "wrong",
    }
    typed.pop("shared", None)
    answer = home.client.post("/saml/sso/login", data=typed, base_url=SITE, environ_overrides={"REMOTE_ADDR": address})
    return answer.status_code


LIMITED = ThrottleSettings(per_name=5, for_new_addresses=0)


def known_cookie(home) -> str | None:
    return next((cookie.value for cookie in home.client._cookies.values() if "-known-" in cookie.key), None)


@pytest.fixture
def limited(make_home, directory):
    home = make_home(throttle=LIMITED)
    hashed = home.settings.password_hashing.passwords().hash("right horse")
    directory.create("ada", password_hash=hashed, attributes={}, at=home.clock.now(), by="operator")
    return home


def test_strangers_who_use_up_a_name_do_not_keep_its_owner_out_of_her_browser(limited, library) -> None:
    assert is_response(limited.whole_login(library.redirect()))
    stranger = replace(limited, client=limited.make_client())
    form = login_page(stranger, library, id="_request2")
    assert [guess(stranger, form, f"198.51.100.{number}") for number in range(7)] == [401] * 5 + [429] * 2
    assert stranger.log_in(form).status_code == 429
    assert is_response(limited.log_in(login_page(limited, library, id="_request3", force_authn=True)))


def test_a_browser_that_she_used_before_is_not_known_for_other_names(limited, library) -> None:
    limited.whole_login(library.redirect())
    form = login_page(limited, library, id="_request2", force_authn=True)
    assert [guess(limited, form, f"198.51.100.{number}", "bob") for number in range(7)] == [401] * 5 + [429] * 2


def test_a_shared_computer_is_not_remembered(limited, library) -> None:
    assert is_response(limited.log_in(login_page(limited, library), shared="yes"))
    assert known_cookie(limited) is None


def test_the_mark_of_a_browser_names_nobody_and_lasts_half_a_year(limited, library) -> None:
    answer = limited.log_in(login_page(limited, library))
    [header] = [value for value in answer.headers.getlist("Set-Cookie") if "-known-" in value]
    assert "ada" not in header
    assert "HttpOnly; SameSite=Lax; Max-Age=15552000" in header


def test_a_wrong_password_leaves_no_mark(limited, library) -> None:
    limited.log_in(login_page(limited, library), password="wrong")
    assert known_cookie(limited) is None


def test_no_browser_is_remembered_where_that_is_switched_off(make_with, library) -> None:
    home = make_with("password", known_browsers=False)
    assert is_response(home.whole_login(library.redirect()))
    assert known_cookie(home) is None
