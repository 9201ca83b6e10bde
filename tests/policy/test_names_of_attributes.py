"""Attributes go by their friendly names and by the OIDs and URIs that standards give them: policies may use either."""

from pathlib import Path

import pytest

from ostiary.policy.release.document import load_release_policies
from ostiary.policy.release.precedence import load_precedence

MAIL, MAIL_OF_SAML1, OWN = "urn:oid:0.9.2342.19200300.100.1.3", "urn:mace:dir:attribute-def:mail", "urn:example:own"


@pytest.mark.parametrize(("written", "meant"), [(MAIL, "mail"), (MAIL_OF_SAML1, "mail"), (OWN, OWN), ("mail", "mail")])
def test_a_rule_and_a_condition_under_either_name_are_about_the_same(tmp_path: Path, written: str, meant: str) -> None:
    document = tmp_path / "release.yaml"
    document.write_text(
        f"policies: [{{id: p, for: {{anyone: true}}, when: {{person: {{attribute: '{written}'}}}}, rules: [{{deny: '{written}'}}]}}]"
    )
    [policy] = load_release_policies([document]).policies
    assert policy.rules[0].attributes == frozenset({meant})
    assert [test.attribute for test in policy.when.person] == [meant]


def test_what_nobody_may_release_is_meant_under_either_name(tmp_path: Path) -> None:
    document = tmp_path / "precedence.yaml"
    document.write_text(f"never_release: ['{MAIL}', displayName]\n")
    assert load_precedence(document).never_release == {"mail", "displayName"}
