"""The certificates directory: which files count, how a broken one is named, and how a changed one is noticed."""

import fnmatch
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.config import Holder, Sources
from ostiary.errors import ConfigurationError
from ostiary.x509 import names
from ostiary.x509.chain import verify_chain
from ostiary.x509.signing_policy import SigningPolicy, parse_signing_policy
from ostiary.x509.trust import TrustDirectory, load_trust_directory
from tests.x509.authorities import (
    DAY,
    NOW,
    der,
    error_code,
    key_pem,
    pem,
    private_key,
    root,
    signing_policy,
    trust_directory,
)

AUTHORITY = root()
OTHER = root("/C=ZZ/O=Elsewhere/CN=Other CA")
# Printed by `openssl x509 -subject_hash -subject_hash_old` for /C=ZZ/O=HV Test/CN=HV Test CA.
NEW_HASH, OLD_HASH = "805cb2f9", "b6faf742"


def problem(path: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_trust_directory(path)
    return caught.value


def test_the_hash_names_of_the_tests_ca_are_those_of_openssl() -> None:
    assert names.subject_hash(AUTHORITY.certificate.subject) == NEW_HASH
    assert names.subject_hash_old(AUTHORITY.certificate.subject) == OLD_HASH


def test_both_hash_names_count_and_the_same_ca_counts_once(tmp_path: Path) -> None:
    for name in (f"{NEW_HASH}.0", f"{OLD_HASH}.0"):
        (tmp_path / name).write_bytes(b"Certificate: text before it\n" + pem(AUTHORITY.certificate))
    trust = load_trust_directory(tmp_path)
    assert trust.certificates() == (der(AUTHORITY.certificate),)
    (tmp_path / f"{NEW_HASH}.0").unlink()
    assert load_trust_directory(tmp_path).certificates() == (der(AUTHORITY.certificate),)


def test_the_old_hash_alone_finds_policy_and_crl(tmp_path: Path) -> None:
    (tmp_path / f"{OLD_HASH}.0").write_bytes(pem(AUTHORITY.certificate))
    (tmp_path / f"{OLD_HASH}.r0").write_bytes(AUTHORITY.crl(7))
    (tmp_path / f"{OLD_HASH}.signing_policy").write_text(signing_policy(AUTHORITY, "/C=ZZ/*"))
    (authority,) = load_trust_directory(tmp_path).authorities
    assert authority.policy == SigningPolicy(("/C=ZZ/*",))
    assert authority.crl is not None
    assert authority.crl.serials == {7}
    assert authority.is_self_signed


def test_only_hash_files_are_trusted(tmp_path: Path) -> None:
    AUTHORITY.install(tmp_path)
    for name in (
        "other.pem",
        "cacert.0",
        "0123456.0",
        "0123456789.0",
        f"{NEW_HASH}.0.bak",
        f"{NEW_HASH}.info",
        "README",
    ):
        (tmp_path / name).write_bytes(pem(OTHER.certificate))
    assert load_trust_directory(tmp_path).certificates() == (der(AUTHORITY.certificate),)


def test_a_ca_is_found_by_its_name_in_any_spelling(tmp_path: Path) -> None:
    trust = trust_directory(tmp_path / "ca", AUTHORITY, OTHER)
    assert [found.certificate for found in trust.named(OTHER.certificate.subject.public_bytes())] == [OTHER.certificate]
    shouted = root("/C=ZZ/O=HV TEST/CN=HV  test ca").certificate.subject.public_bytes()
    assert [found.certificate for found in trust.named(shouted)] == [AUTHORITY.certificate]


def test_a_crl_may_be_der_and_the_newest_counts(tmp_path: Path) -> None:
    AUTHORITY.install(tmp_path, crl=AUTHORITY.crl(1, this_update=NOW - 2 * DAY))
    newer = x509.load_pem_x509_crl(AUTHORITY.crl(2)).public_bytes(serialization.Encoding.DER)
    (tmp_path / f"{NEW_HASH}.r1").write_bytes(newer)
    (authority,) = load_trust_directory(tmp_path).authorities
    assert authority.crl is not None
    assert authority.crl.serials == {2}
    assert (authority.crl.this_update, authority.crl.next_update) == (NOW - DAY, NOW + 7 * DAY)


def test_beside_a_good_crl_a_broken_one_does_no_harm(tmp_path: Path) -> None:
    AUTHORITY.install(tmp_path, crl=AUTHORITY.crl(1))
    (tmp_path / f"{NEW_HASH}.r1").write_bytes(b"half a downlo")
    (authority,) = load_trust_directory(tmp_path).authorities
    assert authority.crl is not None
    assert authority.crl_problem == ""


def test_each_key_of_a_ca_keeps_its_own_crl(tmp_path: Path) -> None:
    second = root(key=private_key("ec", "second key"))
    (tmp_path / f"{NEW_HASH}.0").write_bytes(pem(AUTHORITY.certificate))
    (tmp_path / f"{NEW_HASH}.1").write_bytes(pem(second.certificate))
    (tmp_path / f"{NEW_HASH}.r0").write_bytes(AUTHORITY.crl(1, this_update=NOW - 2 * DAY))
    (tmp_path / f"{NEW_HASH}.r1").write_bytes(second.crl(2))
    found = {one.certificate: one.crl.serials for one in load_trust_directory(tmp_path).authorities if one.crl}
    assert found == {AUTHORITY.certificate: {1}, second.certificate: {2}}
    # With one CRL for both, it counts for both.
    (tmp_path / f"{NEW_HASH}.r0").unlink()
    shared = [one.crl.serials for one in load_trust_directory(tmp_path).authorities if one.crl]
    assert shared == [{2}, {2}]


def test_what_is_not_enforced_is_listed(tmp_path: Path) -> None:
    AUTHORITY.install(tmp_path)
    (tmp_path / f"{NEW_HASH}.namespaces").write_text("TO Issuer ...")
    (tmp_path / "01234567.r0").write_bytes(OTHER.crl())
    assert [path.name for path in load_trust_directory(tmp_path).ignored] == [f"{NEW_HASH}.namespaces", "01234567.r0"]


def test_a_directory_without_cas_is_refused(tmp_path: Path) -> None:
    assert problem(tmp_path).code == "x509.trust_directory"
    assert problem(tmp_path / "missing").code == "x509.trust_directory"


def test_a_ca_under_another_hash_is_refused_with_the_right_ones(tmp_path: Path) -> None:
    (tmp_path / "01234567.0").write_bytes(pem(AUTHORITY.certificate))
    error = problem(tmp_path)
    assert (error.code, error.expected, error.found) == (
        "x509.ca_file_name",
        f"{NEW_HASH} or {OLD_HASH}",
        "01234567",
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"rubbish",
        pem(AUTHORITY.certificate)[:-40],
        pem(AUTHORITY.certificate) + pem(OTHER.certificate),
        key_pem(AUTHORITY.key),
        b"x" * 300_000,
    ],
)
def test_a_ca_file_that_cannot_be_used_refuses_the_whole_directory(content: bytes, tmp_path: Path) -> None:
    OTHER.install(tmp_path)
    (tmp_path / f"{NEW_HASH}.0").write_bytes(content)
    error = problem(tmp_path)
    assert (error.code, Path(error.file).name) == ("x509.ca_file", f"{NEW_HASH}.0")


