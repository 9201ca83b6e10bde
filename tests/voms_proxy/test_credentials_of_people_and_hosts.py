"""What a proxy can be made from: PKCS#12, keys with a passphrase, a host's certificate, and what is over."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from ostiary.errors import OstiaryError
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.proxy import read_proxy
from tests.voms.served import Site
from tests.voms_proxy.conftest import refused
from tests.x509.authorities import Identity, key_pem
from voms.changes import changing
from voms.people import add_certificate, add_member
from voms.proxy.credential import load_credential
from voms.proxy.places import Places


def store(site: Site, identity: Identity, word: str) -> Path:
    """A PKCS#12 file as browsers write it, with the CA in it."""
    protection = serialization.BestAvailableEncryption(word.encode()) if word else serialization.NoEncryption()
    path = site.directory / "user.p12"
    path.touch(mode=0o600)
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"alice", identity.key, identity.certificate, [site.grid.authority.certificate], protection
        )
    )
    return path


@pytest.mark.parametrize("word", ["open sesame", ""])
def test_pkcs12_is_certificate_and_key_in_one_file(shared: Site, word: str) -> None:
    path = store(shared, shared.grid.alice, word)
    made = shared.run("init", "-bits", "ec", "-voms", "testvo", "-cert", str(path), "-pwstdin", input=f"{word}\n")
    assert made.exit_code == 0, made.output
    # Its root stays out: whoever trusts it has it.
    assert len(read_proxy(shared.directory / "proxy").certificates) == 2
    assert shared.run("info", "-vo").output == "testvo\n"


def test_a_wrong_passphrase_of_pkcs12_is_told_so(shared: Site) -> None:
    path = store(shared, shared.grid.alice, "open sesame")
    assert refused(shared.run("init", "-cert", str(path), "-pwstdin", input="guess\n")).code == "voms.passphrase"


def test_pkcs12_that_others_can_read_is_refused(shared: Site) -> None:
    path = store(shared, shared.grid.alice, "")
    path.chmod(0o644)
    assert refused(shared.run("init", "-cert", str(path))).code == "config.private_file_mode"


def test_a_certificate_in_der_is_told_to_be_no_pem(shared: Site) -> None:
    _, key = shared.write(shared.grid.alice, "user")
    der = shared.directory / "alice.der"
    der.write_bytes(shared.grid.alice.ders[0])
    assert refused(shared.run("init", "-cert", str(der), "-key", key)).code == "voms.credential"
    der.chmod(0o600)
    assert refused(shared.run("init", "-cert", str(der))).code == "voms.credential"


def test_a_certificate_that_is_over_is_told_before_anybody_is_asked(shared: Site) -> None:
    now = datetime.now(UTC)
    over = shared.grid.authority.issue(
        "/C=ZZ/O=HV Test/CN=Alice Member", not_before=now - timedelta(days=9), not_after=now - timedelta(minutes=1)
    )
    early = shared.grid.authority.issue(
        "/C=ZZ/O=HV Test/CN=Alice Member", not_before=now + timedelta(days=1), not_after=now + timedelta(days=2)
    )
    result = shared.init("--voms", "testvo", who=over)
    assert refused(result).code == "voms.credential_expired"
    assert "Contacting" not in result.output
    assert refused(shared.init("--voms", "testvo", who=early)).code == "voms.credential_too_early"


def test_a_proxy_never_outlives_the_certificate_and_says_so(shared: Site) -> None:
    now = datetime.now(UTC)
    short = shared.grid.authority.issue(
        "/C=ZZ/O=HV Test/CN=Alice Member", not_before=now - timedelta(days=9), not_after=now + timedelta(hours=1)
    )
    made = shared.init("-valid", "12:00", who=short)
    assert "WARNING: the proxy ends with your certificate" in made.output
    assert 3_500 < int(shared.run("info", "-timeleft").output) <= 3_600


