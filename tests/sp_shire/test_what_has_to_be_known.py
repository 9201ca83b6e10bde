"""Required and combined attributes wherever somebody comes from, and the persistent name of a login as an attribute."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ostiary.attributes import Attributes, NameIdValue, make_attribute, make_name_id_value, texts_of
from ostiary.command.demo.people import NORTHGATE
from ostiary.config import Sources
from ostiary.errors import Denied
from ostiary.policy.acceptance import Issuer, accept
from ostiary.policy.acceptance_document import load_acceptance_policy
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from sp_shire.certificates.believing import Terms, believe
from sp_shire.certificates.grid import load_grid
from sp_shire.certificates.settings import CertificateSettings
from sp_shire.sessions.records import Login
from sp_shire.shar.knowing import with_persistent_name
from tests.simulator import Simulation, configure
from tests.sp_shire.certificate_world import ALICE_NAME, World

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IDP, SP = "https://idp.uni.example", "https://sp.example"
STAFF = """
rules: [{id: staff, attribute: eduPersonScopedAffiliation, left: [staff, member, alum], as: role}]
required: [{any: role}]
"""


def login(format_: str, name_qualifier: str | None = None) -> Login:
    return Login(IDP, NameId("abc", format_, name_qualifier, None), NOW, None, None, None, None, ())


def test_the_persistent_name_of_a_login_is_an_attribute_of_this_home_for_this_resource(tmp_path: Path) -> None:
    told = with_persistent_name(login(names.PERSISTENT), ())
    path = tmp_path / "accept.yaml"
    path.write_text("rules: [{attribute: eduPersonTargetedID}]")
    decision = accept(load_acceptance_policy([path]), Issuer(IDP), told, at=NOW, audience=SP)
    assert texts_of(decision.attributes, "eduPersonTargetedID") == (f"{IDP}!{SP}!abc",)


def test_a_persistent_name_of_another_home_is_not_believed(tmp_path: Path) -> None:
    told = with_persistent_name(login(names.PERSISTENT, "https://other.example"), ())
    path = tmp_path / "accept.yaml"
    path.write_text("rules: [{attribute: eduPersonTargetedID}]")
    decision = accept(load_acceptance_policy([path]), Issuer(IDP), told, at=NOW, audience=SP)
    assert [verdict.reason for verdict in decision.verdicts] == ["other_issuer"]


def test_a_handle_is_no_attribute_and_what_the_home_says_itself_stands() -> None:
    assert with_persistent_name(login(names.TRANSIENT), ()) == ()
    said = (make_attribute("mail", ["a@b.example"]),)
    named = with_persistent_name(login(names.PERSISTENT), said)
    assert [attribute.name for attribute in named] == ["mail", "eduPersonTargetedID"]
    assert named[1].values == (make_name_id_value(NameIdValue("abc")),)
    assert with_persistent_name(login(names.PERSISTENT), named) == named


def test_whoever_comes_with_a_certificate_has_to_be_known_as_well_and_attributes_are_combined(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    grid = load_grid(CertificateSettings.model_validate(world.certificates()), Sources())
    path = tmp_path / "own.yaml"

    def believed(more: str) -> Attributes:
        path.write_text(f"rules: [{{attribute: certificateSubject}}]\n{more}")
        terms = Terms("https://library.example/sp", ("library.example",))
        return believe(world.alice.ders, terms, grid, load_acceptance_policy([path]), world.now).attributes

    made = believed("combine: [{as: user, first_of: [uid, certificateSubject]}]\nrequired: [user]")
    assert texts_of(made, "user") == (ALICE_NAME,)
    with pytest.raises(Denied) as refused:
        believed("required: [{any: [mail, uid]}]")
    assert (refused.value.code, refused.value.expected) == ("sp.attributes_missing", "mail or uid")


def test_a_session_ends_when_what_is_required_is_not_told_any_more(state: Path) -> None:
    (state / "accept.yaml").write_text(STAFF)
    (state / "access.yaml").write_text("rules: [{id: all, paths: /, permit: {authenticated: true}}]")
    files = {name: [str(state / f"{name}.yaml")] for name in ("accept", "access")}
    configure(state / "library" / "sp.yaml", **files)
    simulation = Simulation(state)
    try:
        browser = simulation.browser()
        assert simulation.log_in(browser, "library", "alice").status == 200
        with simulation.directory(NORTHGATE) as directory:
            alice = directory.find("alice")
            assert alice is not None
            retired = {"eduPersonScopedAffiliation": ["retired@northgate.example"]}
            directory.set_attributes(alice.principal, retired, at=simulation.clock.now(), by="test")
        simulation.clock.forward(minutes=30)
        answer = browser.request("GET", simulation.url("library"))
        assert answer.status == 302
        [ended] = simulation.events("session_ended_by_authority")
        assert ended["code"] == "sp.attributes_missing"
        page = simulation.log_in(browser, "library", "alice")
        assert page.status == 403
        assert "Something about you is missing" in page.text
    finally:
        simulation.close()
