"""The Flask shell: error pages, limits, host check, CSRF, headers, health, files."""

import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Response, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ostiary.errors import ConfigurationError, Denied, OstiaryError, Refusal, TooMany, Unavailable
from ostiary.web import csrf, incoming
from ostiary.web.forms import one
from ostiary.web.log import make_log
from ostiary.web.pages import Pages
from ostiary.web.service import auto_post, make_service, page, public_url_for
from ostiary.web.texts import Catalogue

URL = "https://login.example.org"
NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)


class Still:
    def now(self) -> datetime:
        return NOW


class House:
    """A service with a route of each kind, its client and its log."""

    def __init__(self, public_url: str = URL, **options: Any) -> None:
        self.stream = io.StringIO()
        log = make_log(Still(), service="test", stream=self.stream)
        self.app = make_service(
            "house",
            service_name="The lodge",
            pages=Pages(Catalogue.load()),
            public_url=public_url,
            log=log,
            clock=Still(),
            secret=b"s" * 32,
            **options,
        )
        self.app.add_url_rule("/form", view_func=show_form)
        self.app.add_url_rule("/change", view_func=change, methods=["POST"])
        self.app.add_url_rule("/acs", view_func=acs, methods=["POST"])
        self.app.add_url_rule("/fail/<kind>", view_func=fail)
        self.app.add_url_rule("/out", view_func=out)
        self.app.add_url_rule("/client", view_func=client_address)
        self.url = public_url
        self.client: FlaskClient = self.app.test_client()

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, base_url=self.url, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.client.post(path, base_url=self.url, **options)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def show_form() -> Response:
    return page("notice.html", title="Form", message=csrf.csrf_field())


def change() -> str:
    return f"changed to {one(incoming.form(), 'name')}"


@csrf.cross_site
def acs() -> str:
    return one(incoming.form(), "SAMLResponse")


def fail(kind: str) -> str:
    errors: dict[str, OstiaryError] = {
        "refusal": Refusal(
            "http.parameter_missing", expected="expected-secret", found="found-secret", name="RelayState"
        ),
        "denied": Denied("csrf.token"),
        "many": TooMany("http.other", retry_after=42),
        "unavailable": Unavailable("http.other"),
        "configuration": ConfigurationError("web.asset", file="/etc/ostiary/private.yaml", line=3),
    }
    if kind in errors:
        raise errors[kind]
    raise RuntimeError("boom-secret")


def out() -> Response:
    return auto_post("https://sp.example.org/acs", [("SAMLResponse", "PHg+")], destination="the library")


def client_address() -> str:
    return f"{request.remote_addr} {public_url_for('show_form')}"


@pytest.fixture
def house() -> House:
    return House()


def token_and_cookie(house: House) -> tuple[str, str]:
    answer = house.get("/form")
    field = re.search(r"value=&#34;([0-9a-f]{64})&#34;|value=\"([0-9a-f]{64})\"", answer.text)
    assert field is not None
    return field[1] or field[2], answer.headers["Set-Cookie"]


# --- errors


def test_a_refusal_is_a_page_with_message_remedy_and_reference_and_one_log_line_with_the_details(house: House) -> None:
    answer = house.get("/fail/refusal")
    assert answer.status_code == 400
    assert answer.content_type == "text/html; charset=utf-8"
    text = BeautifulSoup(answer.text, "html.parser").get_text(" ", strip=True)
    assert "A part of the request is missing: RelayState." in text
    assert "secret" not in answer.text
    (line,) = house.lines()
    assert line["reference"] in text
    assert (line["code"], line["expected"], line["found"]) == (
        "http.parameter_missing",
        "expected-secret",
        "found-secret",
    )
    assert (line["level"], line["status"], line["path"]) == ("info", 400, "/fail/refusal")


def test_a_crash_is_a_500_page_whose_traceback_is_only_in_the_log(house: House) -> None:
    answer = house.get("/fail/crash")
    assert answer.status_code == 500
    assert "boom-secret" not in answer.text
    assert "Traceback" not in answer.text
    (line,) = house.lines()
    assert line["reference"] in answer.text
    assert line["traceback"][-1] == "RuntimeError: boom-secret"


def test_a_stranger_does_not_see_the_paths_of_a_configuration_error(house: House) -> None:
    answer = house.get("/fail/configuration")
    assert answer.status_code == 500
    assert "/etc/ostiary" not in answer.text
    assert house.lines()[0]["params"]["file"] == "/etc/ostiary/private.yaml"


@pytest.mark.parametrize(("kind", "status"), [("denied", 403), ("many", 429), ("unavailable", 503)])
def test_each_kind_of_error_has_its_status(house: House, kind: str, status: int) -> None:
    assert house.get(f"/fail/{kind}").status_code == status


def test_too_many_attempts_say_when_to_come_back(house: House) -> None:
    assert house.get("/fail/many").headers["Retry-After"] == "42"


def test_a_program_that_prefers_json_gets_json(house: House) -> None:
    answer = house.get("/fail/refusal", headers={"Accept": "application/json"})
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["error"]["code"] == "http.parameter_missing"
    assert answer.json["error"]["reference"] == house.lines()[0]["reference"]
    assert "secret" not in answer.text


