"""LCAS-style ban lists: whom a line means, and that no line is passed over."""

from pathlib import Path

import pytest

from ostiary.errors import ConfigurationError
from ostiary.x509.bans import load_ban_list, parse_ban_list

LIST = parse_ban_list(
    """
# security incident 4711
"/C=ZZ/O=Example/CN=Mallory"
/C=ZZ/O=Example/CN=host/bad.example.org
"/C=ZZ/O=Rogue CA/*"   and what stands after the name is nobody's
/testvo/g1/Role=admin
"/othervo"
/third/*/Role=pilot/Capability=NULL
""",
    "ban_users.db",
)


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        ("/C=ZZ/O=Example/CN=Mallory", "/C=ZZ/O=Example/CN=Mallory"),
        ("/c=zz/O=example/CN=MALLORY", "/C=ZZ/O=Example/CN=Mallory"),
        ("/C=ZZ/O=Example/CN=Mallory 2", None),
        ("/C=ZZ/O=Example/CN=Mallory/CN=proxy", None),
        (r"/C=ZZ/O=Example/CN=host\/bad.example.org", "/C=ZZ/O=Example/CN=host/bad.example.org"),
        ("/C=ZZ/O=Rogue CA/CN=anybody", "/C=ZZ/O=Rogue CA/*"),
        ("/C=ZZ/O=Rogue", None),
        ("/DC=org/C=ZZ/O=Rogue CA/CN=x", None),
        ("", None),
    ],
)
def test_a_name_is_banned_by_a_line_that_means_it(subject: str, line: str | None) -> None:
    assert LIST.name(subject) == line


@pytest.mark.parametrize(
    ("stated", "line"),
    [
        (["/testvo", "/testvo/g1/Role=admin"], "/testvo/g1/Role=admin"),
        (["/testvo/g1/Role=admin/Capability=NULL"], "/testvo/g1/Role=admin"),
        (["/testvo/g1", "/testvo/g1/Role=pilot"], None),
        (["/othervo/Role=NULL/Capability=NULL"], "/othervo"),
        (["/othervo/north"], None),
        (["/third/a/b/Role=pilot"], "/third/*/Role=pilot/Capability=NULL"),
        (["/third/a"], None),
        ([], None),
    ],
)
def test_what_a_vo_states_is_banned_by_a_line_that_means_it(stated: list[str], line: str | None) -> None:
    assert LIST.fqans(stated) == line


@pytest.mark.parametrize(
    "line", ["Mallory", '"/C=ZZ', "/testvo/g 1", "/testvo/Role=", "C=ZZ, O=x", '""', "/C=ZZ/" + "*" * 9]
)
def test_a_line_that_means_nobody_is_an_error_with_its_number(line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_ban_list(f"# first\n{line}\n", "ban_users.db")
    assert (caught.value.code, caught.value.file, caught.value.line) == ("x509.ban_list", "ban_users.db", 2)


def test_a_list_that_is_not_there_or_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"/C=ZZ/CN=Zo\xeb\n")
    for name in ("none", "latin"):
        with pytest.raises(ConfigurationError) as caught:
            load_ban_list(tmp_path / name)
        assert caught.value.code == "x509.ban_list"


def test_an_empty_list_bans_nobody(tmp_path: Path) -> None:
    (tmp_path / "ban").touch()
    assert load_ban_list(tmp_path / "ban").name("/C=ZZ/CN=Alice") is None
