"""ForceAuthn, IsPassive and RequestedAuthnContext: wished for by links, demanded by settings, and held against the answer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from ostiary.config import load_settings
from ostiary.errors import ConfigurationError, Refusal
from ostiary.federation.model import Endpoint, IdpRole
from ostiary.federation.sources.files import load_registry
from ostiary.saml import names
from ostiary.saml.artifact import ArtifactResolve, carried
from ostiary.saml.bindings import decode_post, decode_soap, encode_soap, prove
from ostiary.saml.protocol import AuthnRequest, RequestedAuthnContext
from ostiary.saml.signature import sign, verify_element
from ostiary.web.forms import parse_query
from sp_shire.login.asking import endpoint_for
from sp_shire.login.settings import LoginSettings
from sp_shire.login.wishes import Wishes, check_context, check_not_weaker, read_wishes, with_demands
from sp_shire.messages import Reply
from sp_shire.settings import ShireSettings
from tests.browser import forms_of
from tests.flows.forging import signer_of, take_apart
from tests.simulator import Simulation
from tests.sp_shire.conftest import Core, header
from tests.sp_shire.signing_in import NORTHGATE_ID, ORIGIN, Site, asked_of

PPT = names.PASSWORD_PROTECTED_TRANSPORT
MFA = names.REFEDS_MFA
MakeCore = Callable[..., Core]


def test_a_link_may_ask_for_a_new_login_by_certain_means(core: Core) -> None:
    site = Site(core)
    answer = site.browser().request(
        "GET",
        site.handler(
            "login",
            entityID=NORTHGATE_ID,
            forceAuthn="true",
            isPassive="1",
            authnContextClassRef=f"{MFA} {PPT}",
            authnContextComparison="minimum",
        ),
    )
    asked = asked_of(answer)
    assert (asked.force_authn, asked.is_passive) == (True, True)
    assert asked.requested_context == RequestedAuthnContext((MFA, PPT), "minimum")


def test_without_wishes_nothing_is_asked_for(core: Core) -> None:
    site = Site(core)
    asked = asked_of(site.browser().request("GET", site.handler("login", entityID=NORTHGATE_ID)))
    assert (asked.force_authn, asked.is_passive, asked.requested_context) == (False, False, None)


@pytest.mark.parametrize(
    "query",
    [
        b"forceAuthn=yes",
        b"isPassive=TRUE",
        b"authnContextComparison=stronger&authnContextClassRef=urn:x",
        b"authnContextClassRef=" + b"+".join(b"urn:%d" % number for number in range(11)),
        b"authnContextClassRef=" + b"a" * 257,
        b"authnContextClassRef=urn:caf%C3%A9",
        b"authnContextClassRef=urn:unheard-of&authnContextComparison=better",
    ],
)
def test_wishes_without_meaning_are_refused(core: Core, query: bytes) -> None:
    assert core.refused("/ostiary/login", query=query) == (400, "sp.wish")


def test_an_empty_parameter_is_no_wish() -> None:
    assert read_wishes(parse_query(b"forceAuthn=&authnContextClassRef=&entityID=")) == Wishes()


DEMANDED = LoginSettings(force_authn=True, authn_contexts=(PPT, MFA))


@pytest.mark.parametrize(
    ("wishes", "contexts", "comparison"),
    [
        (Wishes(), (PPT, MFA), "exact"),
        (Wishes(authn_contexts=(MFA,)), (MFA,), "exact"),
        (Wishes(comparison="better"), (PPT, MFA), "exact"),
    ],
)
def test_what_the_settings_demand_holds_for_every_login(
    wishes: Wishes, contexts: tuple[str, ...], comparison: str
) -> None:
    check_not_weaker(wishes, DEMANDED)
    asked = with_demands(wishes, DEMANDED)
    assert (asked.force, asked.authn_contexts, asked.comparison) == (True, contexts, comparison)


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(authn_contexts=(names.PASSWORD,)),
        Wishes(authn_contexts=(MFA, names.PASSWORD)),
        Wishes(authn_contexts=(MFA,), comparison="maximum"),
        Wishes(authn_contexts=(PPT,), comparison="minimum"),
    ],
)
def test_no_link_makes_a_demand_weaker(wishes: Wishes) -> None:
    with pytest.raises(Refusal) as refused:
        check_not_weaker(wishes, DEMANDED)
    assert refused.value.code == "sp.weaker_wish"


def test_a_link_may_name_what_is_stronger_than_demanded() -> None:
    check_not_weaker(Wishes(authn_contexts=(MFA,)), LoginSettings(authn_contexts=(PPT,), comparison="minimum"))


@pytest.mark.parametrize(
    ("given", "classes", "comparison", "holds"),
    [
        (MFA, (MFA,), "exact", True),
        (MFA, (PPT,), "exact", False),
        (None, (PPT,), "exact", False),
        (MFA, (PPT,), "minimum", True),
        (names.PASSWORD, (PPT,), "minimum", False),
        (PPT, (PPT,), "better", False),
        (MFA, (PPT,), "better", True),
        (MFA, (PPT,), "maximum", False),
        ("urn:unheard-of", (PPT,), "minimum", False),
    ],
)
def test_an_answer_is_held_against_what_was_asked_for(
    given: str | None, classes: tuple[str, ...], comparison: str, holds: bool
) -> None:
    requested = RequestedAuthnContext(classes, comparison)
    if holds:
        check_context(given, requested)
        return
    with pytest.raises(Refusal) as refused:
        check_context(given, requested)
    assert refused.value.code == "sp.other_context"


@pytest.mark.parametrize("signed", [True, False])
def test_requests_are_signed_as_the_settings_say(make_core: MakeCore, signed: bool) -> None:
    site = Site(make_core(sign_requests=signed))
    answer = site.browser().request("GET", site.handler("login", entityID=NORTHGATE_ID))
    assert ("&Signature=" in (answer.header("Location") or "")) is signed


def test_a_request_goes_by_a_form_where_the_settings_want_it(make_core: MakeCore, federation: Simulation) -> None:
    site = Site(make_core(login={"request_binding": "post"}))
    browser = site.browser()
    page = browser.get(site.handler("login", entityID=NORTHGATE_ID, target="/library/?q=1"))
    assert page.url.startswith(ORIGIN)
    assert "Northgate University" in page.text
    (form,) = forms_of(page)
    fields = dict(form.fields)
    assert (form.method, list(fields)) == ("post", ["SAMLRequest"])
    message = decode_post(fields["SAMLRequest"], None)
    asked = AuthnRequest.from_proof(prove(message, [signer_of(federation, "library").public]))
    assert (asked.destination, asked.target) == (form.action, f"{ORIGIN}/library/?q=1")
    done = site.log_in(browser, browser.submit(page, having="SAMLRequest"))
    assert (done.url, done.text.partition(" ")[0]) == (f"{ORIGIN}/library/?q=1", "somebody")


def test_a_request_waits_to_be_fetched_by_its_artifact(make_core: MakeCore, federation: Simulation) -> None:
    core = make_core(login={"request_binding": "artifact"})
    registry = load_registry([one.source() for one in core.settings.trust.metadata], now=core.clock.at)
    home = registry.get(NORTHGATE_ID, core.clock.at)
    assert home is not None
    assert home.idp is not None
    taking = replace(home.idp, single_sign_on=(Endpoint(names.HTTP_ARTIFACT, "http://localhost:20001/by-artifact"),))
    core.know(replace(home, idp=taking), instead=True)
    reply = core.ask("/ostiary/login", query=f"entityID={NORTHGATE_ID}".encode())
    assert isinstance(reply, Reply)
    url, _, query = (header(reply, "Location") or "").partition("?")
    assert (url, list(parse_qs(query))) == ("http://localhost:20001/by-artifact", ["SAMLart"])
    artifact = parse_qs(query)["SAMLart"][0]
    resolve = ArtifactResolve("_1", NORTHGATE_ID, core.clock.at, artifact, f"{ORIGIN}/ostiary/artifact").to_xml()
    sign(resolve, signer_of(federation, "northgate"))
    fetched = core.ask("/ostiary/artifact", method="POST", body=encode_soap(resolve), content_type="text/xml")
    assert isinstance(fetched, Reply)
    answer = verify_element(decode_soap(fetched.body), [signer_of(federation, "library").public])
    message = carried(answer)
    assert message is not None
    asked = AuthnRequest.from_proof(verify_element(message.element, [signer_of(federation, "library").public]))
    assert asked.destination == "http://localhost:20001/by-artifact"


def test_settings_demand_a_context_of_every_login_also_of_one_that_nobody_asked_for(
    make_core: MakeCore, federation: Simulation
) -> None:
    wanted = "urn:example:by-hand"
    core = make_core(login={"authn_contexts": (wanted,)}, allow_unsolicited_from=(NORTHGATE_ID,))
    site = Site(core)
    browser = site.browser()
    page = site.to_response(browser, browser.get(f"{ORIGIN}/library/"))
    # The home can't do that, and says so before anybody logs in.
    assert "SAMLResponse" in page.text
    refused = browser.submit(page, having="SAMLResponse")
    assert (refused.status, core.log_lines()[-1]["code"]) == (403, "sp.no_such_login")
    assert "by the means that this page needs" in refused.text
    honest = make_core()
    other = Site(honest).browser()
    message = take_apart(federation, Site(honest).to_response(other, other.get(f"{ORIGIN}/library/")))
    for forged in (message.answering(None), message.anew().answering(None).with_statement(context_class=wanted)):
        held = browser.submit_without_following(site.handler("acs"), [("SAMLResponse", forged.encoded())])
        done = browser.get(held.header("Location") or "")
    assert [line["code"] for line in core.log_lines() if line["event"] == "refused"][-1] == "sp.other_context"
    assert done.status == 200


def test_another_context_than_was_asked_for_begins_no_session(make_core: MakeCore, federation: Simulation) -> None:
    core = make_core()
    site = Site(core)
    browser = site.browser()
    asked = browser.request(
        "GET", site.handler("login", entityID=NORTHGATE_ID, authnContextClassRef=PPT, target="/library/?here")
    )
    message = take_apart(federation, site.to_response(browser, browser.get(asked.header("Location") or "")))
    for context in (names.PASSWORD, MFA):
        bad = message.anew().with_statement(context_class=context)
        refused = browser.submit_without_following(site.handler("acs"), [("SAMLResponse", bad.encoded())])
        page = browser.get(refused.header("Location") or "")
        assert (page.status, core.log_lines()[-1]["code"]) == (400, "sp.other_context")
        assert "login?target=%2Flibrary%2F%3Fhere" in page.text
    good = browser.submit_without_following(site.handler("acs"), [("SAMLResponse", message.encoded())])
    assert browser.get(good.header("Location") or "").url == f"{ORIGIN}/library/?here"


def test_an_unsolicited_login_is_new_where_that_is_demanded(make_core: MakeCore, federation: Simulation) -> None:
    core = make_core(login={"force_authn": True}, allow_unsolicited_from=(NORTHGATE_ID,))
    site = Site(core)
    browser = site.browser()
    page = site.to_response(browser, browser.get(f"{ORIGIN}/library/"))
    message = take_apart(federation, page).answering(None)
    old = message.with_statement(authn_instant=core.clock.at.replace(hour=8, minute=50))
    for one, code in ((old, "sp.not_anew"), (message.anew(), None)):
        held = browser.submit_without_following(site.handler("acs"), [("SAMLResponse", one.encoded())])
        browser.get(held.header("Location") or "")
        assert core.log_lines()[-1].get("code") == code


def sp_yaml(federation: Simulation, tmp_path: Path, login: dict[str, Any]) -> Path:
    path = federation.layout.directory("library") / "sp.yaml"
    content = {**yaml.safe_load(path.read_text()), "login": login}
    changed = path.with_name(f"{tmp_path.name}.yaml")
    changed.write_text(yaml.safe_dump(content))
    return changed


def test_classes_of_unknown_strength_can_not_be_compared(federation: Simulation, tmp_path: Path) -> None:
    login = {"authn_contexts": [PPT, "urn:unheard-of"], "comparison": "minimum"}
    with pytest.raises(ConfigurationError) as refused:
        load_settings(sp_yaml(federation, tmp_path, login), ShireSettings)
    assert (refused.value.code, refused.value.key) == ("config.comparison", "login.comparison")
    assert refused.value.found == "urn:unheard-of"
    exact = load_settings(sp_yaml(federation, tmp_path, {**login, "comparison": "exact"}), ShireSettings)
    assert exact.login.authn_contexts == (PPT, "urn:unheard-of")


@pytest.mark.parametrize(
    ("wanted", "offered", "binding"),
    [
        ("redirect", (names.HTTP_POST, names.HTTP_REDIRECT), names.HTTP_REDIRECT),
        ("redirect", (names.HTTP_POST,), names.HTTP_POST),
        ("post", (names.HTTP_REDIRECT, names.HTTP_POST), names.HTTP_POST),
        ("post", (names.HTTP_REDIRECT,), names.HTTP_REDIRECT),
        ("artifact", (names.HTTP_REDIRECT, names.HTTP_ARTIFACT), names.HTTP_ARTIFACT),
        ("redirect", (names.HTTP_ARTIFACT, names.HTTP_POST), names.HTTP_POST),
        ("redirect", (names.HTTP_ARTIFACT, names.SOAP), None),
    ],
)
def test_a_home_is_asked_by_a_binding_that_it_offers(
    wanted: str, offered: tuple[str, ...], binding: str | None
) -> None:
    role = IdpRole(single_sign_on=tuple(Endpoint(one, f"https://home.example/{one}") for one in offered))
    if binding is None:
        with pytest.raises(Refusal) as refused:
            endpoint_for(role, "https://home.example", wanted)  # type: ignore[arg-type]
        assert refused.value.code == "sp.idp_without_redirect"
    else:
        assert endpoint_for(role, "https://home.example", wanted).binding == binding  # type: ignore[arg-type]
