"""openssl asn1parse over an attribute certificate of ours: the same structure as one that a real vomsd 2.1 issued (voms-wire, a.3)."""

import re
from pathlib import Path

import pytest

from ostiary.x509.proxy import find_attribute_certificates, read_proxy
from tests.interop.voms_peers import Grid
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.interop

# Depth, kind, and what is the same in every such certificate. The names of groups and roles count as one line.
CERTIFICATE = """\
0 SEQUENCE
1 SEQUENCE
2 INTEGER :01
2 SEQUENCE
3 cont [ 0 ]
4 SEQUENCE
5 cont [ 4 ]
6 SEQUENCE
7 SET
8 SEQUENCE
9 OBJECT :countryName
9 PRINTABLESTRING
7 SET
8 SEQUENCE
9 OBJECT :organizationName
9 UTF8STRING
7 SET
8 SEQUENCE
9 OBJECT :commonName
9 UTF8STRING
4 INTEGER
2 cont [ 0 ]
3 SEQUENCE
4 cont [ 4 ]
5 SEQUENCE
6 SET
7 SEQUENCE
8 OBJECT :countryName
8 PRINTABLESTRING
6 SET
7 SEQUENCE
8 OBJECT :organizationName
8 UTF8STRING
6 SET
7 SEQUENCE
8 OBJECT :commonName
8 UTF8STRING
2 SEQUENCE
3 OBJECT :sha256WithRSAEncryption
3 NULL
2 INTEGER
2 SEQUENCE
3 GENERALIZEDTIME
3 GENERALIZEDTIME
2 SEQUENCE
3 SEQUENCE
4 OBJECT :1.3.6.1.4.1.8005.100.100.4
4 SET
5 SEQUENCE
6 cont [ 0 ]
7 cont [ 6 ]
6 SEQUENCE
7 OCTET STRING
2 SEQUENCE
3 SEQUENCE
4 OBJECT :1.3.6.1.4.1.8005.100.100.11
4 OCTET STRING
3 SEQUENCE
4 OBJECT :1.3.6.1.4.1.8005.100.100.10
4 OCTET STRING
3 SEQUENCE
4 OBJECT :X509v3 No Revocation Available
4 OCTET STRING
3 SEQUENCE
4 OBJECT :X509v3 Authority Key Identifier
4 OCTET STRING
3 SEQUENCE
4 OBJECT :X509v3 AC Targeting
4 BOOLEAN :255
4 OCTET STRING
1 SEQUENCE
2 OBJECT :sha256WithRSAEncryption
2 NULL
1 BIT STRING
"""

# The values of the five extensions, in the same order; of the certificate in the second only where it begins.
EXTENSIONS = [
    """\
0 SEQUENCE
1 SEQUENCE
2 SEQUENCE
3 SEQUENCE
4 cont [ 6 ]
3 SEQUENCE
4 SEQUENCE
5 OCTET STRING
5 OCTET STRING
5 OCTET STRING
4 SEQUENCE
5 OCTET STRING
5 OCTET STRING
5 OCTET STRING
4 SEQUENCE
5 OCTET STRING
5 OCTET STRING
5 OCTET STRING
""",
    """\
0 SEQUENCE
1 SEQUENCE
2 SEQUENCE
3 SEQUENCE
4 cont [ 0 ]
5 INTEGER :02
4 INTEGER
4 SEQUENCE
5 OBJECT :sha256WithRSAEncryption
5 NULL
""",
    "0 NULL\n",
    """\
0 SEQUENCE
1 cont [ 0 ]
""",
    """\
0 SEQUENCE
1 SEQUENCE
2 SEQUENCE
3 cont [ 0 ]
4 cont [ 6 ]
2 SEQUENCE
3 cont [ 0 ]
4 cont [ 6 ]
""",
]
_LINE = re.compile(r" *\d+:d=(\d+) +hl=\d+ l= *\d+ (?:cons|prim): *(cont \[ \d+ \]|[A-Z0-9]+(?: STRING)?) *(.*)")


def structure(dump: str) -> str:
    """A dump without offsets, lengths and what differs from one certificate to the next."""
    lines: list[str] = []
    for depth, kind, value in (match.groups() for match in map(_LINE.match, dump.splitlines()) if match):
        fixed = kind in ("OBJECT", "BOOLEAN") or value in (":01", ":02")
        line = f"{depth} {kind} {value}" if fixed else f"{depth} {kind}"
        if line != "7 OCTET STRING" or lines[-1] != line:
            lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.fixture
def certificate(demo: RunningDemo, tmp_path: Path) -> Path:
    """An attribute certificate with a role, generic attributes and targets, DER."""
    grid = Grid(demo.ready["voms"], tmp_path)
    made = grid.our_init(
        "member",
        tmp_path / "proxy",
        *("-voms", "microscopy:/microscopy/imaging/Role=operator", "-target", "host.a.org,localhost"),
    )
    if made.code != 0:
        raise RuntimeError(made.text)
    path = tmp_path / "ac.der"
    [der] = find_attribute_certificates(read_proxy(tmp_path / "proxy").certificates)
    path.write_bytes(der)
    return path


def test_its_structure_is_that_of_a_real_one(demo: RunningDemo, certificate: Path, tmp_path: Path) -> None:
    grid = Grid(demo.ready["voms"], tmp_path)
    parse = ["openssl", "asn1parse", "-inform", "DER", "-i", "-in", str(certificate)]
    dump = grid.run(*parse)
    assert dump.code == 0
    assert structure(dump.text) == CERTIFICATE
    offsets = re.findall(r"^ *(\d+):d=4 .* OCTET STRING ", dump.text, re.MULTILINE)
    inner = [structure(grid.run(*parse, "-strparse", offset).text) for offset in offsets]
    assert len(inner) == 5
    assert inner[1].startswith(EXTENSIONS[1])
    assert [*inner[:1], *inner[2:]] == [*EXTENSIONS[:1], *EXTENSIONS[2:]]


def test_its_names_are_those_that_were_asked_for(demo: RunningDemo, certificate: Path, tmp_path: Path) -> None:
    grid = Grid(demo.ready["voms"], tmp_path)
    dump = grid.run("openssl", "asn1parse", "-inform", "DER", "-i", "-in", str(certificate)).text
    assert re.findall(r"d=7 .* OCTET STRING +:(.*)", dump) == [
        "/microscopy/imaging/Role=operator/Capability=NULL",
        "/microscopy/Role=NULL/Capability=NULL",
        "/microscopy/imaging/Role=NULL/Capability=NULL",
        "/microscopy/imaging/cryo/Role=NULL/Capability=NULL",
    ]
