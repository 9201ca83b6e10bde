"""A form that was sent when the session had run out: kept through the login for the browser that sent it, or said to be lost."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sp_shire.adapters.asgi import ShireAsgiMiddleware
from sp_shire.login.kept_forms import read_multipart
from sp_shire.messages import Reply, Request
from tests.browser import Answer, Browser, forms_of
from tests.flows.test_asgi_applications import AsWsgi, Echo
from tests.sp_shire.conftest import BROWSER, Core, cookie_of
from tests.sp_shire.signing_in import END, NAVIGATION, ORIGIN, Site, part

MakeCore = Callable[..., Core]
SENT = [
    ("title", "On doors & keys"),
    ("tag", "a"),
    ("tag", "b"),
    ("text", 'line "one"\r\nl\u00edne two <b>'),
    ("empty", ""),
]


def send(browser: Browser, fields: list[tuple[str, str]], path: str = "/library/notes?shelf=3") -> Answer:
    return browser.post(ORIGIN + path, fields)


def waiting(site: Site, browser: Browser) -> Answer:
    """The page with the form, after the login."""
    return site.log_in(browser, send(browser, SENT))


def test_a_form_is_kept_through_the_login_and_sent_by_her(core: Core) -> None:
    site = Site(core)
    browser = site.browser()
    page = waiting(site, browser)
    assert page.status == 200
    assert "Your form is still here" in page.text
    assert "<code>/library/notes</code>" in page.text
    assert site.application.requests == []
    (form,) = [form for form in forms_of(page) if form.fields]
    assert (form.method, form.action) == ("post", f"{ORIGIN}/library/notes?shelf=3")
    done = browser.post(form.action, form.fields)
    assert done.text.startswith("somebody")
    ((method, path, body),) = site.application.requests
    assert (method, path) == ("POST", "/library/notes?shelf=3")
    assert body == (b"title=On+doors+%26+keys&tag=a&tag=b&text=line+%22one%22%0D%0Al%C3%ADne+two+%3Cb%3E&empty=")


def test_with_a_session_the_application_gets_its_form_untouched(core: Core) -> None:
    site = Site(core)
    browser = site.browser()
    site.log_in(browser, browser.get(f"{ORIGIN}/library/"))
    del site.application.requests[:]
    send(browser, SENT)
    ((method, _, body),) = site.application.requests
    assert method == "POST"
    assert body.startswith(b"title=On+doors+%26+keys&tag=a")
    assert body.endswith(b"&empty=")


def test_a_form_to_an_open_page_is_the_application_s(core: Core) -> None:
    site = Site(core)
    send(site.browser(), SENT, "/open")
    assert [(method, path) for method, path, _ in site.application.requests] == [("POST", "/open")]


def test_the_form_is_shown_once(core: Core) -> None:
    site = Site(core)
    browser = site.browser()
    waiting(site, browser)
    address = next(answer.url for answer in browser.trail if "/ostiary/form?" in answer.url)
    again = browser.get(address)
    assert again.status == 404
    assert "This form is no longer here" in again.text


def test_another_browser_does_not_see_a_form_that_waits(core: Core) -> None:
    site = Site(core)
    sender, thief = site.browser(), site.browser()
    response = site.to_response(sender, send(sender, SENT))
    held = sender.submit_without_following(site.handler("acs"), dict(forms_of(response)[0].fields).items())
    finished = sender.request("GET", held.header("Location") or "")
    form = finished.header("Location") or ""
    assert "/ostiary/form?form=" in form
    thief.get(f"{ORIGIN}/library/")
    assert thief.get(form).status == 404
    assert "Your form is still here" in sender.get(form).text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:20006", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {},
    ],
    ids=str,
)
def test_no_other_site_makes_somebody_send_a_form_after_a_login(core: Core, headers: dict[str, str]) -> None:
    site = Site(core)
    sent = {**NAVIGATION, "Content-Type": "application/x-www-form-urlencoded", **headers}
    answer = site.browser().request("POST", f"{ORIGIN}/library/notes", headers=sent, body=b"a=b")
    assert (answer.status, core.log_lines()[-1]["code"]) == (401, "sp.login_needed")
    assert answer.header("Set-Cookie") is None


def test_a_script_s_post_is_told_to_log_in(core: Core) -> None:
    sent = {
        **NAVIGATION,
        "Sec-Fetch-Mode": "cors",
        "Origin": ORIGIN,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = Site(core).browser().request("POST", f"{ORIGIN}/library/notes", headers=sent, body=b"a=b")
    assert (answer.status, core.log_lines()[-1]["code"]) == (401, "sp.login_needed")


def test_a_form_with_fields_in_parts_is_kept_and_goes_that_way_again(core: Core) -> None:
    site = Site(core)
    browser = site.browser()
    body = (
        part("title", "caf\u00e9") + part("photo", "", '; filename=""\r\nContent-Type: application/octet-stream') + END
    )
    begun = site.multipart(browser, "/library/notes", body)
    assert begun.status == 303
    page = site.log_in(browser, browser.get(begun.header("Location") or ""))
    assert 'enctype="multipart/form-data"' in page.text
    (form,) = [form for form in forms_of(page) if form.fields]
    assert form.fields == [("title", "caf\u00e9")]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (part("photo", "PNG", '; filename="a.png"\r\nContent-Type: image/png') + END, {}),
        (part("photo", "", '; filename="empty.txt"') + END, {}),
        (part("title", "x"), {}),
        (b"title=x", {"Content-Type": "application/x-www-form-urlencoded; charset=x", "Content-Length": ""}),
        (b"title=%E9", {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"title=x", {"Content-Type": "text/plain"}),
        (b"a=" + b"x" * 262_143, {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"&".join(b"a=b" for _ in range(1001)), {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"a=b", {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "999999999999999999999"}),
    ],
    ids=["a file", "a named file", "cut off", "no length", "latin-1", "text", "too long", "too many", "absurd"],
)
def test_what_can_not_be_kept_is_said_to_be_lost_with_what_to_do(
    core: Core, body: bytes, headers: dict[str, str]
) -> None:
    site = Site(core)
    answer = site.multipart(site.browser(), "/library/notes", body, **headers)
    assert answer.status == 401
    assert "Your form was not sent" in answer.text
    assert "/ostiary/login?target=%2Fostiary%2Fsession" in answer.text
    assert core.log_lines()[-1]["event"] == "form_not_kept"
    assert answer.header("Set-Cookie") is None


def test_the_largest_form_is_kept(core: Core) -> None:
    site = Site(core)
    browser = site.browser()
    page = site.log_in(browser, send(browser, [("a", "x" * 262_142)]))
    (form,) = [form for form in forms_of(page) if form.fields]
    assert [(name, len(value)) for name, value in form.fields] == [("a", 262_142)]


def test_nothing_is_kept_where_that_is_turned_off(make_core: MakeCore) -> None:
    core = make_core(login={"keep_posted_forms": 0})
    answer = send(Site(core).browser(), SENT)
    assert (answer.status, core.log_lines()[-1]["code"]) == (401, "sp.login_needed")


def test_a_web_server_that_only_asks_can_not_keep_a_form(core: Core) -> None:
    reply = core.ask(
        "/library/notes",
        method="POST",
        origin=ORIGIN,
        content_type="application/x-www-form-urlencoded",
        content_length="3",
    )
    assert isinstance(reply, Reply)
    assert (reply.status, reply.reads) == (401, 0)
    assert b"Your form was not sent" in reply.body


def test_the_core_reads_a_body_only_to_keep_a_form(core: Core) -> None:
    headers = {**BROWSER, "origin": ORIGIN, "content-type": "application/x-www-form-urlencoded", "content-length": "3"}
    request = Request("POST", "/library/notes", b"", headers, b"", "192.0.2.1", body_waits=True)
    reply = core.shire.handle(request)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.reads) == (401, 262_144)


@pytest.mark.parametrize("length", ["4", "2", "03", "262145"])
def test_a_body_that_is_not_as_long_as_it_says_is_not_kept(core: Core, length: str) -> None:
    kind = "application/x-www-form-urlencoded"
    headers = {**BROWSER, "origin": ORIGIN, "content-type": kind, "content-length": length}
    reply = core.shire.with_body(Request("POST", "/library/notes", b"", headers, b"a=b", "192.0.2.1"))
    assert reply.status == (303 if length == "03" else 401)


def test_over_asgi_a_form_is_kept_and_an_allowed_one_arrives_whole(core: Core) -> None:
    site, echo = Site(core), Echo()
    site.transport.applications[ORIGIN] = AsWsgi(ShireAsgiMiddleware(echo, core.shire))
    browser = site.browser()
    page = waiting(site, browser)
    (form,) = [form for form in forms_of(page) if form.fields]
    assert form.fields == SENT
    done = browser.post(form.action, form.fields)
    assert done.status == 200
    assert "title=On+doors+%26+keys&tag=a&tag=b" in done.text
    assert len(echo.seen) == 1


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=8).filter(lambda one: "\0" not in one), st.text(max_size=20)), max_size=5
    )
)
def test_what_browsers_write_in_parts_is_read_as_it_was(fields: list[tuple[str, str]]) -> None:
    fields = [(name, value) for name, value in fields if "\0" not in value and "\r\n--X" not in value]

    def escaped(name: str) -> str:
        return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")

    clean = [(name, value) for name, value in fields if "%" not in name]
    body = b"".join(part(escaped(name), value) for name, value in clean) + END
    assert read_multipart("multipart/form-data; boundary=X", body) == tuple(clean)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", part("a", "b") + END),
        ("multipart/form-data; boundary=", part("a", "b") + END),
        ("multipart/form-data; boundary=Y", part("a", "b") + END),
        ("multipart/form-data; boundary=X", b"preamble" + part("a", "b") + END),
        ("multipart/form-data; boundary=X", part("a", "b") + END + b"more"),
        ("multipart/form-data; boundary=X", b"--X\r\n\r\nb\r\n--X--"),
        ("multipart/form-data; boundary=X", b'--X\r\nContent-Disposition: form-data; name="a"\r\nb\r\n--X--'),
        ("multipart/form-data; boundary=X", part("a", "b\0") + END),
        ("multipart/form-data; boundary=X", b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--X--'),
        ("multipart/form-data; boundary=X", part("", "b") + END),
        ("multipart/form-data; boundary=X", b"".join(part("a", "b") for _ in range(1001)) + END),
        ("multipart/form-data; boundary=X", b""),
    ],
)
def test_parts_written_otherwise_are_not_read(content_type: str, body: bytes) -> None:
    assert read_multipart(content_type, body) is None


def test_quoted_boundaries_are_read() -> None:
    body = part("a", "b").replace(b"--X", b"--X Y") + b"--X Y--\r\n"
    assert read_multipart('multipart/form-data; charset=utf-8; boundary="X Y"', body) == (("a", "b"),)


def test_behind_a_trusted_web_server_a_flood_of_forms_pushes_out_its_own_alone(make_core: MakeCore) -> None:
    core = make_core(trusted_proxies=1, login={"keep_posted_forms": 300})

    def sent_from(address: str) -> tuple[str, str]:
        headers = BROWSER | {
            "origin": ORIGIN,
            "content-type": "application/x-www-form-urlencoded",
            "content-length": "7",
            "x-forwarded-for": address,
        }
        request = Request("POST", "/library/", headers=headers, remote="192.0.2.1", body_waits=True)
        wanted = core.shire.handle(request)
        assert isinstance(wanted, Reply)
        assert wanted.reads == 300
        reply = core.shire.with_body(replace(request, body=b"a=small"))
        return core.begun(replace(reply, status=302)).form, cookie_of(reply)

    number, cookie = sent_from("198.51.100.1")
    for _ in range(60):
        sent_from("203.0.113.9")
    page = core.ask("/ostiary/form", query=f"form={number}".encode(), cookie=cookie)
    assert isinstance(page, Reply)
    assert page.status == 200
