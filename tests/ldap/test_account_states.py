"""What the attributes of an entry in Active Directory say about its account."""

from datetime import UTC, datetime, timedelta

import pytest

from ostiary.clock import Clock
from ostiary.ldap.accounts import AccountState, account_state, file_time
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.port import Entry
from ostiary.ldap.settings import LdapSettings
from tests.ldap_directory import BASE, MemoryDirectory

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def entry(**attributes: str) -> Entry:
    written = {"computed": "msds-user-account-control-computed"}
    return Entry("cn=ada", {written.get(name, name.lower()): (value.encode(),) for name, value in attributes.items()})


@pytest.mark.parametrize(
    ("attributes", "state"),
    [
        ({}, "active"),
        ({"userAccountControl": "512", "accountExpires": "9223372036854775807", "pwdLastSet": "134398143400360640"}, "active"),
        ({"userAccountControl": "514"}, "disabled"),
        ({"userAccountControl": "514", "pwdLastSet": "0"}, "disabled"),
        ({"userAccountControl": "512", "accountExpires": "0"}, "active"),
        ({"accountExpires": "134398224000000000"}, "expired"),
        ({"accountExpires": "134398224000000001"}, "active"),
        ({"accountExpires": "1"}, "expired"),
        ({"lockoutTime": "134398143422395730"}, "locked"),
        ({"lockoutTime": "0"}, "active"),
        ({"lockoutTime": "134398143422395730", "computed": "0"}, "active"),
        ({"computed": "16"}, "locked"),
        ({"computed": "8388608"}, "password_expired"),
        ({"userAccountControl": "66048", "computed": "8388608"}, "active"),
        ({"pwdLastSet": "0"}, "must_change"),
        ({"userAccountControl": "66048", "pwdLastSet": "0"}, "active"),
        ({"userAccountControl": "many", "pwdLastSet": "", "accountExpires": "9" * 30}, "active"),
        ({"userAccountControl": "-2147483134"}, "disabled"),
    ],
)  # fmt: skip
def test_the_state_of_an_account(attributes: dict[str, str], state: AccountState) -> None:
    assert account_state(entry(**attributes), NOW) == state


def test_instants_are_counted_from_1601() -> None:
    assert file_time(datetime(1601, 1, 1, tzinfo=UTC)) == 0
    assert file_time(datetime(1970, 1, 1, tzinfo=UTC)) == 116444736000000000
    assert file_time(NOW) == 134398224000000000


class At(Clock):
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.mark.parametrize(
    ("attributes", "active"),
    [
        ({}, True),
        ({"userAccountControl": "514"}, False),
        ({"accountExpires": str(file_time(NOW))}, False),
        ({"accountExpires": str(file_time(NOW + timedelta(seconds=1)))}, True),
        ({"lockoutTime": "134398143422395730"}, True),
        ({"pwdLastSet": "0"}, True),
    ],
)
def test_who_is_disabled_or_expired_is_not_active_and_a_lock_ends_no_session(
    attributes: dict[str, str], active: bool
) -> None:
    directory = MemoryDirectory()
    directory.add("ada", **attributes)
    settings = {"servers": ["ldap://localhost"], "base_dn": BASE, "remember": "0s"}
    asked = LdapPeople(
        directory, LdapSettings.model_validate({**settings, "accounts": "active_directory"}), clock=At(NOW)
    )
    assert asked.is_active("id-of-ada") is active
    plain = LdapPeople(directory, LdapSettings.model_validate(settings), clock=At(NOW))
    assert plain.is_active("id-of-ada")