@pytest.mark.parametrize("accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", ""])
def test_a_browser_gets_a_page(house: House, accept: str) -> None:
    assert house.get("/fail/refusal", headers={"Accept": accept}).mimetype == "text/html"


def test_an_unknown_address_and_a_wrong_method_have_the_same_page(house: House) -> None:
    missing = house.get("/nowhere")
    assert missing.status_code == 404
    assert "There is no page at this address." in missing.text
    wrong = house.get("/change")
    assert wrong.status_code == 405
    assert wrong.headers["Allow"] == "OPTIONS, POST"
    assert "This address does not answer this kind of request." in wrong.text


# --- limits


def test_a_body_above_the_limit_is_refused_before_it_is_read() -> None:
    house = House(max_body=100)
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert house.post("/acs", data="SAMLResponse=" + "x" * 87, **form).text == "x" * 87
    stream = io.BytesIO(b"SAMLResponse=" + b"x" * 88)
    answer = house.post("/acs", input_stream=stream, content_length=101, **form)
    assert answer.status_code == 413
    assert stream.tell() == 0


def test_a_body_that_does_not_tell_its_length_is_stopped_at_the_limit() -> None:
    house = House(max_body=100)
    stream = io.BytesIO(b"SAMLResponse=" + b"x" * 100_000)
    answer = house.post(
        "/acs",
        input_stream=stream,
        content_type="application/x-www-form-urlencoded",
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )
    assert answer.status_code == 413
    assert stream.tell() < 100_000


# --- host


@pytest.mark.parametrize("host", ["login.example.org", "LOGIN.example.org", "login.example.org:443"])
def test_the_public_host_is_served(house: House, host: str) -> None:
    assert house.get("/form", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "login.example.org:8443", "login.example.org.evil.example", "", "login.example.org@evil"]
)
def test_another_host_is_refused(house: House, host: str) -> None:
    answer = house.get("/form", headers={"Host": host})
    assert answer.status_code == 400
    assert house.lines()[0]["code"] == "http.host"
    assert "evil" not in answer.text


def test_no_forwarded_header_changes_host_or_client_by_default(house: House) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    assert house.get("/client", headers=forged).text == "127.0.0.1 https://login.example.org/form"


def test_a_proxy_that_nobody_configured_is_warned_of_once(house: House) -> None:
    house.get("/client")
    assert house.lines() == []
    for number in range(3):
        house.get("/client", headers={"X-Forwarded-For": f"203.0.113.{number}"})
    (line,) = house.lines()
    assert (line["level"], line["event"], line["found"]) == ("warning", "proxy_not_trusted", "trusted_proxies: 0")
    assert "203.0.113" not in house.stream.getvalue()


def test_a_proxy_that_is_trusted_is_not_warned_of() -> None:
    house = House(trusted_proxies=1)
    house.get("/client", headers={"X-Forwarded-For": "203.0.113.9"})
    assert house.lines() == []


def test_a_trusted_proxy_names_the_client_and_nothing_else() -> None:
    house = House(trusted_proxies=1)
    forged = {
        "X-Forwarded-For": "198.51.100.1, 203.0.113.9",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
    }
    assert house.get("/client", headers=forged).text == "203.0.113.9 https://login.example.org/form"


def test_a_service_may_live_below_a_path_whether_or_not_the_proxy_removes_it() -> None:
    house = House("http://localhost:8000/wayf/")
    host = {"Host": "localhost:8000"}
    for path in ("/wayf/client", "/client"):
        answer = house.client.get(path, headers=host)
        assert answer.text == "127.0.0.1 http://localhost:8000/wayf/form"
    assert 'href="/wayf/assets/style.' in house.client.get("/wayf/form", headers=host).text
    assert house.client.get("/wayfarer", headers=host).status_code == 404


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example", "https://", "/path", "https://u@a.example", "https://a.example/?q", "https://a.example:x"],
)
def test_a_public_url_that_cannot_be_one_stops_the_start(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"web\.public_url"):
        House(url)


def test_a_short_secret_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"web\.secret"):
        make_service(
            "x",
            service_name="x",
            pages=Pages(Catalogue.load()),
            public_url=URL,
            log=make_log(Still(), service="x"),
            clock=Still(),
            secret=b"short",
        )


# --- csrf


def test_a_form_with_its_token_and_cookie_is_accepted(house: House) -> None:
    token, cookie = token_and_cookie(house)
    assert cookie.startswith("__Host-ost-csrf-")
    assert "SameSite=Lax" in cookie
    answer = house.post(
        "/change", data={"name": "Ada", "csrf_token": token}, headers={"Origin": URL, "Sec-Fetch-Site": "same-origin"}
    )
    assert (answer.status_code, answer.text) == (200, "changed to Ada")


def test_the_cookie_is_set_once_and_the_token_stays_the_same(house: House) -> None:
    token, _ = token_and_cookie(house)
    again = house.get("/form")
    assert "Set-Cookie" not in again.headers
    assert token in again.text


