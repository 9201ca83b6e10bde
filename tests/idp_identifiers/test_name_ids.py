"""What a person is called at a resource, from request to value: handles, persistent identifiers and mail addresses."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from idp.identifiers.name_ids import NameIds, Subject
from idp.identifiers.rules import INVALID_POLICY, NameIdPolicy
from idp.identifiers.settings import IdentifierSettings
from idp.identifiers.stored import ImportedId, PersistentIds
from ostiary.attributes import make_attribute
from ostiary.config import write_private_file
from ostiary.errors import Unavailable
from ostiary.federation.model import Entity, SpRole
from ostiary.handle import HandleKey, open_handle
from ostiary.identifiers.computed import persistent_value
from ostiary.identifiers.salt import Salt
from ostiary.policy.release import ReleaseDecision
from ostiary.ports import NamedPerson, Release, ReleaseRequest
from ostiary.saml import names
from ostiary.saml.assertion import NameId

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
END = NOW + timedelta(hours=1)
HOME = "https://uni.example/idp"
LIBRARY = "https://library.example/shar"
KEY = HandleKey(b"k" * 32)
ADA = Subject("p1", 3, END)
ASKED = NameIdPolicy(names.PERSISTENT, allow_create=True)
MAIL = NameIdPolicy(names.EMAIL_ADDRESS)


@dataclass
class Authority:
    """Releases mail addresses, and keeps what it was asked."""

    addresses: Sequence[str] = ("ada@uni.example",)
    asked: list[ReleaseRequest] = field(default_factory=list)

    def release(self, request: ReleaseRequest) -> Release:
        self.asked.append(request)
        attributes = (make_attribute("mail", self.addresses),) if self.addresses else ()
        return Release(attributes, ReleaseDecision(attributes, ()))


def sp(*formats: str) -> Entity:
    return Entity(LIBRARY, sp=SpRole(nameid_formats=formats))


class Desk:
    """Name IDs over a fresh database."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.stored = PersistentIds(engine)
        self.authority = Authority()
        self._directory = directory
        write_private_file(directory / "salt", b"s" * 32)

    def names(self, **settings: Any) -> NameIds:
        read = IdentifierSettings.model_validate(settings, context={"directory": self._directory})
        return NameIds(read, entity_id=HOME, handle_keys=lambda: [KEY], stored=self.stored, source=self.authority)

    def computed(self, **settings: Any) -> NameIds:
        return self.names(persistent={"made": "computed", "salt": "salt"}, **settings)


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Desk:
    return Desk(engine, tmp_path)


def test_without_any_setting_everybody_gets_a_handle(desk: Desk) -> None:
    name_id = desk.names().name_id_for(ADA, sp(names.PERSISTENT), None, NOW)
    assert isinstance(name_id, NameId)
    assert (name_id.format, name_id.name_qualifier, name_id.sp_name_qualifier) == (names.TRANSIENT, HOME, LIBRARY)
    handle = open_handle([KEY], name_id.value, requester=LIBRARY, now=NOW)
    assert (handle.principal, handle.authority, handle.expires) == ("p1", 3, END)
    assert desk.authority.asked == []
    assert desk.stored.all() == []


def test_a_computed_identifier_is_stored_when_it_is_given(desk: Desk) -> None:
    name_id = desk.computed().name_id_for(ADA, sp(), ASKED, NOW)
    value = persistent_value(Salt(b"s" * 32), "p1", LIBRARY, 0)
    assert name_id == NameId(value, names.PERSISTENT, HOME, LIBRARY)
    assert desk.stored.person_named(value, LIBRARY) == NamedPerson("p1", 3)


def test_a_lost_database_gives_the_same_computed_identifier_and_a_revoked_one_another(desk: Desk) -> None:
    first = desk.computed().name_id_for(ADA, sp(), ASKED, NOW)
    desk.stored.revoke("p1", LIBRARY, at=NOW, by="operator")
    second = desk.computed().name_id_for(ADA, sp(), ASKED, NOW)
    assert isinstance(first, NameId)
    assert isinstance(second, NameId)
    assert first.value == persistent_value(Salt(b"s" * 32), "p1", LIBRARY, 0)
    assert second.value == persistent_value(Salt(b"s" * 32), "p1", LIBRARY, 1)


def test_a_random_identifier_is_kept(desk: Desk) -> None:
    made = desk.names(persistent={"made": "random"})
    first, again = (made.name_id_for(ADA, sp(), ASKED, NOW) for _ in range(2))
    other = made.name_id_for(Subject("p2", 0, END), sp(), ASKED, NOW)
    assert isinstance(first, NameId)
    assert isinstance(other, NameId)
    assert first == again
    assert len(first.value) == 40
    assert other.value != first.value


def test_an_imported_identifier_is_given_instead_of_a_new_one(desk: Desk) -> None:
    desk.stored.import_all([ImportedId("p1", LIBRARY, "from before")], at=NOW, by="operator")
    name_id = desk.computed().name_id_for(ADA, sp(), ASKED, NOW)
    assert name_id == NameId("from before", names.PERSISTENT, HOME, LIBRARY)


def test_a_request_that_allows_no_new_identifier_gets_only_one_that_is_there(desk: Desk) -> None:
    strict, made = NameIdPolicy(names.PERSISTENT), desk.computed()
    assert made.name_id_for(ADA, sp(), strict, NOW) == INVALID_POLICY
    assert desk.stored.all() == []
    given = made.name_id_for(ADA, sp(), ASKED, NOW)
    assert made.name_id_for(ADA, sp(), strict, NOW) == given