def test_a_change_of_any_file_is_noticed(tmp_path: Path) -> None:
    AUTHORITY.install(tmp_path, crl=AUTHORITY.crl())
    alice = AUTHORITY.issue("/C=ZZ/CN=Alice", serial=5)
    holder: Holder[TrustDirectory] = Holder(lambda sources: load_trust_directory(tmp_path, sources=sources))

    def outcome() -> str:
        return error_code(lambda: verify_chain(alice.ders, holder.value, NOW))

    assert outcome() == "accepted"
    (tmp_path / f"{NEW_HASH}.r0").write_bytes(AUTHORITY.crl(5))
    assert holder.poll(NOW) is None
    assert outcome() == "x509.revoked"
    (tmp_path / f"{NEW_HASH}.r0").unlink()
    assert holder.poll(NOW + timedelta(minutes=1)) is None
    assert outcome() == "accepted"
    (tmp_path / f"{NEW_HASH}.signing_policy").write_text(signing_policy(AUTHORITY, "/C=YY/*"))
    assert holder.poll(NOW + timedelta(minutes=2)) is None
    assert outcome() == "x509.signing_policy"
    (tmp_path / f"{NEW_HASH}.0").write_bytes(b"broken")
    refused = holder.poll(NOW + timedelta(minutes=3))
    assert refused is not None
    assert refused.code == "x509.ca_file"
    assert outcome() == "x509.signing_policy"


def test_every_file_that_was_read_is_noted(tmp_path: Path) -> None:
    AUTHORITY.install(tmp_path, crl=AUTHORITY.crl(), policy=signing_policy(AUTHORITY, "*"))
    sources = Sources()
    load_trust_directory(tmp_path, sources=sources)
    noted = {path.name for path in sources.paths()}
    assert {tmp_path.name, f"{NEW_HASH}.0", f"{NEW_HASH}.r0", f"{NEW_HASH}.signing_policy"} <= noted


