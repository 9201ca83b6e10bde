"""What accounts write, on every database: certificates, links, registrations, all or nothing."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from idp.accounts import changes, links, registrations
from idp.accounts.directory import Directory
from idp.accounts.registrations import Applicant
from idp.accounts.tables import password_link, person_certificate, registration
from idp.tables import MIGRATIONS as IDP_MIGRATIONS
from idp.tables import metadata
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.consent.tables import MIGRATIONS as CONSENT_MIGRATIONS
from ostiary.errors import Missing, OstiaryError, Refusal
from ostiary.storage.engine import reading
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.x509.certificate_names import CertificateNames
from tests.databases import DATABASES, upgraded
from tests.idp.accounts.letterbox import NOW, actions_of, add_person

ADA = CertificateNames("CN=Ada Lovelace,O=Grid", "CN=CA,O=Grid")
GRACE = Applicant("Grace@navy.example", "Grace Hopper", "", "en")
HOUR = timedelta(hours=1)


@pytest.fixture(params=sorted(DATABASES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with upgraded(
        request.param, tmp_path, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, CONSENT_MIGRATIONS, IDP_MIGRATIONS]
    ) as opened:
        yield opened


def code_of(error: pytest.ExceptionInfo[OstiaryError]) -> str:
    return error.value.code


def test_the_migration_makes_exactly_these_tables(engine: Engine) -> None:
    ours = {table.name for table in (password_link, person_certificate, registration)} | {"person"}

    def include(item: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
        return kind != "table" or name in ours

    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": include, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_certificate_is_found_by_both_its_names(directory: Directory) -> None:
    principal = add_person(directory, "ada")
    directory.add_certificate(principal, ADA, at=NOW, by="operator")
    found = directory.by_certificate(ADA.subject, ADA.issuer)
    assert found is not None
    assert found.principal == principal
    assert directory.by_certificate(ADA.subject, "CN=Other CA,O=Grid") is None
    assert directory.by_certificate("cn=ada lovelace,O=Grid", ADA.issuer) is None
    assert directory.by_certificate("", "") is None


def test_a_certificate_can_be_given_to_another_after_it_was_taken_away(directory: Directory) -> None:
    ada, bob = add_person(directory, "ada"), add_person(directory, "bob")
    for principal in (ada, bob):
        directory.add_certificate(principal, ADA, at=NOW, by="operator")
        with pytest.raises(Refusal) as refused:
            directory.add_certificate(bob, ADA, at=NOW, by="operator")
        assert code_of(refused) == "people.certificate_taken"
        directory.remove_certificate(principal, ADA, at=NOW, by="operator")
    with pytest.raises(Missing):
        directory.remove_certificate(ada, ADA, at=NOW, by="operator")


def test_people_are_found_by_mail_in_any_case(directory: Directory) -> None:
    ada = add_person(directory, "ada", mail=["Ada@Example.org", "second@example.org"])
    directory.set_attributes(
        add_person(directory, "bob", mail=["old@example.org"]), {"mail": []}, at=NOW, by="operator"
    )
    assert [person.principal for person in directory.by_mail("ADA@example.ORG")] == [ada]
    assert [person.principal for person in directory.by_mail("second@example.org")] == [ada]
    assert directory.by_mail("old@example.org") == ()
    assert directory.by_mail("%@example.org") == ()
    assert directory.by_mail("") == ()


def test_of_a_shared_mailbox_five_people_are_found(directory: Directory) -> None:
    for number in range(7):
        add_person(directory, f"p{number}", mail=["all@example.org"])
    assert len(directory.by_mail("all@example.org")) == 5


def test_a_link_has_one_holder_until_it_is_used(directory: Directory, engine: Engine) -> None:
    ada = add_person(directory, "ada")
    with directory.change(at=NOW, by="operator") as change:
        first = links.issue_link(change, ada, lifetime=HOUR)
        second = links.issue_link(change, ada, lifetime=HOUR)
    with reading(engine) as connection:
        assert links.holder_of_link(connection, second, NOW) == ada
        for token, at in ((first, NOW), (second, NOW + HOUR), ("", NOW)):
            with pytest.raises(Refusal) as refused:
                links.holder_of_link(connection, token, at)
            assert code_of(refused) == "account.link"
    with directory.change(at=NOW, by="anybody") as change:
        assert links.use_link(change, second, "new hash") == ada
    with pytest.raises(Refusal), directory.change(at=NOW, by="anybody") as change:
        links.use_link(change, second, "newer hash")
    credentials = directory.credentials("ada")
    assert credentials is not None
    assert credentials.password_hash == "new hash"


def test_a_new_password_ends_a_link(directory: Directory, engine: Engine) -> None:
    ada = add_person(directory, "ada")
    with directory.change(at=NOW, by="operator") as change:
        token = links.issue_link(change, ada, lifetime=HOUR)
    directory.set_password(ada, "hash", at=NOW, by="operator")
    with reading(engine) as connection, pytest.raises(Refusal):
        links.holder_of_link(connection, token, NOW)


def test_a_registration_goes_all_its_way(directory: Directory, engine: Engine) -> None:
    with directory.change(at=NOW, by="anybody") as change:
        token = registrations.begin(change, GRACE, lifetime=HOUR)
    if token is None:
        raise LookupError("no token")
    with directory.change(at=NOW, by="anybody") as change:
        proven = registrations.prove(change, token, password_hash=None, certificate=ADA, lifetime=HOUR)
        assert registrations.begin(change, GRACE, lifetime=HOUR) is None
    with directory.change(at=NOW, by="operator") as change:
        (found,) = registrations.waiting(change.connection, NOW)
        assert found == proven
        assert registrations.waiting(change.connection, NOW + HOUR) == ()
        assert registrations.waiting_one(change.connection, " grace@NAVY.example", NOW) == proven
        registrations.approve(change, found, login_name="grace", attributes={"sn": ["Hopper"]})
        with pytest.raises(Missing):
            registrations.approve(change, found, login_name="grace2", attributes={})
    person = directory.by_certificate(ADA.subject, ADA.issuer)
    assert person is not None
    assert (person.principal, person.login_name) == (proven.principal, "grace")
    with reading(engine) as connection:
        assert registrations.is_known(connection, "GRACE@navy.example")
        assert registrations.is_known(connection, "Grace")
        assert not registrations.is_known(connection, "grace@elsewhere.example")


def test_expired_registrations_are_erased_a_hundred_at_a_time(directory: Directory, engine: Engine) -> None:
    with directory.change(at=NOW, by="anybody") as change:
        for number in range(101):
            applicant = Applicant(f"g{number}@navy.example", "G", "", "en")
            registrations.begin(change, applicant, lifetime=HOUR)
    for at, expected in ((NOW, 0), (NOW + HOUR, 100), (NOW + HOUR, 1), (NOW + HOUR, 0)):
        with directory.change(at=at, by="idp") as change:
            assert registrations.erase_expired(change) == expected
    assert actions_of(engine).count("registration.expired") == 101
    assert actions_of(engine).count("audit.person_erased") == 101


def test_what_fails_in_the_middle_leaves_nothing(directory: Directory, engine: Engine) -> None:
    def two_people() -> None:
        with directory.change(at=NOW, by="operator") as change:
            changes.create_person(change, "1" * 32, "ada", password_hash=None, attributes={"mail": ["a@example.org"]})
            changes.create_person(change, "2" * 32, "BOB", password_hash=None, attributes={})

    add_person(directory, "bob")
    with pytest.raises(Refusal):
        two_people()
    assert [person.login_name for person in directory.all()] == ["bob"]
    assert actions_of(engine) == ["person.created"]


def test_a_deleted_persons_name_is_free_only_once_she_is_erased(directory: Directory) -> None:
    ada = add_person(directory, "ada", mail=["ada@example.org"])
    directory.delete(ada, at=NOW, by="operator")
    with pytest.raises(Refusal) as refused:
        add_person(directory, "Ada")
    assert code_of(refused) == "people.login_taken"
    with pytest.raises(Missing):
        directory.delete(ada, at=NOW, by="operator", erase=True)
    bob = add_person(directory, "bob")
    directory.delete(bob, at=NOW, by="operator", erase=True)
    assert add_person(directory, "bob") != bob
