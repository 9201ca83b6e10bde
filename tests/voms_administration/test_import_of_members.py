"""A CSV file of members: read line by line, tried as a dry run, written as a whole or not at all."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ostiary.audit import events
from ostiary.command.cli import ostiary
from ostiary.errors import Denied, Refusal
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan
from tests.voms_administration.conftest import NOW, Managed, names
from tests.voms_administration.site import make_site
from voms.administration.who import Who
from voms.browsing import search_members
from voms.details import Details
from voms.exchange.bringing_in import Outcome, Report, bring_in
from voms.exchange.members_csv import MemberLine, WrongLine, read_lines
from voms.exchange.written_names import written_name
from voms.grants import Whose
from voms.identities import FederatedIdentity
from voms.memberships import Memberships

FILE = (
    "subject,issuer,given_name,surname,mail,until,groups,attributes,asserted_by,attribute,value,kind\n"
    '/C=ZZ/O=Test/CN=Ada,/C=ZZ/O=Test/CN=Test CA,Ada,"Adams, Dr.",a@example.org,2030-01-01T00:00:00+01:00,'
    "/testvo/g/Role=pilot /testvo/g,nick=ada;site=x=y,,,,\n"
    '"CN=Ben,O=Test,C=ZZ","CN=Test CA,O=Test,C=ZZ",,,,,,,https://home.example/idp,pairwise-id,ben@home,person\n'
    "\n"
    ",,,Robot,,,,,https://home.example/idp,pairwise-id,robot@home,service\n"
)


def lines(text: str) -> list[MemberLine | WrongLine]:
    return list(read_lines(text.encode()))


def problems(text: str) -> list[tuple[int, str]]:
    return [(each.line, each.problem.code) for each in lines(text) if isinstance(each, WrongLine)]


def outcomes(report: Report) -> list[str]:
    return [line.outcome.value for line in report.lines]


def test_a_file_is_read_with_all_that_it_may_say() -> None:
    assert lines(FILE) == [
        MemberLine(
            line=2,
            names=CertificateNames("CN=Ada,O=Test,C=ZZ", "CN=Test CA,O=Test,C=ZZ"),
            until=NOW.replace(2029, 12, 31, 23, 0),
            about=Details(given_name="Ada", surname="Adams, Dr.", mail="a@example.org"),
            fqans=(Fqan("/testvo/g", "pilot"), Fqan("/testvo/g")),
            attributes=(("nick", "ada"), ("site", "x=y")),
        ),
        MemberLine(
            line=3,
            names=CertificateNames("CN=Ben,O=Test,C=ZZ", "CN=Test CA,O=Test,C=ZZ"),
            identity=FederatedIdentity("https://home.example/idp", "pairwise-id", "ben@home"),
        ),
        MemberLine(
            line=5,
            identity=FederatedIdentity("https://home.example/idp", "pairwise-id", "robot@home"),
            kind="service",
            about=Details(surname="Robot"),
        ),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"name,mail\n",
        b"subject,subject\n",
        b"subject;issuer\n",
        b'"subject\n',
        b"subject,issuer\n" + b"x" * 20_000_001,
    ],
)
def test_what_is_no_table_of_members_is_refused_as_a_whole(data: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        list(read_lines(data))
    assert refused.value.code == "voms.csv"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("/C=ZZ/CN=A", "voms.csv_line"),
        ("/C=ZZ/CN=A,,,,,", "voms.csv_line"),
        (",,,,,,", "voms.csv_line"),
        ("A,B,,,,,,", "voms.written_name"),
        ("/C=ZZ/CN=A,/C=ZZ/CN=CA,robot,,,,,", "voms.csv_line"),
        ("/C=ZZ/CN=A,/C=ZZ/CN=CA,,2030-01-01,,,,", "voms.instant"),
        ("/C=ZZ/CN=A,/C=ZZ/CN=CA,,never,,,,", "voms.instant"),
        ("/C=ZZ/CN=A,/C=ZZ/CN=CA,,,no address,,,", "voms.detail_mail"),
        ("/C=ZZ/CN=A,/C=ZZ/CN=CA,,,,testvo,,", "x509.fqan"),
        ("/C=ZZ/CN=A,/C=ZZ/CN=CA,,,,,nickname,", "voms.csv_line"),
        ("/C=ZZ/CN=A,/C=ZZ/CN=CA,,,,,n=" + "x" * 8_000 + ",", "voms.csv_line"),
        ("/C=ZZ/CN=A\x07,/C=ZZ/CN=CA,,,,,,", "voms.csv_line"),
        ('"/C=ZZ/CN=A" x,/C=ZZ/CN=CA,,,,,,', "voms.csv_line"),
        (",,,,,,,https://home.example", "voms.csv_line"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_number(line: str, code: str) -> None:
    header = "subject,issuer,kind,until,mail,groups,attributes,asserted_by\n"
    wanted = [] if line.strip(",") == "" else [(2, code)]
    assert problems(header + line + "\n") == wanted


def test_lines_that_are_too_many_end_the_reading() -> None:
    found = problems("surname\n" + "\n" * 100_001)
    assert found[-1] == (100_001, "voms.csv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/C=ZZ/O=HV Test/CN=Alice Member", "CN=Alice Member,O=HV Test,C=ZZ"),
        ("/DC=org/DC=x/CN=host/a.example", "CN=host/a.example,DC=x,DC=org"),
        ("/DC=org/CN=host\\/a.example", "CN=host/a.example,DC=org"),
        ("/C=ZZ/CN=Andr\\xC3\\xA9/Email=a@b.c", "1.2.840.113549.1.9.1=a@b.c,CN=André,C=ZZ"),
        ("CN=Ada\\, B,C=ZZ", "CN=Ada\\, B,C=ZZ"),
        ("/CN=a/2.5.4.97=b", "2.5.4.97=b,CN=a"),
    ],
)
def test_names_are_taken_in_either_form(text: str, expected: str) -> None:
    assert written_name(text) == expected


@pytest.mark.parametrize(
    "text", ["", "/", "Ada", "/x=y", "/C=ABC/CN=a", "CN=a,,C=ZZ", "/CN=\\xFF", "CN=a\n", "/CN=" + "a" * 2_000]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        written_name(text)
    assert refused.value.code == "voms.written_name"


def test_a_dry_run_says_everything_and_keeps_nothing(vo: Managed) -> None:
    with vo.engine.connect() as connection:
        before = len(events(connection))
    report = bring_in(vo.operator, lines(FILE), dry_run=True)
    assert (outcomes(report), report.written) == (["added", "added", "added"], False)
    assert report.lines[0].done == ("/testvo/g", "/testvo/g/Role=pilot", "nick", "site")
    assert search_members(vo.engine, "testvo", at=NOW).rows == ()
    with vo.engine.connect() as connection:
        assert len(events(connection)) == before


def test_a_file_is_written_in_one_transaction_and_the_second_time_nothing_changes(vo: Managed) -> None:
    report = bring_in(vo.operator, lines(FILE), dry_run=False)
    assert report.written
    ada = report.lines[0].member or ""
    standing = Memberships(vo.engine, "testvo").of_certificate(names("Ada"), NOW)
    assert standing is not None
    assert standing.member == ada
    assert sorted(standing.groups) == ["/testvo", "/testvo/g"]
    assert set(standing.roles) == {Fqan("/testvo/g", "pilot")}
    assert standing.ends == NOW.replace(2029, 12, 31, 23, 0)
    assert vo.operator.details(ada).surname == "Adams, Dr."
    assert [each.value for each in vo.operator.attributes(Whose(ada))] == ["ada", "x=y"]
    with vo.engine.connect() as connection:
        assert len(events(connection, action="vo.members_imported")) == 1
    again = bring_in(vo.operator, lines(FILE), dry_run=False)
    assert (outcomes(again), again.written) == (["unchanged"] * 3, True)
    assert [line.member for line in again.lines] == [line.member for line in report.lines]


def test_who_is_a_member_gets_what_she_lacks_and_keeps_what_she_has(vo: Managed) -> None:
    ada = vo.add("Ada")
    vo.operator.set_details(ada, Details(given_name="Ada", phone="1"))
    vo.operator.join(ada, "/testvo/other")
    file = (
        "subject,issuer,asserted_by,attribute,value,phone,groups\n"
        '"CN=Ada,O=Test,C=ZZ","CN=Test CA,O=Test,C=ZZ",https://home.example/idp,pairwise-id,ada@home,2,/testvo/g\n'
        ",,https://home.example/idp,pairwise-id,ada@home,,/testvo/g /testvo/other\n"
    )
    report = bring_in(vo.operator, lines(file), dry_run=False)
    assert [(line.outcome, line.member, line.done) for line in report.lines] == [
        (Outcome.CHANGED, ada, ("identity", "details", "/testvo/g")),
        (Outcome.UNCHANGED, ada, ()),
    ]
    assert vo.operator.details(ada) == Details(given_name="Ada", phone="2")


def test_one_line_that_can_not_be_used_keeps_all_from_being_written_and_the_others_are_tried(vo: Managed) -> None:
    ada, _ = vo.add("Ada"), vo.add("Ben")
    vo.operator.link_identity(ada, FederatedIdentity("h", "a", "ada"))
    file = (
        "subject,issuer,asserted_by,attribute,value,groups\n"
        '"CN=Cleo,O=Test,C=ZZ","CN=Test CA,O=Test,C=ZZ",,,,/testvo/none\n'
        '"CN=Dan,O=Test,C=ZZ","CN=Test CA,O=Test,C=ZZ",,,,/testvo/g\n'
        '"CN=Ben,O=Test,C=ZZ","CN=Test CA,O=Test,C=ZZ",h,a,ada,\n'
        "Eve,,,,,\n"
        '"CN=Dan,O=Test,C=ZZ","CN=Test CA,O=Test,C=ZZ",,,,/testvo/g/Role=none\n'
    )
    report = bring_in(vo.operator, lines(file), dry_run=False)
    assert [(line.line, line.outcome.value, line.problem and line.problem.code) for line in report.lines] == [
        (2, "refused", "voms.no_group"),
        (3, "added", None),
        (4, "refused", "voms.several_members"),
        (5, "refused", "voms.csv_line"),
        (6, "refused", "voms.no_role"),
    ]
    assert not report.written
    assert len(search_members(vo.engine, "testvo", at=NOW).rows) == 2


def test_a_manager_imports_with_her_own_rights(vo: Managed) -> None:
    ada = Who.member(vo.add("Ada"))
    file = 'subject,issuer,groups\n"CN=Cleo,O=Test,C=ZZ","CN=Test CA,O=Test,C=ZZ",/testvo/g\n'
    with pytest.raises(Denied):
        bring_in(vo.desk("Ada"), lines(file), dry_run=True)
    vo.allow(ada, "CONTAINER_READ|MEMBERSHIP_RW", "/testvo")
    report = bring_in(vo.desk("Ada"), lines(file), dry_run=False)
    assert [line.problem and line.problem.code for line in report.lines] == ["voms.not_allowed"]
    vo.allow(ada, "MEMBERSHIP_RW", "/testvo/g")
    assert bring_in(vo.desk("Ada"), lines(file), dry_run=False).written


def test_the_command_says_what_becomes_of_each_line(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.told("create")
    header = "subject,issuer,groups\n"
    good = "/C=ZZ/O=HV Test/CN=Ben,/C=ZZ/O=HV Test/CN=HV Test CA,\n"
    (tmp_path / "good.csv").write_text("\ufeff" + header + good)
    (tmp_path / "bad.csv").write_text(header + good + "Eve,,\n")
    dry = site.told("import-members good.csv --dry-run").splitlines()
    assert dry[0].startswith("line 2: added  ")
    assert dry[-1] == "1 added, 0 changed, 0 unchanged, 0 refused. Nothing was written."
    bad = site.run("import-members bad.csv")
    assert isinstance(bad.exception, Refusal)
    assert bad.exception.code == "voms.import_refused"
    assert bad.stdout.splitlines()[1].startswith(
        "line 3: refused  This line of the table can't be used. (voms.csv_line;"
    )
    assert site.told("count-members") == "0\n"
    assert site.json("import-members good.csv")["written"] is True
    assert site.told("show ben.pem").splitlines()[1].startswith("certificate CN=Ben,O=HV Test,C=ZZ")
    arguments = ["vo", "--config", str(tmp_path / "voms.yaml"), "import-members", str(tmp_path / "bad.csv"), "--json"]
    result = CliRunner().invoke(ostiary, arguments)
    assert result.exit_code == 1
    assert [line["outcome"] for line in json.loads(result.stdout)["lines"]] == ["unchanged", "refused"]
    assert json.loads(result.stdout)["lines"][1]["error"]["code"] == "voms.csv_line"
    assert json.loads(result.stderr)["error"]["code"] == "voms.import_refused"
