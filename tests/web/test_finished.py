"""An answer that we wrote ourselves is what Werkzeug would have made of it."""

from collections.abc import Iterable
from typing import Any

from flask import Response
from werkzeug.datastructures import Headers

from ostiary.web.finished import Finished

HEADERS = [("Content-Language", "en"), ("Vary", "Accept-Language"), ("Cache-Control", "no-store")]
SENT = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", "6"), *HEADERS]


def finished() -> Finished:
    return Finished(b"octets", "text/html; charset=utf-8", HEADERS)


def sent(answer: Response, method: str = "GET") -> tuple[str, list[tuple[str, str]], bytes]:
    heads: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        heads.append((status, headers))

    body: Iterable[bytes] = answer({"REQUEST_METHOD": method}, start)
    (head,) = heads
    return (*head, b"".join(body))


def test_it_holds_what_an_answer_of_werkzeug_holds() -> None:
    ours, theirs = vars(finished()), vars(Response([b"octets"], 200, Headers(SENT)))
    assert {name: value for name, value in ours.items() if name in theirs} == theirs | {"headers": ours["headers"]}
    assert vars(ours["headers"]) == vars(theirs["headers"]) == {"_list": SENT}


def test_no_two_answers_share_what_may_change() -> None:
    first, second = vars(finished()), vars(finished())
    shared = [value for name, value in first.items() if value is second[name]]
    assert {type(value) for value in shared} <= {str, int, bool, bytes}


def test_it_is_sent_with_its_headers_and_octets() -> None:
    assert sent(finished()) == ("200 OK", SENT, b"octets")
    assert sent(finished(), "HEAD") == ("200 OK", SENT, b"")


def test_what_comes_after_may_change_it() -> None:
    answer = finished()
    answer.headers.add("Set-Cookie", "a=b")
    answer.headers["Vary"] = "Cookie"
    answer.status_code = 503
    answer.set_data("another")
    status, headers, body = sent(answer)
    assert (status, body) == ("503 SERVICE UNAVAILABLE", b"another")
    assert dict(headers) == dict(SENT) | {"Vary": "Cookie", "Set-Cookie": "a=b", "Content-Length": "7"}
    assert sent(finished()) == ("200 OK", SENT, b"octets")


def test_a_copy_of_its_headers_is_a_copy() -> None:
    answer = finished()
    answer.headers.copy()["Z"] = "1"
    assert sent(answer) == ("200 OK", SENT, b"octets")
