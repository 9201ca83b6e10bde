"""What the answer to a bind says about the account: its code, the password policy's control, Active Directory's message. Pure.

Passwords that expired are not wrong ones; whoever had the right password is told what to do.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.ldap.port import BindOutcome

POLICY_CONTROL: Final = "1.3.6.1.4.1.42.2.27.8.5.1"
"""The control of draft-behera-ldap-password-policy, asked for and answered under one OID."""

# RFC 4511 appendix A.
SUCCESS: Final = 0
CONSTRAINT: Final = 19
INVALID_CREDENTIALS: Final = 49
WRONG: Final = (32, 34, 48, INVALID_CREDENTIALS)
UNWILLING: Final = 53

# draft-behera-ldap-password-policy-10 6.2.
_POLICY_ERRORS: Final[Mapping[int, BindOutcome]] = MappingProxyType(
    {0: "password_expired", 1: "locked", 2: "must_change"}
)
# Win32 error codes in hexadecimal, as Active Directory and Samba write them behind "data". Active Directory looks at the password
# before all of these but 775.
_ACTIVE_DIRECTORY: Final[Mapping[int, BindOutcome]] = MappingProxyType(
    {
        0x525: "wrong_password",
        0x52E: "wrong_password",
        0x52F: "not_now",
        0x530: "not_now",
        0x531: "not_now",
        0x532: "password_expired",
        0x533: "inactive",
        0x701: "expired",
        0x773: "must_change",
        0x775: "locked",
    }
)
_DIAGNOSTIC: Final = re.compile(r"AcceptSecurityContext error, data ([0-9a-fA-F]{1,8}),")
_MAXIMUM_MESSAGE: Final = 2_000


def bind_outcome(code: int, message: str, policy: bytes | None) -> BindOutcome | None:
    """What a bind came to, from its resultCode, diagnosticMessage and the value of the password policy's control; None for a code that
    says nothing about the account or its password."""
    error = _policy_error(policy) if policy is not None else None
    if code == SUCCESS:
        # With grace logins left (a warning) the password still does; with this error it does for nothing but changing it.
        return "must_change" if error == 2 else "accepted"
    if code == INVALID_CREDENTIALS and error is not None and error in _POLICY_ERRORS:
        return _POLICY_ERRORS[error]
    if code == INVALID_CREDENTIALS and (found := _DIAGNOSTIC.search(message[:_MAXIMUM_MESSAGE])) is not None:
        return _ACTIVE_DIRECTORY.get(int(found[1], 16), "wrong_password")
    if code in WRONG:
        return "wrong_password"
    return "disabled" if code in (CONSTRAINT, UNWILLING) else None


def _policy_error(value: bytes) -> int | None:
    """``error`` of a PasswordPolicyResponseValue: SEQUENCE { warning [0] OPTIONAL, error [1] ENUMERATED OPTIONAL }; None where there is
    none, or where the value is something else."""
    # All real ones fit into the short form of a length.
    if len(value) < 2 or value[0] != 0x30 or value[1] != len(value) - 2:
        return None
    rest = value[2:]
    while len(rest) >= 2 and rest[1] <= len(rest) - 2:
        tag, content, rest = rest[0], rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
        if tag == 0x81 and len(content) == 1:
            return content[0]
    return None
