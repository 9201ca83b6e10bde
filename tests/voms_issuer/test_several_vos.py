"""Several VOs in one voms.yaml: what they share, what is their own, and what would get them in each other's way."""

from pathlib import Path

import pytest

from ostiary.config.problems import DocumentError
from ostiary.errors import ConfigurationError
from voms.several import load_vo, load_vos

COMMON = """\
host: voms.example.org
database: {url: "sqlite:///vo.db"}
certificate: host.pem
key: host.key
ca_directory: certificates
"""
TWO = f"""{COMMON}vos:
  - {{vo: alpha, port: 15001, listen: {{port: 15001}}}}
  - vo: beta
    port: 15002
    listen: {{port: 15002}}
    certificate: beta.pem
    key: beta.key
    database: {{url: "sqlite:///beta.db"}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name in ("host", "beta"):
        (tmp_path / f"{name}.pem").touch()
        (tmp_path / f"{name}.key").touch()
    (tmp_path / "certificates").mkdir()
    return tmp_path / "voms.yaml"


def test_a_single_vo_is_written_without_a_list(config: Path) -> None:
    config.write_text(f"vo: alpha\nport: 15001\nlisten: {{port: 15001}}\n{COMMON}")
    (only,) = load_vos(config)
    assert (only.vo, only.port, load_vo(config), load_vo(config, "alpha")) == ("alpha", 15001, only, only)


def test_what_stands_beside_the_list_holds_for_all_that_say_nothing_else(config: Path) -> None:
    config.write_text(TWO)
    alpha, beta = load_vos(config)
    assert [(each.vo, each.host, each.certificate.name, each.database.url) for each in (alpha, beta)] == [
        ("alpha", "voms.example.org", "host.pem", alpha.database.url),
        ("beta", "voms.example.org", "beta.pem", beta.database.url),
    ]
    assert alpha.database.url.endswith("/vo.db")
    assert beta.database.url.endswith("/beta.db")
    assert load_vo(config, "beta") == beta


@pytest.mark.parametrize("name", [None, "gamma"])
def test_which_vo_is_meant_has_to_be_said(config: Path, name: str | None) -> None:
    config.write_text(TWO)
    with pytest.raises(ConfigurationError) as caught:
        load_vo(config, name)
    assert (caught.value.code, caught.value.expected) == ("voms.which_vo", "alpha or beta")


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("vo: beta", "vo: alpha", "alpha"),
        ("    port: 15002", "    port: 15001", "voms.example.org:15001"),
        ("    listen: {port: 15002}", "    listen: {port: 15001}", "127.0.0.1:15001"),
    ],
)
def test_two_vos_that_nobody_could_tell_apart_are_refused(config: Path, old: str, new: str, found: str) -> None:
    config.write_text(TWO.replace(old, new))
    with pytest.raises(DocumentError) as caught:
        load_vos(config)
    assert (caught.value.code, caught.value.found, caught.value.line) == ("voms.vos_alike", found, 6)


@pytest.mark.parametrize(
    ("alpha", "beta", "found"),
    [
        ("issuer: 'https://tokens.example.org'", "issuer: 'https://tokens.example.org'", "https://tokens.example.org"),
        ("issuer: 'https://voms.example.org:15002'", "", "https://voms.example.org:15002"),
        ("issuer: 'https://voms.example.org:15001'", "", None),
    ],
)
def test_two_vos_are_two_issuers_of_tokens(config: Path, alpha: str, beta: str, found: str | None) -> None:
    # A capability names no VO: whoever trusts the issuer for one of them would take it from the other.
    (config.parent / "keys").mkdir()
    tokens = [f"tokens: {{keys: keys, {each}}}" for each in (alpha, beta)]
    text = TWO.replace("{vo: alpha,", f"{{vo: alpha, {tokens[0]},").replace("vo: beta", f"vo: beta\n    {tokens[1]}")
    config.write_text(text)
    if found is None:
        assert len(load_vos(config)) == 2
        return
    with pytest.raises(DocumentError) as caught:
        load_vos(config)
    assert (caught.value.code, caught.value.found) == ("voms.vos_alike", found)


@pytest.mark.parametrize(
    ("old", "new", "code", "key", "line"),
    [
        ("    port: 15002\n", "    port: 0\n", "config.wrong_value", "vos[1].port", 9),
        ("host: voms.example.org", "host: '-'", "config.wrong_value", "vos[0].host", 1),
        ("    port: 15002\n", "    prot: 15002\n", "config.mistyped_key", "vos[1].prot", 9),
        ("ca_directory: certificates\n", "", "config.missing_key", "vos[0].ca_directory", 6),
        ("vos:\n  - {vo: alpha, port: 15001, listen: {port: 15001}}", "vos:\n  - 7", "config.wrong_value", "vos[0]", 7),
    ],
)
def test_a_mistake_is_named_where_it_stands(config: Path, old: str, new: str, code: str, key: str, line: int) -> None:
    config.write_text(TWO.replace(old, new))
    with pytest.raises(DocumentError) as caught:
        load_vos(config)
    assert (caught.value.code, caught.value.key, caught.value.line) == (code, key, line)


@pytest.mark.parametrize(
    ("vos", "code"), [("[]", "voms.vos_none"), ("alpha", "config.wrong_value"), ("{}", "config.wrong_value")]
)
def test_a_list_without_a_vo_is_none(config: Path, vos: str, code: str) -> None:
    config.write_text(f"{COMMON}vos: {vos}\n")
    with pytest.raises(DocumentError) as caught:
        load_vos(config)
    assert (caught.value.code, caught.value.key) == (code, "vos")