def test_a_host_that_is_a_member_gets_its_proxy_unattended(shared: Site) -> None:
    # As a timer runs it: no terminal, nothing on standard input.
    host = shared.grid.authority.issue(
        "/C=ZZ/O=HV Test/CN=data.example.org", not_after=shared.grid.alice.certificate.not_valid_after_utc
    )
    with changing(
        shared.grid.vo.engine, "testvo", "vo.member_added", at=shared.grid.clock.now(), by="operator"
    ) as change:
        add_member(change, "0" * 32, kind="service")
        add_certificate(change, "0" * 32, CertificateNames.of(host.certificate))
    certificate, key = shared.write(host, "service")
    out = shared.directory / "service-proxy"
    command = [sys.executable, "-m", "ostiary.command", "proxy", "init", "-voms", "testvo", "-bits", "ec"]
    command += ["-cert", certificate, "-key", key, "-out", str(out), "-unless-valid", "6:00"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("X509_", "VOMS_"))},
        "HOME": str(shared.directory),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "X509_CERT_DIR": str(shared.grid.ca_directory),
        "X509_VOMS_DIR": str(shared.directory / "vomsdir"),
        "VOMS_USERCONF": str(shared.directory / "vomses"),
    }
    said = [
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert "Your identity: /C=ZZ/O=HV Test/CN=data.example.org" in said[0].stdout
    assert said[1].stdout == f"The proxy in {out} lasts long enough.\n"
    assert out.stat().st_mode & 0o777 == 0o600
    assert shared.run("info", "-file", str(out), "-acsubject").output == "/C=ZZ/O=HV Test/CN=data.example.org\n"


def test_a_key_with_a_passphrase_and_nobody_to_ask_is_an_error_with_its_reason(shared: Site) -> None:
    certificate, key = shared.write(shared.grid.alice, "user")
    protection = serialization.BestAvailableEncryption(b"open sesame")
    Path(key).write_bytes(
        shared.grid.alice.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    )
    assert refused(shared.run("init", "-cert", certificate, "-key", key)).code == "voms.no_terminal"


def test_a_proxy_that_lacks_a_vo_or_time_is_made_anew(shared: Site) -> None:
    assert "lasts long enough" not in shared.init("-voms", "testvo", "-unless-valid", "1:00").output
    assert "lasts long enough" in shared.init("-voms", "testvo", "-unless-valid", "1:00").output
    assert "lasts long enough" not in shared.init("-voms", "testvo", "-unless-valid", "13:00").output
    assert (
        "lasts long enough" not in shared.init("-voms", "testvo:/testvo/g1/Role=admin", "-unless-valid", "1:00").output
    )
    assert "lasts long enough" in shared.init("-voms", "testvo:/testvo/g1/Role=admin", "-unless-valid", "1:00").output
    assert "lasts long enough" not in shared.init("-unless-valid", "13:00").output
    assert "lasts long enough" not in shared.init("-voms", "testvo", "-unless-valid", "1:00").output


def places(tmp_path: Path, uid: int, **environ: str) -> Places:
    return Places(environ, tmp_path / "home", uid, tmp_path / "security")


def test_root_without_a_certificate_of_its_own_is_the_host(tmp_path: Path) -> None:
    security, own = tmp_path / "security", tmp_path / "home" / ".globus"
    security.mkdir()
    (security / "hostcert.pem").touch()
    host = (security / "hostcert.pem", security / "hostkey.pem")
    assert places(tmp_path, 0).credential() == host
    assert places(tmp_path, 1000).credential() == (own / "usercert.pem", own / "userkey.pem")
    own.mkdir(parents=True)
    (own / "usercred.p12").touch()
    assert places(tmp_path, 0).credential() == (own / "usercred.p12", own / "usercred.p12")
    (own / "usercert.pem").touch()
    assert places(tmp_path, 0).credential() == (own / "usercert.pem", own / "userkey.pem")
    named = places(tmp_path, 0, X509_USER_CERT="/c.pem", X509_USER_KEY="/k.pem")
    assert named.credential() == (Path("/c.pem"), Path("/k.pem"))


def test_a_file_that_is_neither_pem_nor_pkcs12_asks_for_its_passphrase_and_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise"
    path.touch(mode=0o600)
    path.write_bytes(b"\x30\x03\x02\x01\x03")
    with pytest.raises(OstiaryError) as caught:
        load_credential(path, path, lambda: "guess")
    assert caught.value.code == "voms.passphrase"


def test_no_key_is_ever_in_a_file_that_others_can_read(shared: Site) -> None:
    shared.init("-voms", "testvo")
    secret = key_pem(read_proxy(shared.directory / "proxy").private_key)[30:90]
    holding = [path for path in shared.directory.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert all(path.stat().st_mode & 0o077 == 0 for path in holding)
    assert [path.name for path in shared.directory.iterdir() if path.name.startswith(".")] == []
    assert secret


def test_verify_refuses_a_revoked_certificate_before_a_proxy_is_made(site: Site) -> None:
    authority, alice = site.grid.authority, site.grid.alice.certificate
    crl = authority.crl(alice.serial_number, this_update=site.grid.clock.now(), next_update=alice.not_valid_after_utc)
    authority.install(site.grid.ca_directory, crl=crl)
    assert refused(site.init("-verify")).code == "x509.revoked"
    assert not (site.directory / "proxy").exists()
