"""What the proofs of a session amount to, and which class answers a request."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from idp.login.contexts import PRIMARY, Achieved, Assurance, achievable, achieved, choose, counted
from idp.sessions.session import LoginProof, SsoSession
from ostiary.saml import names
from ostiary.saml.protocol import RequestedAuthnContext

NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
TEN, ELEVEN = NINE + timedelta(hours=1), NINE + timedelta(hours=2)
PLAIN = Assurance()
WITH_SFA = Assurance(sfa=True)


def by(*methods: str, at: datetime = NINE) -> list[LoginProof]:
    return [LoginProof(method, at) for method in methods]


def classes(*methods: str, assurance: Assurance = PLAIN) -> list[str]:
    return [one.context_class for one in achieved(by(*methods), assurance)]


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ((), []),
        (("password",), [names.PASSWORD_PROTECTED_TRANSPORT]),
        (("kerberos",), [names.KERBEROS]),
        (("certificate",), [names.TLS_CLIENT]),
        (("front_end",), [names.UNSPECIFIED_CONTEXT]),
        (("passkey",), [names.REFEDS_MFA]),
        (("totp",), []),
        (("totp", "recovery_code"), []),
        (("password", "totp"), [names.REFEDS_MFA, names.PASSWORD_PROTECTED_TRANSPORT]),
        (("password", "recovery_code"), [names.REFEDS_MFA, names.PASSWORD_PROTECTED_TRANSPORT]),
        (("password", "kerberos"), [names.PASSWORD_PROTECTED_TRANSPORT, names.KERBEROS]),
    ],
)
def test_proofs_amount_to_classes_strongest_first(methods: tuple[str, ...], expected: list[str]) -> None:
    assert classes(*methods) == expected


def test_single_factor_assurance_is_stated_only_where_the_organisation_does_so() -> None:
    assert classes("password", assurance=WITH_SFA) == [names.PASSWORD_PROTECTED_TRANSPORT, names.REFEDS_SFA]
    assert classes("passkey", assurance=WITH_SFA) == [names.REFEDS_MFA, names.REFEDS_SFA]
    assert classes("totp", assurance=WITH_SFA) == []


@pytest.mark.parametrize("method", sorted(PRIMARY))
@pytest.mark.parametrize("assurance", [PLAIN, WITH_SFA], ids=["plain", "sfa"])
def test_a_first_factor_amounts_to_a_class_at_the_latest_with_a_second(method: str, assurance: Assurance) -> None:
    # The login page goes by that: who asks for no class in particular needs nothing but a first factor from it.
    assert choose(None, achieved(by(method, "totp"), assurance)) is not None


def test_two_factors_are_as_old_as_the_older_one() -> None:
    proofs = [LoginProof("password", NINE), LoginProof("totp", ELEVEN)]
    assert achieved(proofs, PLAIN) == (
        Achieved(names.REFEDS_MFA, NINE),
        Achieved(names.PASSWORD_PROTECTED_TRANSPORT, NINE),
    )
    again = [*proofs, LoginProof("password", TEN)]
    assert achieved(again, PLAIN)[0] == Achieved(names.REFEDS_MFA, TEN)
    assert achieved([*again, LoginProof("passkey", ELEVEN)], PLAIN)[0] == Achieved(names.REFEDS_MFA, ELEVEN)


def chosen(comparison: str, *wanted: str, methods: tuple[str, ...] = ("password", "totp")) -> str | None:
    found = choose(RequestedAuthnContext(wanted, comparison), achieved(by(*methods), WITH_SFA))
    return found.context_class if found is not None else None


def test_an_exact_request_is_answered_by_the_first_that_it_names_and_she_has() -> None:
    assert chosen("exact", names.REFEDS_SFA, names.REFEDS_MFA) == names.REFEDS_SFA
    assert chosen("exact", names.TLS_CLIENT, names.REFEDS_MFA) == names.REFEDS_MFA
    assert chosen("exact", names.TLS_CLIENT) is None
    assert chosen("exact", names.REFEDS_MFA, methods=("password",)) is None


def test_other_comparisons_are_answered_by_the_strongest_that_qualifies() -> None:
    assert chosen("minimum", names.PASSWORD) == names.REFEDS_MFA
    assert chosen("minimum", names.REFEDS_MFA, methods=("password",)) is None
    assert chosen("maximum", names.PASSWORD_PROTECTED_TRANSPORT) == names.PASSWORD_PROTECTED_TRANSPORT
    assert chosen("maximum", names.PASSWORD) is None
    assert chosen("better", names.PASSWORD_PROTECTED_TRANSPORT) == names.REFEDS_MFA
    assert chosen("better", names.PASSWORD_PROTECTED_TRANSPORT, methods=("password",)) is None
    assert chosen("better", "urn:example:unheard-of") is None
    assert chosen("minimum", "urn:example:unheard-of") is None


def test_what_may_be_achieved_needs_a_first_factor() -> None:
    assert [one.context_class for one in achievable({"password", "totp"}, PLAIN, NINE)] == [
        names.REFEDS_MFA,
        names.PASSWORD_PROTECTED_TRANSPORT,
    ]
    assert achievable({"totp"}, PLAIN, NINE) == ()
    # Two first factors are no second one.
    assert names.REFEDS_MFA not in [one.context_class for one in achievable({"password", "kerberos"}, PLAIN, NINE)]


@dataclass(frozen=True)
class Request:
    force_authn: bool = False
    turn: str | None = None
    fresh_since: datetime | None = None


SESSION = SsoSession("id", "ada", (LoginProof("password", NINE, "first"), LoginProof("totp", ELEVEN, "second")), ELEVEN)


def counting(asked: Request) -> list[str]:
    return [proof.method for proof in counted(SESSION, asked)]


def test_where_a_login_is_forced_only_proofs_of_its_own_turn_count() -> None:
    assert counting(Request()) == ["password", "totp"]
    assert counting(Request(force_authn=True, turn="second")) == ["totp"]
    assert counting(Request(force_authn=True, turn="third")) == []
    assert counting(Request(force_authn=True)) == []
    timeless = SsoSession("id", "ada", (LoginProof("password", NINE),), ELEVEN)
    assert counted(timeless, Request(force_authn=True)) == ()


def test_where_a_fresh_login_is_needed_older_proofs_do_not_count() -> None:
    assert counting(Request(fresh_since=TEN)) == ["totp"]
    assert counting(Request(fresh_since=NINE)) == ["password", "totp"]
