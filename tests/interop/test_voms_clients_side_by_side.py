"""`ostiary proxy` beside the VOMS clients in C and in Java: the same options over the same files, each side's proxies for the other."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.second_vo import SecondVo, second_vo
from tests.interop.voms_peers import Grid, Outcome, statements
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.interop

C, JAVA = "voms-proxy-init2", "voms-proxy-init3"
C_INFO, JAVA_INFO = "voms-proxy-info2", "voms-proxy-info3"
ROLE = "microscopy:/microscopy/imaging/Role=operator"
GROUPS = ["/storage/Role=NULL/Capability=NULL"]


@pytest.fixture
def grid(demo: RunningDemo, tmp_path: Path) -> Grid:
    return Grid(demo.ready["voms"], tmp_path)


@pytest.fixture
def proxy(tmp_path: Path) -> Path:
    """Where a proxy is to be written."""
    return tmp_path / "proxy"


@pytest.fixture
def both(grid: Grid, tmp_path: Path) -> Iterator[SecondVo]:
    (tmp_path / "second").mkdir()
    with second_vo(grid.voms, tmp_path / "second") as second:
        yield second


def without_times(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("timeleft") and not line.isdigit()]


FACTS = (
    "subject",
    "issuer",
    "identity",
    "type",
    "strength",
    "path",
    "vo",
    "acsubject",
    "acissuer",
    "uri",
    "fqan",
    "serial",
)


@pytest.mark.parametrize("maker", [C, "ours"])
def test_ours_prints_what_the_c_program_prints_whatever_is_asked(grid: Grid, proxy: Path, maker: str) -> None:
    made = (
        grid.our_init("member", proxy, "-voms", ROLE)
        if maker == "ours"
        else grid.init(C, "member", proxy, "-voms", ROLE)
    )
    assert made.code == 0, made.text
    questions = [[f"-{fact}"] for fact in FACTS]
    questions += [["-all"], ["-chain"], ["-chain", "-all"], ["-keyusage", "-all"], []]
    questions += [["-subject", "-vo", "-uri"], ["-fqan", "-strength", "-serial", "-acissuer", "-path"]]
    for question in questions:
        theirs, ours = (
            ask(*question, "-file", str(proxy))
            for ask in (lambda *w: grid.run(C_INFO, *w), lambda *w: grid.ours("info", *w))
        )
        assert without_times(ours.text) == without_times(theirs.text), question
    for question in (
        ["-exists"],
        ["-exists", "-valid", "11:00"],
        ["-exists", "-hours", "13"],
        ["-exists", "-bits", "4096"],
    ):
        assert (
            grid.ours("info", *question, "-file", str(proxy)).code
            == grid.run(C_INFO, *question, "-file", str(proxy)).code
        )
    for vo in ("microscopy", "nowhere"):
        assert (
            grid.ours("info", "-acexists", vo, "-file", str(proxy)).code
            == grid.run(C_INFO, "-acexists", vo, "-file", str(proxy)).code
        )


def test_a_file_that_one_puts_in_the_other_prints(grid: Grid, tmp_path: Path) -> None:
    note = tmp_path / "note"
    note.write_text("ticket 4711\n")
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    assert grid.our_init("member", mine, "-voms", "microscopy", "-include", str(note)).code == 0
    # Without a VO theirs is written, too, but it then says that no attribute certificate is there.
    assert grid.init(C, "member", theirs, "-voms", "microscopy", "-include", str(note)).code == 0
    assert "included  : ticket 4711" in grid.run(C_INFO, "-included", "-file", str(mine)).text
    assert "included  : ticket 4711" in grid.ours("info", "-included", "-file", str(theirs)).text


def test_attribute_certificates_that_one_wrote_apart_the_other_puts_in(grid: Grid, tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    assert grid.our_init("member", tmp_path / "p1", "-voms", ROLE, "-separate", str(mine)).code == 0
    assert grid.init(C, "member", tmp_path / "p2", "-voms", ROLE, "-separate", str(theirs)).code == 0
    assert grid.init(C, "member", tmp_path / "p3", "-includeac", str(mine)).code == 0
    included = grid.our_init("member", tmp_path / "p4", "-includeac", str(theirs))
    assert included.code == 0, included.text
    for path in (tmp_path / "p3", tmp_path / "p4"):
        assert grid.run(C_INFO, "-vo", "-file", str(path)).text == "microscopy\n"
        assert grid.ours("verify", "-file", str(path)).code == 0


def test_one_file_of_options_serves_both(grid: Grid, tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    conf.write_text(f"-voms={ROLE}\n-valid=2:00\n-limited\n")
    shown = []
    for path, make in ((tmp_path / "mine", grid.our_init), (tmp_path / "theirs", lambda *w: grid.init(C, *w))):
        made: Outcome = make("member", path, "-conf", str(conf))
        assert made.code == 0, made.text
        lines = grid.ours("info", "-all", "-file", str(path)).text.splitlines()
        shown.append([line for line in lines if line.startswith(("type", "attribute"))])
        assert 7_000 < int(grid.run(C_INFO, "-timeleft", "-file", str(path)).text) <= 7_200
    assert shown[0] == shown[1]
    assert shown[0][0] == "type      : RFC compliant limited proxy"


@pytest.mark.parametrize("bits", ["ec", "3072"])
def test_both_accept_our_proxies_with_other_keys(grid: Grid, proxy: Path, bits: str) -> None:
    assert grid.our_init("member", proxy, "-voms", ROLE, "-bits", bits).code == 0
    # The printer in Java asks every key for an RSA modulus; its library takes EC ones.
    for program in (C_INFO,) if bits == "ec" else (C_INFO, JAVA_INFO):
        shown = grid.run(program, "-all", "-file", str(proxy))
        assert shown.code == 0, shown.text
        assert len(statements(shown.text)) == 7
        assert grid.run(program, "-exists", "-valid", "11:59", "-file", str(proxy)).code == 0
    verified = grid.run("env", f"X509_USER_CERT={proxy}", "voms-verify")
    assert verified.text == "Certificate chain verified succesfully\n"


@pytest.mark.parametrize("maker", [C, JAVA, "ours"])
def test_two_vos_stand_in_one_proxy_for_everybody(grid: Grid, both: SecondVo, proxy: Path, maker: str) -> None:
    wishes = ["-voms", "storage", "-voms", ROLE]
    if maker == "ours":
        made = grid.ours(
            "init",
            *grid.credential("member"),
            "-vomses",
            str(both.vomses),
            "-vomsdir",
            str(both.vomsdir),
            "-out",
            str(proxy),
            *wishes,
        )
    else:
        command = [maker, *grid.credential("member"), "-vomses", str(both.vomses), "-out", str(proxy), *wishes]
        made = grid.run(*command, vomsdir=both.vomsdir)
    assert made.code == 0, made.text
    for program in (C_INFO, JAVA_INFO):
        shown = grid.run(program, "-all", "-file", str(proxy), vomsdir=both.vomsdir)
        assert re.findall(r"=== VO (\w+) extension information ===", shown.text) == ["storage", "microscopy"]
    ours = grid.ours("info", "-vo", "-fqan", "-file", str(proxy), "-vomsdir", str(both.vomsdir))
    theirs = grid.run(C_INFO, "-vo", "-fqan", "-file", str(proxy), vomsdir=both.vomsdir)
    assert ours.text == theirs.text
    assert ours.text.splitlines()[:2] == ["storage", *GROUPS]


@pytest.mark.parametrize("maker", [C, JAVA, "ours"])
def test_a_host_that_is_a_member_gets_its_proxy(grid: Grid, both: SecondVo, proxy: Path, maker: str) -> None:
    options = [
        "-cert",
        str(both.host_certificate),
        "-key",
        str(both.host_key),
        "-vomses",
        str(both.vomses),
        "-out",
        str(proxy),
    ]
    options += ["-voms", "storage:/storage/Role=store"]
    made = (
        grid.ours("init", *options, "-vomsdir", str(both.vomsdir))
        if maker == "ours"
        else grid.run(maker, *options, vomsdir=both.vomsdir)
    )
    assert made.code == 0, made.text
    shown = grid.run(C_INFO, "-all", "-file", str(proxy), vomsdir=both.vomsdir)
    assert statements(shown.text) == ["/storage/Role=store/Capability=NULL", *GROUPS]
    assert "identity  : /C=ZZ/O=Ostiary Demo/CN=localhost\n" in shown.text


def test_a_service_of_openssl_with_a_proxy_of_the_c_client_proves_its_role(
    grid: Grid, both: SecondVo, proxy: Path, tmp_path: Path
) -> None:
    shown = tmp_path / "service-proxy"
    credential = ["-cert", str(both.host_certificate), "-key", str(both.host_key)]
    made = grid.run(
        C,
        *credential,
        "-vomses",
        str(both.vomses),
        "-out",
        str(shown),
        "-voms",
        "storage:/storage/Role=store",
        vomsdir=both.vomsdir,
    )
    assert made.code == 0, made.text
    assert grid.our_init("member", proxy).code == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-quiet"]
    command += ["-cert", str(shown), "-key", str(shown), "-cert_chain", str(shown)]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        common = ["-file", str(proxy), "-vomsdir", str(both.vomsdir), f"https://localhost:{port}/"]
        fetched = grid.ours("fetch", "-require", "/storage/Role=store", *common)
        assert fetched.code == 0, fetched.text
        assert "Service: /C=ZZ/O=Ostiary Demo/CN=localhost; /storage/Role=store, /storage\n" in fetched.text
        refused = grid.ours("fetch", "-require", "/storage/Role=other", *common)
        assert refused.code == 1
        assert "No VO says /storage/Role=other of the service at localhost" in refused.text
    finally:
        server.terminate()
        server.wait(10)


def wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(port)
