"""Whole logins of SPs that want another name than a handle: what is in the assertion, what is kept, what is refused before the password."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from idp.identifiers.settings import IdentifierSettings
from idp.identifiers.stored import PersistentIds
from ostiary.attributes import make_attribute
from ostiary.config import write_private_file
from ostiary.identifiers.computed import persistent_value
from ostiary.identifiers.salt import Salt
from ostiary.ports import NamedPerson
from ostiary.saml import names
from ostiary.saml.protocol import unproven_envelope
from ostiary.saml.xml import parse_xml, qname

SP = "https://library.example.net/sp"
HOME = "https://home.example.org/idp"
NOTHING_NEW = {"AllowCreate": "false"}
Identifiers = Callable[..., IdentifierSettings]


@pytest.fixture
def identifiers(tmp_path: Path) -> Identifiers:
    """Settings with computed identifiers, and more."""
    write_private_file(tmp_path / "identifiers.salt", b"s" * 32)

    def make(**more: Any) -> IdentifierSettings:
        settings = {"persistent": {"made": "computed", "salt": "identifiers.salt"}, **more}
        return IdentifierSettings.model_validate(settings, context={"directory": tmp_path})

    return make


def asking(resource: Any, wanted: str | None, **policy: str) -> str:
    """A request by Redirect for a format of name."""
    element = resource.request(nameid_format=wanted).to_xml()
    found = element.find(qname(names.SAMLP, "NameIDPolicy"))
    assert found is not None
    for name, value in policy.items():
        found.set(name, value)
    path: str = resource.redirect_element(element)
    return path


def status_of(page: Any) -> tuple[str, str | None]:
    form = html.document_fromstring(page.get_data(as_text=True)).forms[0]
    status = unproven_envelope(parse_xml(base64.b64decode(form.fields["SAMLResponse"]))).status
    return status.code, status.detail


def test_a_persistent_name_is_the_same_at_each_login_and_known_afterwards(
    make_populated_home, identifiers, library
) -> None:
    home = make_populated_home(identifiers=identifiers())
    first = home.accept(home.whole_login(asking(library, names.PERSISTENT)), library).name_id
    home.client = home.make_client()
    again = home.accept(home.whole_login(asking(library, names.PERSISTENT)), library).name_id
    value = persistent_value(Salt(b"s" * 32), home.people["ada"], SP, 0)
    assert first == again
    assert (first.value, first.format, first.name_qualifier, first.sp_name_qualifier) == (
        value,
        names.PERSISTENT,
        HOME,
        SP,
    )
    assert PersistentIds(home.engine).person_named(value, SP) == NamedPerson(home.people["ada"], 0)
    assert [event.facts["for"] for event in home.events("nameid.issued")] == [SP]


def test_after_a_revocation_she_is_somebody_else_to_the_resource(make_populated_home, identifiers, library) -> None:
    home = make_populated_home(identifiers=identifiers())
    first = home.accept(home.whole_login(asking(library, names.PERSISTENT)), library).name_id
    PersistentIds(home.engine).revoke(home.people["ada"], SP, at=home.clock.now(), by="operator")
    second = home.accept(home.get(asking(library, names.PERSISTENT)), library).name_id
    assert second.value != first.value
    assert second.value == persistent_value(Salt(b"s" * 32), home.people["ada"], SP, 1)


def test_a_request_that_allows_nothing_new_is_answered_after_the_login(
    make_populated_home, identifiers, library
) -> None:
    home = make_populated_home(identifiers=identifiers())
    page = home.whole_login(asking(library, names.PERSISTENT, **NOTHING_NEW))
    assert status_of(page) == (names.REQUESTER, names.INVALID_NAMEID_POLICY)
    assert home.events("handle.minted") == []
    given = home.accept(home.get(asking(library, names.PERSISTENT)), library).name_id
    kept = home.accept(home.get(asking(library, names.PERSISTENT, **NOTHING_NEW)), library).name_id
    assert kept == given


def test_a_mail_address_is_the_name_where_the_configuration_says_so(make_populated_home, identifiers, library) -> None:
    home = make_populated_home(identifiers=identifiers(allow_email_name_id_for=[SP]))
    name_id = home.accept(home.whole_login(asking(library, names.EMAIL_ADDRESS)), library).name_id
    assert (name_id.value, name_id.format) == ("ada@example.org", names.EMAIL_ADDRESS)
    home.attribute_source.attributes = (make_attribute("displayName", ["Ada"]),)
    refused = home.get(asking(library, names.EMAIL_ADDRESS))
    assert status_of(refused) == (names.REQUESTER, names.INVALID_NAMEID_POLICY)


@pytest.mark.parametrize("wanted", [names.EMAIL_ADDRESS, names.ENTITY, "urn:x-other"])
def test_what_nobody_can_get_is_refused_before_anybody_logs_in(
    make_populated_home, identifiers, library, wanted: str
) -> None:
    home = make_populated_home(identifiers=identifiers())
    answer = home.get(asking(library, wanted))
    assert status_of(answer) == (names.REQUESTER, names.INVALID_NAMEID_POLICY)


def test_the_namespace_of_others_is_refused(make_populated_home, identifiers, library) -> None:
    home = make_populated_home(identifiers=identifiers())
    answer = home.get(asking(library, names.PERSISTENT, SPNameQualifier="https://lab.example.com/sp"))
    assert status_of(answer) == (names.REQUESTER, names.INVALID_NAMEID_POLICY)
    own = home.whole_login(asking(library, names.PERSISTENT, SPNameQualifier=SP))
    assert home.accept(own, library).name_id.format == names.PERSISTENT


@pytest.mark.parametrize("wanted", [None, names.UNSPECIFIED_NAMEID])
def test_metadata_of_the_resource_decides_where_its_request_does_not(
    make_populated_home, identifiers, library, wanted: str | None
) -> None:
    home = make_populated_home(identifiers=identifiers())
    handle = home.accept(home.whole_login(asking(library, wanted)), library).name_id
    role = replace(library.entity.sp, nameid_formats=(names.EMAIL_ADDRESS, names.PERSISTENT))
    home.entities[0] = replace(library.entity, sp=role)
    lasting = home.accept(home.get(asking(library, wanted)), library).name_id
    assert (handle.format, lasting.format) == (names.TRANSIENT, names.PERSISTENT)