def test_a_request_that_leaves_the_format_open_but_allows_nothing_new_gets_a_handle(desk: Desk) -> None:
    name_id = desk.computed().name_id_for(ADA, sp(names.PERSISTENT), NameIdPolicy(), NOW)
    assert isinstance(name_id, NameId)
    assert name_id.format == names.TRANSIENT
    assert desk.stored.all() == []


def test_metadata_and_configuration_choose_where_the_request_does_not(desk: Desk) -> None:
    made = desk.computed()
    by_metadata = made.name_id_for(ADA, sp(names.PERSISTENT), None, NOW)
    by_override = made.name_id_for(ADA, sp(names.PERSISTENT), None, NOW, override=names.TRANSIENT)
    assert isinstance(by_metadata, NameId)
    assert isinstance(by_override, NameId)
    assert (by_metadata.format, by_override.format) == (names.PERSISTENT, names.TRANSIENT)


def test_a_persistent_identifier_that_is_not_configured_is_refused(desk: Desk) -> None:
    made = desk.names()
    assert made.name_id_for(ADA, sp(), ASKED, NOW) == INVALID_POLICY


def test_a_mail_address_goes_to_who_is_named_and_as_far_as_policies_allow(desk: Desk) -> None:
    made = desk.names(allow_email_name_id_for=[LIBRARY])
    assert made.name_id_for(ADA, sp(), MAIL, NOW) == NameId("ada@uni.example", names.EMAIL_ADDRESS)
    asked = desk.authority.asked[0]
    assert (asked.principal, asked.requester, asked.authority) == ("p1", LIBRARY, 3)
    assert [attribute.name for attribute in asked.wanted or ()] == ["mail"]
    desk.authority.addresses = ()
    assert made.name_id_for(ADA, sp(), MAIL, NOW) == INVALID_POLICY


def test_a_mail_address_goes_to_nobody_else(desk: Desk) -> None:
    made = desk.names(allow_email_name_id_for=["https://other.example"])
    assert made.name_id_for(ADA, sp(), MAIL, NOW) == INVALID_POLICY
    by_metadata = made.name_id_for(ADA, sp(names.EMAIL_ADDRESS), None, NOW)
    assert isinstance(by_metadata, NameId)
    assert by_metadata.format == names.TRANSIENT
    assert desk.authority.asked == []


@pytest.mark.parametrize("value", ["Ada <ada@uni.example>", "ada@uni.example\nBcc: x", "ada", "a b@uni.example", "@x"])
def test_what_is_no_mail_address_is_no_name(desk: Desk, value: str) -> None:
    desk.authority.addresses = (value,)
    made = desk.names(allow_email_name_id_for=[LIBRARY])
    assert made.name_id_for(ADA, sp(), MAIL, NOW) == INVALID_POLICY
    desk.authority.addresses = (value, "ada@uni.example")
    assert made.name_id_for(ADA, sp(), MAIL, NOW) == NameId("ada@uni.example", names.EMAIL_ADDRESS)


def test_nobody_is_looked_up_whose_mail_address_is_not_needed(desk: Desk) -> None:
    made = desk.computed(allow_email_name_id_for=[LIBRARY])
    made.name_id_for(ADA, sp(names.EMAIL_ADDRESS), NameIdPolicy(names.TRANSIENT), NOW)
    made.name_id_for(ADA, sp(), None, NOW)
    made.name_id_for(ADA, sp(names.EMAIL_ADDRESS), None, NOW, override=names.PERSISTENT)
    assert desk.authority.asked == []


def test_the_database_is_not_asked_for_a_handle(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("storage.unavailable")

    monkeypatch.setattr(PersistentIds, "find", fail)
    made = desk.computed()
    for policy in (
        None,
        NameIdPolicy(),
        NameIdPolicy(names.TRANSIENT),
        NameIdPolicy(names.TRANSIENT, allow_create=True),
    ):
        assert isinstance(made.name_id_for(ADA, sp(names.TRANSIENT, names.PERSISTENT), policy, NOW), NameId)


def test_where_there_is_no_mail_address_the_next_format_is_taken(desk: Desk) -> None:
    desk.authority.addresses = ()
    made = desk.computed(allow_email_name_id_for=[LIBRARY])
    name_id = made.name_id_for(ADA, sp(names.EMAIL_ADDRESS, names.PERSISTENT), None, NOW)
    assert isinstance(name_id, NameId)
    assert name_id.format == names.PERSISTENT


def test_an_authority_that_does_not_answer_is_no_missing_address(desk: Desk) -> None:
    def fail(_: ReleaseRequest) -> Release:
        raise Unavailable("soap.unreachable")

    desk.authority.release = fail  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        desk.names(allow_email_name_id_for=[LIBRARY]).name_id_for(ADA, sp(), MAIL, NOW)


@pytest.mark.parametrize("persistent", [{"made": "computed"}, {"made": "random", "salt": "salt"}])
def test_a_salt_is_there_exactly_where_identifiers_are_computed(desk: Desk, persistent: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"identifiers\.persistent_salt"):
        desk.names(persistent=persistent)


def test_metadata_announces_what_there_is(tmp_path: Path) -> None:
    assert IdentifierSettings().formats() == (names.TRANSIENT,)
    persistent = IdentifierSettings.model_validate({"persistent": {"made": "random"}})
    assert persistent.formats() == (names.TRANSIENT, names.PERSISTENT)