# --- signing policies

REAL_LIFE = """\
# EACL of a CA with two conditions
access_id_CA   X509    '/C=ZZ/O=HV Test/CN=HV Test CA'
pos_rights\tglobus  CA:sign
cond_subjects  globus  '"/C=ZZ/O=HV Test/*" "/DC=org/DC=hv/*"'
cond_subjects  globus  '/C=ZZ/O=More/*'

access_id_CA   X509    "/C=ZZ/CN=Second/Email=ca@hv.example"
pos_rights     globus  CA:sign
cond_subjects  globus  '"/C=ZZ/CN=host\\/?.example"'
"""


def test_a_signing_policy_file_is_read_as_it_is_written_in_the_field() -> None:
    assert parse_signing_policy(REAL_LIFE, "f") == {
        "/C=ZZ/O=HV Test/CN=HV Test CA": SigningPolicy(("/C=ZZ/O=HV Test/*", "/DC=org/DC=hv/*", "/C=ZZ/O=More/*")),
        "/C=ZZ/CN=Second/emailAddress=ca@hv.example": SigningPolicy(("/C=ZZ/CN=host/?.example",)),
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("pos_rights globus CA:sign", 1),
        ("access_id_CA X509", 1),
        ("access_id_CA PGP '/C=ZZ'", 1),
        ("# x\naccess_id_CA X509 '/C=ZZ'\nneg_rights globus CA:sign", 3),
        ("access_id_CA X509 '/C=ZZ'\npos_rights globus CA:sign extra", 2),
        ("access_id_CA X509 '/C=ZZ'\ncond_subjects globus '\"*\"'", 2),
        ("access_id_CA X509 '/C=ZZ'\npos_rights globus CA:sign\ncond_subjects globus", 3),
        ("access_id_CA X509 '/C=ZZ'\npos_rights globus CA:sign\ncond_time globus '\"*\"'", 3),
    ],
)
def test_a_policy_that_cannot_be_enforced_is_refused_with_its_line(text: str, line: int, tmp_path: Path) -> None:
    AUTHORITY.install(tmp_path, policy=text)
    error = problem(tmp_path)
    assert (error.code, error.line) == ("x509.signing_policy_file", line)


@pytest.mark.parametrize(
    ("pattern", "subject", "allowed"),
    [
        ("/C=ZZ/*", "/C=ZZ/CN=Alice", True),
        ("/C=ZZ/*", "/C=ZZ", False),
        ("/C=ZZ/*", "/C=YY/CN=/C=ZZ/x", False),
        ("*", "", True),
        ("", "", True),
        ("", "x", False),
        ("/CN=Alice", "/CN=Alice", True),
        ("/CN=Alice", "/CN=alice", False),
        ("/CN=Al?ce", "/CN=Alice", True),
        ("/CN=Alice?", "/CN=Alice", False),
        ("/*/CN=*e", "/O=a/CN=b/CN=Alice", True),
        ("/*/CN=*e", "/O=a/CN=Bob", False),
        ("/Email=*", "/emailAddress=a@b", True),
        ("/CN=host/*", r"/CN=host\/a.example", True),
        ("/CN=[A-Z]*", "/CN=Alice", False),
    ],
)
def test_patterns_know_stars_and_question_marks_only(pattern: str, subject: str, allowed: bool) -> None:
    policy = parse_signing_policy(
        f"access_id_CA X509 '/C=ZZ'\npos_rights globus CA:sign\ncond_subjects globus '\"{pattern}\"'", "f"
    )
    assert policy["/C=ZZ"].allows(subject) is allowed


def test_a_hostile_subject_costs_no_time() -> None:
    assert not SigningPolicy(("/" + "*a" * 50 + "*b",)).allows("/" + "a" * 5000)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=12))
@settings(max_examples=100, deadline=None)
def test_patterns_match_what_the_shell_matches(pattern: str, text: str) -> None:
    assert SigningPolicy((pattern,)).allows(text) is fnmatch.fnmatchcase(text, pattern)


def test_a_crl_or_policy_that_cannot_be_opened_is_not_passed_over(tmp_path: Path) -> None:
    AUTHORITY.install(tmp_path)
    (tmp_path / f"{NEW_HASH}.r0").mkdir()
    (authority,) = load_trust_directory(tmp_path).authorities
    assert authority.crl is None
    assert authority.crl_problem.startswith(f"{NEW_HASH}.r0: ")
    (tmp_path / f"{NEW_HASH}.signing_policy").mkdir()
    assert problem(tmp_path).code == "x509.signing_policy_file"
