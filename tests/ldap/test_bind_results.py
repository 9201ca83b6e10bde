"""What servers say about an account in their answer to a bind, as Active Directory, Samba and OpenLDAP write it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.ldap.bind_results import bind_outcome
from ostiary.ldap.port import AFTER_THE_RIGHT_PASSWORD, BindOutcome

MESSAGE = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {}, v1db1"


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        ("525", "wrong_password"),
        ("52e", "wrong_password"),
        ("52f", "not_now"),
        ("530", "not_now"),
        ("531", "not_now"),
        ("532", "password_expired"),
        ("533", "inactive"),
        ("701", "expired"),
        ("773", "must_change"),
        ("775", "locked"),
        ("52E", "wrong_password"),
        ("568", "wrong_password"),
        ("ffffffff", "wrong_password"),
    ],
)
def test_active_directory_tells_the_state_in_its_message(data: str, outcome: BindOutcome) -> None:
    assert bind_outcome(49, MESSAGE.format(data), None) == outcome


@pytest.mark.parametrize(
    "message", ["", "data 533", MESSAGE.format("53g"), MESSAGE.format("533")[:70], "x" * 5000 + MESSAGE.format("533")]
)
def test_a_message_that_is_not_quite_that_is_a_wrong_password(message: str) -> None:
    assert bind_outcome(49, message, None) == "wrong_password"


def test_the_message_counts_only_with_invalid_credentials() -> None:
    assert bind_outcome(0, MESSAGE.format("775"), None) == "accepted"
    assert bind_outcome(53, MESSAGE.format("775"), None) == "disabled"
    assert bind_outcome(32, MESSAGE.format("775"), None) == "wrong_password"


@pytest.mark.parametrize(
    ("code", "control", "outcome"),
    [
        (0, "3000", "accepted"),
        (0, "3003810102", "must_change"),
        # Ten seconds until it expires; three grace logins left.
        (0, "3005a00380010a", "accepted"),
        (0, "3005a003810103", "accepted"),
        (49, "3003810100", "password_expired"),
        (49, "3003810101", "locked"),
        (49, "3000", "wrong_password"),
        (49, "3003810109", "wrong_password"),
        (49, "3008a003800101810101", "locked"),
        (19, "3003810101", "disabled"),
    ],
)
def test_the_password_policys_control_tells_the_state(code: int, control: str, outcome: BindOutcome) -> None:
    assert bind_outcome(code, "", bytes.fromhex(control)) == outcome


@pytest.mark.parametrize(
    "control", ["", "30", "3103810101", "30ff810101", "3002810101", "300381ff01", "30048102 0101", "30020500"]
)
def test_a_control_that_can_not_be_read_says_nothing(control: str) -> None:
    assert bind_outcome(49, "", bytes.fromhex(control)) == "wrong_password"
    assert bind_outcome(0, "", bytes.fromhex(control)) == "accepted"


@settings(max_examples=50)
@given(st.binary(max_size=64), st.text(max_size=200))
def test_nothing_that_a_server_writes_makes_a_wrong_password_right(control: bytes, message: str) -> None:
    assert bind_outcome(49, message, control) != "accepted"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(19, "disabled"), (53, "disabled"), (34, "wrong_password"), (48, "wrong_password"), (1, None), (51, None)],
)
def test_other_codes_mean_what_they_meant(code: int, outcome: BindOutcome | None) -> None:
    assert bind_outcome(code, "", None) == outcome


def test_a_lock_is_told_to_whoever_asks_so_it_proves_no_password() -> None:
    assert "locked" not in AFTER_THE_RIGHT_PASSWORD
    assert "disabled" not in AFTER_THE_RIGHT_PASSWORD
    assert {"inactive", "expired", "password_expired", "must_change", "not_now"} <= AFTER_THE_RIGHT_PASSWORD
