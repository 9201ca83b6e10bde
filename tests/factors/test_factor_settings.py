"""The configuration of second factors: what is taken, and what is refused by name and line."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from idp.factors.rules import Rule
from idp.factors.settings import SecondFactorSettings
from ostiary.config import DocumentError, load_settings


def written(path: Path, text: str) -> Path:
    (path / "factors.key").touch()
    (path / "second.yaml").write_text(f"secret_keys: [factors.key]\n{text}")
    return path / "second.yaml"


def test_without_more_whoever_has_a_factor_is_asked_and_may_sign_in_by_passkey_alone(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, ""), SecondFactorSettings)
    assert settings.decisive == ()
    assert settings.remember_browser is None
    assert settings.passwordless is True
    assert (settings.attempts.limits().per_minute, settings.attempts.limits().per_hour) == (5, 20)


def test_every_condition_and_consequence_of_a_rule_is_read(tmp_path: Path) -> None:
    text = """
remember_browser: 14d
passwordless: false
attempts: {per_minute: 3, per_hour: 9}
rules:
  - ask: required
    sp: [https://hr.example/sp]
    sp_category: [urn:category]
    sp_attribute: {urn:attribute: [high]}
    person: {isMemberOf: [admins, root]}
    new_browser: true
    outside_networks: [192.0.2.0/24, "2001:db8::/32"]
    again_after: 12h
    remember: false
    enrol: false
  - ask: never
"""
    settings = load_settings(written(tmp_path, text), SecondFactorSettings)
    assert settings.remember_browser == timedelta(days=14)
    assert settings.passwordless is False
    assert settings.decisive == (
        Rule(
            "required",
            sps=frozenset({"https://hr.example/sp"}),
            sp_categories=frozenset({"urn:category"}),
            sp_attributes=(("urn:attribute", frozenset({"high"})),),
            person=(("isMemberOf", frozenset({"admins", "root"})),),
            new_browser=True,
            outside=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
            again_after=timedelta(hours=12),
            remember=False,
            enrol=False,
        ),
        Rule("never"),
    )


@pytest.mark.parametrize(
    ("text", "key", "code"),
    [
        ("rules: [{ask: sometimes}]", "rules[0].ask", "config.wrong_value"),
        ("rules: [{sp: [a]}]", "rules[0].ask", "config.missing_key"),
        ("rules: [{ask: never, sp_categories: [a]}]", "rules[0].sp_categories", "config.mistyped_key"),
        ("rules: [{ask: never, outside_networks: [192.0.2.1/24]}]", "rules[0].outside_networks[0]", "config.network"),
        ("rules: [{ask: never, outside_networks: [campus]}]", "rules[0].outside_networks[0]", "config.network"),
        ("rules: [{ask: never, person: {isMemberOf: []}}]", "rules[0].person.isMemberOf", "config.wrong_value"),
        ("rules: [{ask: never, again_after: 12}]", "rules[0].again_after", "config.duration"),
        ("remember_browser: 366d", "remember_browser", "config.wrong_value"),
        ("attempts: {per_hour: 0}", "attempts.per_hour", "config.wrong_value"),
        ("secret_key: x", "secret_key", "config.mistyped_key"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, key: str, code: str) -> None:
    with pytest.raises(DocumentError) as refused:
        load_settings(written(tmp_path, text), SecondFactorSettings)
    assert (refused.value.key, refused.value.code) == (key, code)


def test_a_key_file_is_needed_and_must_be_there(tmp_path: Path) -> None:
    for text in ("rules: []", "secret_keys: []", "secret_keys: [missing.key]"):
        (tmp_path / "second.yaml").write_text(text)
        with pytest.raises(DocumentError):
            load_settings(tmp_path / "second.yaml", SecondFactorSettings)
