"""What one application domain keeps serves in no other, by whatever name it is asked for there."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

from ostiary.command.demo.people import NORTHGATE
from sp_shire.messages import Reply
from tests.sp_shire.answering import HERE, answered, finish, post
from tests.sp_shire.conftest import Core, header

ARCHIVE, TREE = "https://archive.example/shar", "/archive"
DOMAIN = {
    "name": "archive",
    "path": TREE,
    "entity_id": ARCHIVE,
    "allow_unsolicited_from": (NORTHGATE.entity_id,),
    "attributes_from": "response",
}


def test_an_answer_that_waits_in_one_domain_opens_no_session_in_another(make_core: Callable[..., Core]) -> None:
    core = make_core(applications=(DOMAIN,))
    assertion_consumer = f"{HERE}archive/ostiary/acs"
    message = (
        answered(core)[1]
        .answering(None)
        .with_conditions(audiences=((ARCHIVE,),))
        .with_response(destination=assertion_consumer)
        .with_confirmation(recipient=assertion_consumer)
    )
    held = post(core, message.encoded(), path="/archive/ostiary/acs")
    assert isinstance(held, Reply)
    assert held.status == 303, core.log_lines()[-1]
    (ticket,) = parse_qs(urlsplit(header(held, "Location") or "").query)["ticket"]
    for name in (ticket, f"{core.settings.entity_id} {TREE} {ticket}"):
        assert core.refused("/ostiary/finish", query=urlencode({"ticket": name}).encode()) == (400, "sp.ticket")
    # It was meant for the domain, and still is.
    done = core.ask("/archive/ostiary/finish", query=urlencode({"ticket": ticket}).encode())
    assert isinstance(done, Reply)
    assert done.status == 303


def test_what_is_noted_about_a_login_is_no_answer(make_core: Callable[..., Core]) -> None:
    core = make_core()
    cookie, message = answered(core)
    held = post(core, message.encoded())
    assert isinstance(held, Reply)
    request_id = message.response.in_response_to
    for name in (f"held {request_id}", f"done {request_id}"):
        query = urlencode({"ticket": name}).encode()
        assert core.refused("/ostiary/finish", query=query, cookie=cookie) == (400, "sp.ticket")
    finish(core, held, cookie)
    for name in (f"done {request_id}", f"signed out {request_id}"):
        query = urlencode({"ticket": name}).encode()
        assert core.refused("/ostiary/finish", query=query, cookie=cookie) == (400, "sp.ticket")
