"""The VOMS clients in C and in Java at our VO service, and each side's proxies in the other's hands."""

import re
import socket
from functools import partial
from pathlib import Path

import pytest

from tests.interop.voms_peers import Grid, statements
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.interop

C, JAVA = "voms-proxy-init2", "voms-proxy-init3"
BOTH = pytest.mark.parametrize("client", [C, JAVA], ids=["C", "Java"])
# Each client with the program that prints proxies.
INFO = {C: "voms-proxy-info2", JAVA: "voms-proxy-info3"}

GROUPS = [
    "/microscopy/Role=NULL/Capability=NULL",
    "/microscopy/imaging/Role=NULL/Capability=NULL",
    "/microscopy/imaging/cryo/Role=NULL/Capability=NULL",
]
OPERATOR = "/microscopy/imaging/Role=operator/Capability=NULL"
INHERITED = "/microscopy/imaging/cryo/Role=operator/Capability=NULL"
ATTRIBUTES = ["instrument = titan (/microscopy/imaging)", "nickname = emil (microscopy)"]
OF_THE_ROLE = "shift = day (/microscopy/imaging/Role=operator)"


@pytest.fixture
def grid(demo: RunningDemo, tmp_path: Path) -> Grid:
    return Grid(demo.ready["voms"], tmp_path)


@pytest.fixture
def proxy(tmp_path: Path) -> Path:
    """Where a proxy is to be written."""
    return tmp_path / "proxy"


@BOTH
def test_a_member_gets_a_proxy_with_groups_and_attributes(grid: Grid, proxy: Path, client: str) -> None:
    made = grid.init(client, "member", proxy, "-voms", "microscopy")
    # Both clients check the attribute certificate before they are content; the next test shows it.
    assert made.code == 0, made.text
    shown = grid.run(INFO[client], "-all", "-file", str(proxy))
    assert shown.code == 0
    assert statements(shown.text) == [*GROUPS, *ATTRIBUTES]
    assert "=== VO microscopy extension information ===" in shown.text
    assert "issuer    : /C=ZZ/O=Ostiary Demo/CN=localhost" in shown.text
    assert f"uri       : localhost:{grid.voms['port']}" in shown.text


@BOTH
def test_a_client_that_does_not_trust_our_service_refuses_what_it_sends(
    grid: Grid, proxy: Path, tmp_path: Path, client: str
) -> None:
    (tmp_path / "vomsdir").mkdir()
    made = grid.init(client, "member", proxy, "-voms", "microscopy", vomsdir=tmp_path / "vomsdir")
    assert made.code == 1
    assert {C: "Cannot verify AC signature!", JAVA: "LSC validation failed"}[client] in made.text


@BOTH
def test_the_role_that_is_asked_for_comes_first(grid: Grid, proxy: Path, client: str) -> None:
    made = grid.init(client, "member", proxy, "-voms", "microscopy:/microscopy/imaging/Role=operator")
    assert made.code == 0, made.text
    shown = grid.run(INFO[client], "-all", "-file", str(proxy))
    assert statements(shown.text) == [OPERATOR, *GROUPS, OF_THE_ROLE, *ATTRIBUTES]


@BOTH
def test_the_order_that_is_asked_for_is_kept(grid: Grid, proxy: Path, client: str) -> None:
    made = grid.init(client, "member", proxy, "-voms", "microscopy", "-order", "/microscopy/imaging/cryo")
    assert made.code == 0, made.text
    shown = grid.run(INFO[client], "-fqan", "-file", str(proxy))
    assert shown.text.split() == [GROUPS[2], GROUPS[0], GROUPS[1]]


def test_everything_that_a_member_has_is_listed(grid: Grid, proxy: Path) -> None:
    listed = grid.init(C, "member", proxy, "-voms", "microscopy", "-list")
    assert listed.code == 0
    assert listed.text.partition("Available attributes:\n")[2].split() == [*GROUPS, OPERATOR, INHERITED]


