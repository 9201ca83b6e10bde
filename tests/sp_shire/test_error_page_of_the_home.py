"""Links to the home organisation's own page about errors: where it can do something about what happened, and nowhere else."""

import html
import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.attributes import make_attribute
from ostiary.federation.model import Entity, IdpRole
from ostiary.federation.registry import Registry
from ostiary.policy.acceptance_changes import Requirement
from ostiary.policy.access import Check, Decision, Reason, Subject
from ostiary.web.identity import Person
from ostiary.web.log import make_log
from sp_shire.assembly import make_pages
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.sessions.incomplete import AttributesMissing
from sp_shire.sessions.records import Knowledge
from sp_shire.sessions.visitor import Visitor
from sp_shire.settings import ShireSettings
from tests.simulator import MovableClock

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IDP = "https://idp.uni.example"
TEMPLATE = f"{IDP}/error?code=ERRORURL_CODE&ts=ERRORURL_TS&rp=ERRORURL_RP&tid=ERRORURL_TID&ctx=ERRORURL_CTX"
PAGE = Request("GET", "/x", headers={"accept": "text/html"})
MFA = Check("authn_context", "", "https://refeds.org/profile/mfa", ("urn:password",), False)
ORCID = Check("attribute", "eduPersonOrcid", "", (), False)


@pytest.fixture(scope="module")
def replies(library_settings: ShireSettings) -> Replies:
    return Replies(library_settings, make_pages(), make_log(MovableClock(), service="test"))


def registry(error_url: str | None = TEMPLATE) -> Registry:
    return Registry([Entity(IDP, idp=IdpRole(error_url=error_url))])


def denied(replies: Replies, *checks: Check, error_url: str | None = TEMPLATE) -> str:
    attributes = (make_attribute("mail", ["ada@uni.example"]),)
    visitor = Visitor(Person(IDP, "handle", attributes, NOW), Subject(attributes, IDP, NOW), {}, None)
    decision = Decision(False, (Reason("access.not_met", "r", "", checks),))
    return told(replies.denied(PAGE, visitor, decision, registry(error_url), "/x", NOW))


def told(reply: Reply) -> str:
    assert reply.status == 403
    return reply.body.decode()


def link(page: str) -> dict[str, str]:
    """What the home is told; empty without a link."""
    found = re.findall(rf'<a href="({IDP}/error[^"]*)" rel="noreferrer">', page)
    assert len(found) <= 1
    if not found:
        return {}
    query = parse_qs(urlsplit(html.unescape(found[0])).query)
    assert query["tid"][0] in page.replace(found[0], "")
    return {key: query[key][0] for key in ("code", "ts", "rp", "ctx")}


def test_a_missing_attribute_is_an_authorization_failure(replies: Replies) -> None:
    assert link(denied(replies, ORCID, MFA)) == {
        "code": "AUTHORIZATION_FAILURE",
        "ts": "1795348800",
        "rp": "https://library.example/shar",
        "ctx": "eduPersonOrcid",
    }


def test_another_way_of_signing_in_is_an_authentication_failure(replies: Replies) -> None:
    found = link(denied(replies, MFA))
    assert (found["code"], found["ctx"]) == ("AUTHENTICATION_FAILURE", "https://refeds.org/profile/mfa")


@pytest.mark.parametrize(
    "check",
    [
        Check("time", "", "8:00 - 9:00 UTC", ("12:00",), False),
        Check("network", "", "192.0.2.0/24", ("198.51.100.1",), False),
        Check("fqan", "isMemberOf", "/bio", (), False),
        Check("attribute", "mail", "", ("ada@uni.example",), True, negated=True),
    ],
)
def test_where_the_home_can_do_nothing_there_is_no_link(replies: Replies, check: Check) -> None:
    assert link(denied(replies, check)) == {}


def test_a_home_without_such_a_page_gets_no_link(replies: Replies) -> None:
    assert link(denied(replies, ORCID, error_url=None)) == {}


def incomplete(replies: Replies, because: str = "") -> str:
    known = Knowledge((make_attribute("mail", ["ada@uni.example"]),), (), (("mail", "m"),), False, NOW, NOW)
    missing = (Requirement(("subject-id", "pairwise-id"), because), Requirement(("sn",)))
    return told(replies.incomplete(PAGE, AttributesMissing(IDP, missing, known, "/x"), registry(), NOW))


def test_missing_required_attributes_are_an_identification_failure_that_names_them(replies: Replies) -> None:
    found = link(incomplete(replies))
    assert (found["code"], found["ctx"]) == ("IDENTIFICATION_FAILURE", "subject-id pairwise-id sn")


def test_nothing_about_the_person_is_in_the_link(replies: Replies) -> None:
    for page in (incomplete(replies), denied(replies, ORCID)):
        assert "ada" not in "".join(link(page).values())
        assert "handle" not in "".join(link(page).values())


def test_the_words_of_a_policy_are_text(replies: Replies) -> None:
    assert "<b>" not in incomplete(replies, "<b>bold</b>")


def test_a_program_is_told_the_same_as_data(replies: Replies) -> None:
    known = Knowledge((), (), (), False, NOW, NOW)
    error = AttributesMissing(IDP, (Requirement(("mail", "sn")),), known, "/x")
    asked = Request("GET", "/x", headers={"accept": "application/json"})
    reply = replies.incomplete(asked, error, registry(), NOW)
    assert reply.status == 403
    assert b'"sp.attributes_missing"' in reply.body
    assert b'"mail",\n        "sn"' in reply.body