def test_a_program_may_send_the_token_in_a_header(house: House) -> None:
    token, _ = token_and_cookie(house)
    assert house.post("/change", data={"name": "Ada"}, headers={"X-CSRF-Token": token}).status_code == 200


@pytest.mark.parametrize(
    ("data", "headers", "code"),
    [
        ({"name": "Ada"}, {}, "csrf.token"),
        ({"name": "Ada", "csrf_token": "0" * 64}, {}, "csrf.token"),
        ({"name": "Ada", "csrf_token": "é"}, {}, "csrf.token"),
        ({"name": "Ada", "csrf_token": None}, {"Origin": "https://evil.example"}, "csrf.cross_site"),
        ({"name": "Ada", "csrf_token": None}, {"Origin": "null"}, "csrf.cross_site"),
        ({"name": "Ada", "csrf_token": None}, {"Origin": "http://login.example.org"}, "csrf.cross_site"),
        ({"name": "Ada", "csrf_token": None}, {"Sec-Fetch-Site": "cross-site"}, "csrf.cross_site"),
        ({"name": "Ada", "csrf_token": None}, {"Sec-Fetch-Site": "same-site"}, "csrf.cross_site"),
    ],
)
def test_a_change_that_this_site_did_not_offer_is_refused(
    house: House, data: dict[str, str | None], headers: dict[str, str], code: str
) -> None:
    token, _ = token_and_cookie(house)
    sent = {name: token if value is None else value for name, value in data.items()}
    answer = house.post("/change", data=sent, headers=headers)
    assert answer.status_code == 403
    assert house.lines()[-1]["code"] == code


def test_a_token_without_its_cookie_or_with_another_cookie_is_refused(house: House) -> None:
    token, cookie = token_and_cookie(house)
    name = cookie.split("=", 1)[0]
    stranger = house.app.test_client(use_cookies=False)
    data = {"name": "Ada", "csrf_token": token}
    assert stranger.post("/change", base_url=URL, data=data).status_code == 403
    for forged in (f"{name}={'A' * 43}", f"{cookie.split(';')[0]}; {name}={'A' * 43}", f"{name}=short"):
        assert stranger.post("/change", base_url=URL, data=data, headers={"Cookie": forged}).status_code == 403
    right = {"Cookie": cookie.split(";")[0]}
    assert stranger.post("/change", base_url=URL, data=data, headers=right).status_code == 200


def test_another_service_with_another_secret_has_other_tokens() -> None:
    assert csrf.token_for("A" * 43, b"s" * 32) != csrf.token_for("A" * 43, b"t" * 32)


def test_a_saml_endpoint_may_be_posted_to_from_another_site(house: House) -> None:
    answer = house.post(
        "/acs", data={"SAMLResponse": "x"}, headers={"Origin": "https://idp.example", "Sec-Fetch-Site": "cross-site"}
    )
    assert (answer.status_code, answer.text) == (200, "x")


# --- headers, files, health


@pytest.mark.parametrize("path", ["/form", "/nowhere", "/fail/crash", "/health", "/client"])
def test_every_response_carries_the_security_headers(house: House, path: str) -> None:
    headers = house.get(path).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Strict-Transport-Security"] == "max-age=31536000"


def test_an_auto_post_page_has_a_fresh_nonce_and_no_form_action(house: House) -> None:
    first, second = house.get("/out"), house.get("/out")
    nonces = [re.search(r"nonce-([\w-]+)", answer.headers["Content-Security-Policy"]) for answer in (first, second)]
    assert nonces[0] is not None
    assert nonces[1] is not None
    assert nonces[0][1] != nonces[1][1]
    assert f'<script nonce="{nonces[0][1]}">' in first.text
    assert "form-action" not in first.headers["Content-Security-Policy"]
    assert len(first.headers.getlist("Content-Security-Policy")) == 1


def test_the_style_sheet_is_named_by_its_content_and_kept(house: House) -> None:
    link = BeautifulSoup(house.get("/form").text, "html.parser").select_one("link[rel=stylesheet]")
    assert link is not None
    answer = house.get(str(link["href"]))
    assert answer.status_code == 200
    assert answer.mimetype == "text/css"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    again = house.get(str(link["href"]), headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert house.get("/assets/style.css").headers["Cache-Control"] == "public, max-age=3600"
    assert house.get("/assets/../service.py").status_code == 404


def test_health_is_told_to_a_probe_that_comes_by_address(house: House) -> None:
    answer = house.client.get("/health", headers={"Host": "10.0.0.7:8080"})
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_health_fails_while_the_service_cannot_work() -> None:
    def broken() -> None:
        raise Unavailable("http.other")

    assert House(check_health=broken).get("/health").status_code == 503


def test_the_language_of_a_page_is_that_of_the_person(house: House) -> None:
    answer = house.get("/form?ui_locales=xx", headers={"Accept-Language": "sv, en;q=0.5"})
    assert answer.headers["Content-Language"] == "en"
    assert "Accept-Language" in answer.headers["Vary"]