@BOTH
def test_a_lifetime_that_is_too_long_is_shortened_with_a_warning(grid: Grid, proxy: Path, client: str) -> None:
    made = grid.init(client, "member", proxy, "-voms", "microscopy", "-valid", "100:00")
    assert made.code == 0
    assert "The validity of this VOMS AC in your proxy is shortened to 86400 seconds!" in made.text
    [left] = grid.run(INFO[client], "-actimeleft", "-file", str(proxy)).text.split()
    assert 86_300 < int(left) <= 86_400


def test_a_target_is_this_host_or_the_client_refuses(grid: Grid, proxy: Path) -> None:
    here = grid.init(C, "member", proxy, "-voms", "microscopy", "-target", socket.gethostname())
    assert here.code == 0, here.text
    assert f"target    : {socket.gethostname()}\n" in grid.ours("info", "-all", "-file", str(proxy)).text
    elsewhere = grid.init(C, "member", proxy, "-voms", "microscopy", "-target", "elsewhere.example.org")
    assert elsewhere.code == 1
    assert "Cannot find match among allowed hosts." in elsewhere.text


def test_the_java_client_finds_the_target_in_what_it_gets(grid: Grid, proxy: Path) -> None:
    elsewhere = grid.init(JAVA, "member", proxy, "-voms", "microscopy", "-target", "elsewhere.example.org")
    assert elsewhere.code == 1
    assert "is not in the AC target list [elsewhere.example.org]" in elsewhere.text


REFUSALS = [
    ("nonmember", "microscopy", "microscopy: User unknown to this VO."),
    ("suspended", "microscopy", "Suspension reason: Left the key of the instrument in the door."),
    ("revoked", "microscopy", "This credential is not active here."),
    ("member", "microscopy:/microscopy/Role=operator", "Unable to satisfy B/microscopy:operator request!"),
    ("member", "microscopy:/microscopy/data", "Unable to satisfy G/microscopy/data request!"),
]
NAMES = ["nonmember", "suspended", "revoked", "a role not held", "a group not held"]


@pytest.mark.parametrize(("holder", "wish", "reason"), REFUSALS, ids=NAMES)
@pytest.mark.parametrize("client", [C, JAVA, "ours"], ids=["C", "Java", "ours"])
def test_who_may_not_is_told_why(grid: Grid, proxy: Path, client: str, holder: str, wish: str, reason: str) -> None:
    init = grid.our_init if client == "ours" else partial(grid.init, client)
    made = init(holder, proxy, "-voms", wish)
    assert made.code == 1
    if client == JAVA and holder == "revoked":
        # It reads the CRL itself and asks nobody.
        reason = "Certificate was revoked at:"
    assert reason in made.text
    assert not proxy.exists()


def test_the_c_client_is_answered_when_it_comes_with_a_proxy(grid: Grid, proxy: Path, tmp_path: Path) -> None:
    assert grid.init(C, "member", proxy).code == 0
    again = grid.init(C, "member", tmp_path / "again", "-voms", "microscopy", proxy=proxy)
    # The rest of its -noregen fails, without any VO, too: "verification failed. Parameters unset!"
    assert re.search(r'Contacting  localhost:\d+ \[.*\] "microscopy" Done', again.text)


def test_the_java_client_builds_on_a_proxy_of_its_own_and_on_one_of_ours(
    grid: Grid, proxy: Path, tmp_path: Path
) -> None:
    assert grid.init(JAVA, "member", proxy, "-voms", "microscopy").code == 0
    ours = tmp_path / "ours"
    assert grid.our_init("member", ours, "-voms", "microscopy").code == 0
    for older in (proxy, ours):
        again = tmp_path / f"{older.name}-again"
        made = grid.init(JAVA, "member", again, "-voms", "microscopy:/microscopy/imaging", proxy=older)
        assert made.code == 0, made.text
        # It tells from the text which warning this is.
        assert "your certificate already contains attributes, only a subset of them can be issued" in made.text
        shown = grid.run("voms-proxy-info3", "-all", "-file", str(again))
        assert statements(shown.text) == [GROUPS[1], GROUPS[0], GROUPS[2], *ATTRIBUTES]


