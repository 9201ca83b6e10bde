"""The bytes that clients depend on."""

import base64

import pytest
from lxml import etree

from ostiary.errors import Denied, NotAuthenticated, Refusal, Unavailable
from voms import answers
from voms.answers import Problem
from voms.selection import ORDER, SHORTENED, SUBSET, UNKNOWN_PARAMETER, Warned


def test_a_certificate_goes_out_in_lines_of_base64_after_a_declaration() -> None:
    body = answers.rest_certificate(bytes(range(100)), [])
    assert body.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?><voms><ac>AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\n'
    )
    text = etree.fromstring(body).findtext("ac")
    assert text is not None
    assert [len(line) for line in text.splitlines()] == [64, 64, 8]
    assert base64.b64decode(text) == bytes(range(100))


def test_warnings_stand_beside_the_certificate() -> None:
    root = etree.fromstring(answers.rest_certificate(b"x", ["one", "two <&"]))
    assert [element.text for element in root.findall("warning")] == ["one", "two <&"]


@pytest.mark.parametrize(
    ("warned", "text"),
    [
        (Warned(ORDER, "/vo/g"), "h:15000: FQAN: /vo/g is not the first selected!"),
        (Warned(SHORTENED, "60"), "h:15000: The validity of this VOMS AC in your proxy is shortened to 60 seconds!"),
        (Warned(SUBSET), "h:15000: your certificate already contains attributes, only a subset of them can be issued."),
        (Warned(UNKNOWN_PARAMETER, "x"), "h:15000: the parameter x is unknown and was ignored."),
    ],
)
def test_warnings_have_the_words_by_which_clients_know_them(warned: Warned, text: str) -> None:
    assert answers.warning_text(warned, "h", 15000) == text


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (Denied("voms.unknown", vo="testvo"), Problem(403, "NoSuchUser", 1001, "testvo: User unknown to this VO.")),
        (
            Denied("voms.suspended", found="left"),
            Problem(403, "SuspendedUser", 1004, "User is currently suspended!\nSuspension reason: left"),
        ),
        (
            Refusal("voms.not_held", command="B/testvo:role"),
            Problem(400, "BadRequest", 1001, "testvo: Unable to satisfy B/testvo:role request!"),
        ),
        (Refusal("voms.nothing_left"), Problem(400, "BadRequest", 1002, "testvo: said")),
        (Refusal("voms.request_name"), Problem(400, "BadRequest", 1005, "testvo: said")),
        (
            NotAuthenticated("x509.revoked"),
            Problem(403, "SuspendedUser", 1004, "testvo: This credential is not active here. said"),
        ),
        (Unavailable("storage.unavailable"), Problem(500, "InternalError", 1003, "testvo: said")),
        (Refusal("voms.too_late"), Problem(400, "BadRequest", 1006, "testvo: said")),
        (Denied("voms.other_namespace"), Problem(400, "BadRequest", 1006, "testvo: said")),
    ],
)
def test_each_refusal_has_its_status_code_number_and_text(error: Refusal, problem: Problem) -> None:
    assert answers.problem_of(error, "testvo", lambda _: "said") == problem


def test_a_refusal_is_one_error_and_no_certificate() -> None:
    body = answers.rest_problem(Problem(403, "NoSuchUser", 1001, "testvo: User unknown to this VO."))
    assert body == (
        b'<?xml version="1.0" encoding="UTF-8"?><voms><error><code>NoSuchUser</code>'
        b"<message>testvo: User unknown to this VO.</message></error></voms>"
    )


def test_text_that_xml_cannot_hold_does_not_break_an_answer() -> None:
    root = etree.fromstring(answers.rest_problem(Problem(400, "BadRequest", 1005, "a\x00b\x1b[31m\ud800\ufffe é")))
    assert root.findtext("error/message") == "a?b?[31m?? é"


def test_the_legacy_alphabet_is_the_original_one() -> None:
    assert answers.legacy_base64(
        bytes.fromhex(
            "00108310518720928b30d38f41149351559761969b71d79f8218a39259a7a29aabb2dbafc31cb3d35db7e39ebbf3dfbf"
        )
    ) == ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789[]")
    assert answers.legacy_base64(b"A") == "qq"


def test_a_legacy_answer_has_the_shape_that_old_parsers_need() -> None:
    body = answers.legacy_certificate(b"A", [(2, "shorter")], plain_base64=True)
    assert body == (
        b'<?xml version="1.0" encoding = "US-ASCII"?><vomsans><version>3</version><error><item><number>2</number>'
        b"<message>shorter</message></item></error><ac>QQ==\n</ac></vomsans>"
    )


def test_a_legacy_refusal_carries_the_filler() -> None:
    body = answers.legacy_problem(Problem(403, "NoSuchUser", 1001, "testvo: User unknown to this VO."))
    assert b"<number>1001</number><message>testvo: User unknown to this VO.</message>" in body
    assert body.endswith(b"<ac>QQ==\n</ac></vomsans>")


def test_a_legacy_list_is_names_line_by_line() -> None:
    body = answers.legacy_list(["/vo", "/vo/g"], [], plain_base64=True)
    text = etree.fromstring(body).findtext("bitstr")
    assert text is not None
    assert base64.b64decode(text) == b"/vo\n/vo/g\n"
