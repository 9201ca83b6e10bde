"""The two small text formats of VOMS sites: LSC files and vomses lines."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.config import Holder
from ostiary.errors import ConfigurationError
from ostiary.x509.lsc import Lsc, Names, VomsDirectory, load_vomsdir, parse_lsc, write_lsc
from ostiary.x509.vomses import VomsServer, load_vomses, parse_vomses
from tests.x509.authorities import NOW, error_code

AA = Names("/C=ZZ/O=HV Test/CN=localhost", "/C=ZZ/O=HV Test/CN=HV Test CA")
ROOT = Names("/C=ZZ/O=HV Test/CN=HV Test CA", "/C=ZZ/O=HV Test/CN=HV Test CA")
OLD = Names("/C=ZZ/O=Old/CN=localhost", "/C=ZZ/O=Old/CN=Old CA")
PLAIN = "/C=ZZ/O=HV Test/CN=localhost\n/C=ZZ/O=HV Test/CN=HV Test CA\n"


@pytest.mark.parametrize(
    ("text", "chains"),
    [
        (PLAIN, ((AA,),)),
        (PLAIN.rstrip(), ((AA,),)),
        ("# comment\n\n  " + PLAIN.replace("\n", "\r\n"), ((AA,),)),
        (PLAIN + ROOT.subject + "\n" + ROOT.issuer, ((AA, ROOT),)),
        (PLAIN + "------ NEXT CHAIN ------\n/C=ZZ/O=Old/CN=localhost\n/C=ZZ/O=Old/CN=Old CA\n", ((AA,), (OLD,))),
        (PLAIN + "-----NEXT CHAIN-----\n", ((AA,),)),
    ],
)
def test_an_lsc_file_is_read(text: str, chains: tuple[tuple[Names, ...], ...]) -> None:
    assert parse_lsc(text, "f") == Lsc(chains)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        ("# only a comment\n", None),
        ("------ NEXT CHAIN ------\n", None),
        ("/C=ZZ/CN=a\n", 2),
        (PLAIN + "/C=ZZ/CN=c\n", 4),
        (PLAIN + "/C=ZZ/CN=c\n------ NEXT CHAIN ------\n" + PLAIN, 4),
        ("CN=a,C=ZZ\n/C=ZZ/CN=b\n", 1),
        ("-----BEGIN CERTIFICATE-----\n", 1),
    ],
)
def test_what_is_no_lsc_file_is_refused_with_its_line(text: str, line: int | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_lsc(text, "f.lsc")
    assert (caught.value.code, caught.value.file, caught.value.line) == ("x509.lsc", "f.lsc", line)


def test_an_lsc_file_is_written_as_sites_install_it() -> None:
    assert write_lsc(Lsc(((AA,), (OLD,))), comment="testvo\nmade by hand") == (
        "# testvo\n"
        "# made by hand\n"
        "/C=ZZ/O=HV Test/CN=localhost\n"
        "/C=ZZ/O=HV Test/CN=HV Test CA\n"
        "------ NEXT CHAIN ------\n"
        "/C=ZZ/O=Old/CN=localhost\n"
        "/C=ZZ/O=Old/CN=Old CA\n"
    )


dn = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(lambda text: f"/CN={text}".rstrip())


@given(
    st.lists(st.lists(st.builds(Names, dn, dn), min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple)
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_to_an_lsc_file_is_read_again(chains: tuple[tuple[Names, ...], ...]) -> None:
    assert parse_lsc(write_lsc(Lsc(chains)), "f") == Lsc(chains)


@pytest.mark.parametrize(
    ("chains", "certificates", "fits"),
    [
        (((AA,),), (AA,), True),
        (((AA,),), (AA, ROOT), True),
        (((AA, ROOT),), (AA,), True),
        (((OLD,), (AA,)), (AA,), True),
        (((AA,),), (OLD,), False),
        (((AA,),), (), False),
        (((AA,),), (AA, OLD), False),
        (((AA, OLD),), (AA,), False),
        (((AA,),), (Names(AA.subject, OLD.issuer),), False),
        (((Names("/CN=host/a", "/E=c@d"),),), (Names(r"/CN=host\/a", "/emailAddress=c@d"),), True),
        (((ROOT,),), (ROOT,), True),
    ],
)
def test_a_certificate_list_matches_pair_by_pair(
    chains: tuple[tuple[Names, ...], ...], certificates: tuple[Names, ...], fits: bool
) -> None:
    assert Lsc(chains).matches(certificates) is fits


def test_a_vomsdir_is_read_by_vo_and_host(tmp_path: Path) -> None:
    (tmp_path / "testvo").mkdir()
    (tmp_path / "testvo" / "voms.example.org.lsc").write_text(PLAIN)
    (tmp_path / "testvo" / "voms.example.org.pem").write_text("an AA's certificate, the older way")
    (tmp_path / "README").write_text("x")
    vomsdir = load_vomsdir(tmp_path)
    assert vomsdir.of("testvo", "voms.example.org") == Lsc(((AA,),))
    for vo, host in (
        ("testvo", "voms.example"),
        ("othervo", "voms.example.org"),
        ("testvo/../testvo", "voms.example.org"),
    ):
        assert vomsdir.of(vo, host) is None


def test_a_new_lsc_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "testvo").mkdir()
    holder: Holder[VomsDirectory] = Holder(lambda sources: load_vomsdir(tmp_path, sources=sources))
    assert holder.value.of("testvo", "h") is None
    (tmp_path / "testvo" / "h.lsc").write_text(PLAIN)
    assert holder.poll(NOW) is None
    assert holder.value.of("testvo", "h") == Lsc(((AA,),))


def test_a_broken_vomsdir_is_named(tmp_path: Path) -> None:
    assert error_code(lambda: load_vomsdir(tmp_path / "none")) == "x509.vomsdir"
    (tmp_path / "testvo").mkdir()
    broken = tmp_path / "testvo" / "h.lsc"
    for content in (b"\xff\xfe", b"/CN=a\n" * 60_000, b"nothing"):
        broken.write_bytes(content)
        with pytest.raises(ConfigurationError) as caught:
            load_vomsdir(tmp_path)
        assert (caught.value.code, caught.value.file) == ("x509.lsc", str(broken))


# --- vomses

LINE = '"testvo" "voms.example.org" "15010" "/C=ZZ/O=HV Test/CN=voms.example.org" "testvo"'
SERVER = VomsServer("testvo", "voms.example.org", 15010, "/C=ZZ/O=HV Test/CN=voms.example.org", "testvo")


def test_a_vomses_line_is_read_and_written() -> None:
    assert parse_vomses(LINE, "f") == (SERVER,)
    assert SERVER.line() == LINE


def test_comments_replicas_and_a_globus_version_are_understood() -> None:
    replica = LINE.replace("voms.example.org", "voms2.example.org")
    found = parse_vomses(f'# comment\n\n{LINE} "24"\r\n\t{replica}  \n', "f")
    assert [server.host for server in found] == ["voms.example.org", "voms2.example.org"]


@pytest.mark.parametrize(
    "line",
    [
        "testvo voms.example.org 15010 /C=ZZ testvo",
        LINE[:-1],
        LINE.replace('"15010"', '"port"'),
        LINE.replace('"15010"', '"0"'),
        LINE.replace('"15010"', '"65536"'),
        LINE.replace('"15010"', '"١٥"'),
        LINE.replace('"voms.example.org"', '""'),
        LINE + ' "24" "more"',
        LINE + " more",
        '"testvo" "voms.example.org" "15010" "/C=ZZ"',
    ],
)
def test_what_is_no_vomses_line_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_vomses(f"{LINE}\n{line}\n", "vomses")
    assert (caught.value.code, caught.value.line) == ("x509.vomses", 2)


def test_a_directory_of_vomses_files_is_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "b").write_text(LINE.replace('"testvo" "v', '"second" "v'))
    (tmp_path / "a").write_text(LINE)
    (tmp_path / ".hidden").write_text("rubbish")
    (tmp_path / "directory").mkdir()
    assert [server.alias for server in load_vomses(tmp_path)] == ["testvo", "second"]
    assert load_vomses(tmp_path / "a") == (SERVER,)


def test_a_vomses_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert error_code(lambda: load_vomses(tmp_path / "none")) == "x509.vomses"
    for content in (b"\xff", b"\n" * 300_000):
        (tmp_path / "vomses").write_bytes(content)
        assert error_code(lambda: load_vomses(tmp_path / "vomses")) == "x509.vomses"
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "vomses").write_text(LINE)
    assert load_vomses(tmp_path) == (SERVER,)