def test_every_checker_accepts_the_proxy_that_ours_writes(grid: Grid, proxy: Path) -> None:
    made = grid.our_init("member", proxy, "-voms", "microscopy:/microscopy/imaging/Role=operator")
    assert made.code == 0, made.text
    assert proxy.stat().st_mode & 0o777 == 0o600
    kinds = {"voms-proxy-info2": "RFC compliant proxy", "voms-proxy-info3": "RFC3820 compliant impersonation proxy"}
    for program, kind in kinds.items():
        shown = grid.run(program, "-all", "-file", str(proxy))
        assert shown.code == 0
        assert f"type      : {kind}\n" in shown.text
        assert "identity  : /C=ZZ/O=Ostiary Demo/CN=Emil Eclair\n" in shown.text
        assert statements(shown.text) == [OPERATOR, *GROUPS, OF_THE_ROLE, *ATTRIBUTES]
        assert grid.run(program, "-exists", "-valid", "11:59", "-file", str(proxy)).code == 0
        assert grid.run(program, "-acexists", "microscopy", "-file", str(proxy)).code == 0


def test_openssl_and_the_c_library_verify_the_chain_of_our_proxy(grid: Grid, proxy: Path) -> None:
    assert grid.our_init("member", proxy, "-voms", "microscopy").code == 0
    check = ["openssl", "verify", "-CApath", grid.voms["ca_dir"], "-crl_check", "-untrusted", str(proxy)]
    assert grid.run(*check, "-allow_proxy_certs", str(proxy)).code == 0
    refused = grid.run(*check, str(proxy))
    assert refused.code == 2
    assert "proxy certificates not allowed" in refused.text
    verified = grid.run("env", f"X509_USER_CERT={proxy}", "voms-verify")
    assert verified.text == "Certificate chain verified succesfully\n"


def test_both_refuse_a_proxy_above_the_certificate_of_somebody_else(grid: Grid, proxy: Path) -> None:
    assert grid.our_init("member", proxy).code == 0
    foreign = Path(grid.voms["nonmember"]["cert"]).read_text()
    first, *_ = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", proxy.read_text(), re.DOTALL)
    proxy.write_text(first + foreign)
    check = ["openssl", "verify", "-CApath", grid.voms["ca_dir"], "-allow_proxy_certs", "-untrusted", str(proxy)]
    assert grid.run(*check, str(proxy)).code == 2
    assert "verified succesfully" not in grid.run("env", f"X509_USER_CERT={proxy}", "voms-verify").text


@BOTH
def test_ours_verifies_and_prints_the_proxies_that_they_write(grid: Grid, proxy: Path, client: str) -> None:
    made = grid.init(client, "member", proxy, "-voms", "microscopy:/microscopy/imaging/Role=operator")
    assert made.code == 0
    verified = grid.ours("verify", "-file", str(proxy))
    assert verified.code == 0
    assert verified.text == (
        "good: /C=ZZ/O=Ostiary Demo/CN=Emil Eclair; microscopy: /microscopy/imaging/Role=operator, /microscopy, "
        "/microscopy/imaging, /microscopy/imaging/cryo\n"
    )
    shown = grid.ours("info", "-all", "-file", str(proxy))
    assert shown.code == 0
    assert statements(shown.text) == [OPERATOR, *GROUPS, OF_THE_ROLE, *ATTRIBUTES]
    # What it prints of a proxy is what their own program prints, line by line.
    theirs = grid.run("voms-proxy-info2", "-all", "-file", str(proxy))
    assert without_times(shown.text) == without_times(theirs.text)


def without_times(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("timeleft")]
