"""Grid-map files: who stands in them, how the lines are written, and by which command."""

import io
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.errors import OstiaryError
from ostiary.web.listener import PEER_CHAIN
from ostiary.web.log import make_log
from ostiary.x509.bans import parse_ban_list
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan, parse_fqan
from ostiary.x509.names import normal_slash_form, slash_form
from tests.simulator import MovableClock
from tests.voms.conftest import ALICE, NOW, Vo
from tests.voms.grid import make_grid
from tests.x509.authorities import error_code, root
from voms.administration.acl import AclEntry
from voms.administration.callers import OPERATOR
from voms.administration.desk import Desk
from voms.administration.permissions import Permission
from voms.administration.who import Who
from voms.changes import changing
from voms.commands.gridmap import write_gridmap
from voms.gridmap.holders import holders
from voms.gridmap.lines import Mapping, gridmap, one_line_name, read_mapping
from voms.gridmap.service import GridmapService
from voms.members import aup
from voms.people import suspend_certificate
from voms.periods import Recurrence


def person(name: str) -> CertificateNames:
    return CertificateNames(f"CN={name},O=Test,C=ZZ", "CN=Test CA,O=Test,C=ZZ")


def names(vo: Vo, fqan: str, at: datetime = NOW) -> list[str]:
    found = holders(vo.engine, "testvo", parse_fqan(fqan), at)
    return [each.subject.removeprefix("CN=").partition(",")[0] for each in found]


@pytest.fixture
def people(vo: Vo) -> dict[str, str]:
    """Ids by name: in groups of every kind, with roles that come down or do not, for a time, and barred for every reason."""
    change, at = vo.directory, {"at": NOW, "by": "operator"}
    ids = {"Alice": vo.alice}
    for name in ("Bob", "Carol", "Dan", "Eve", "Frank", "Grete"):
        ids[name] = change.add_member(person(name), **at)  # type: ignore[arg-type]
    change.join(ids["Bob"], "/testvo/g1", **at)  # type: ignore[arg-type]
    change.join(ids["Carol"], "/testvo/g1/sub", **at)  # type: ignore[arg-type]
    change.join(ids["Dan"], "/testvo/g2", until=NOW + timedelta(hours=1), **at)  # type: ignore[arg-type]
    mornings = Recurrence(datetime.fromisoformat("2026-11-01T08:00"), "UTC", "PT2H", "FREQ=DAILY")
    change.join(ids["Eve"], "/testvo/g1", recurs=mornings, **at)  # type: ignore[arg-type]
    change.join(ids["Frank"], "/testvo/g1", **at)  # type: ignore[arg-type]
    change.join(ids["Grete"], "/testvo/g1/sub", **at)  # type: ignore[arg-type]
    change.assign_role(ids["Bob"], "/testvo/g1", "admin", **at)  # type: ignore[arg-type]
    change.assign_role(ids["Carol"], "/testvo/g1", "admin", **at)  # type: ignore[arg-type]
    change.assign_role(ids["Grete"], "/testvo", "pilot", **at)  # type: ignore[arg-type]
    change.suspend(ids["Frank"], "lost her key", **at)  # type: ignore[arg-type]
    return ids


def test_a_group_has_those_of_the_groups_below_and_nobody_who_may_not_act(vo: Vo, people: dict[str, str]) -> None:
    assert names(vo, "/testvo/g1") == ["Bob", "Carol", "Grete"]
    assert names(vo, "/testvo/g1", NOW.replace(hour=9) + timedelta(days=1)) == ["Bob", "Carol", "Eve", "Grete"]
    assert names(vo, "/testvo/g2") == ["Dan"]
    assert names(vo, "/testvo/g2", NOW + timedelta(hours=1)) == []
    assert names(vo, "/testvo") == ["Alice", "Bob", "Carol", "Dan", "Eve", "Grete"]
    assert names(vo, "/testvo/g1/Role=admin") == ["Bob", "Carol"]


def test_a_further_parent_has_them_too(vo: Vo, people: dict[str, str]) -> None:
    vo.directory.add_parent("/testvo/g1/sub", "/testvo/g2", at=NOW, by="operator")
    assert names(vo, "/testvo/g2") == ["Carol", "Dan", "Grete"]


def test_roles_come_down_where_the_vo_lets_them(vo: Vo, people: dict[str, str]) -> None:
    assert names(vo, "/testvo/g1/sub/Role=admin") == []
    vo.directory.set_inheritance(True, at=NOW, by="operator")
    assert names(vo, "/testvo/g1/sub/Role=admin") == ["Carol"]
    assert names(vo, "/testvo/g1/Role=pilot") == ["Grete"]


def test_a_suspended_certificate_is_left_out_and_the_others_of_its_holder_are_not(
    vo: Vo, people: dict[str, str]
) -> None:
    vo.directory.add_certificate(people["Bob"], person("Bob at home"), at=NOW, by="operator")
    with changing(vo.engine, "testvo", "vo.certificate_suspended", at=NOW, by="operator") as change:
        suspend_certificate(change, person("Bob"), "lost")
    assert names(vo, "/testvo/g1/Role=admin") == ["Bob at home", "Carol"]


def test_who_did_not_sign_in_time_is_left_out(vo: Vo, people: dict[str, str]) -> None:
    with changing(vo.engine, "testvo", "vo.aup_added", at=NOW, by="operator") as change:
        aup.add_version(change, "1", text="Be kind.", grace_days=3)
        aup.sign(change, people["Carol"])
    assert names(vo, "/testvo/g1/Role=admin", NOW + timedelta(days=2)) == ["Bob", "Carol"]
    assert names(vo, "/testvo/g1/Role=admin", NOW + timedelta(days=4)) == ["Carol"]


def test_the_whole_vo_says_what_each_member_by_herself_does(vo: Vo, people: dict[str, str]) -> None:
    vo.directory.set_inheritance(True, at=NOW, by="operator")
    vo.directory.add_parent("/testvo/g1/sub", "/testvo/g2", at=NOW, by="operator")
    certificates = {person(name): member for name, member in people.items() if name != "Alice"} | {ALICE: vo.alice}
    for group in ("/testvo", "/testvo/g1", "/testvo/g1/sub", "/testvo/g2"):
        for fqan in (Fqan(group), Fqan(group, "admin"), Fqan(group, "pilot")):
            alone = {
                each
                for each in certificates
                if (one := vo.memberships.of_certificate(each, NOW)) is not None
                and one.suspended is None
                and (fqan in one.roles if fqan.role else fqan.group in one.groups)
            }
            assert set(holders(vo.engine, "testvo", fqan, NOW)) == alone, fqan


@pytest.mark.parametrize(("fqan", "code"), [("/testvo/no", "voms.no_group"), ("/testvo/Role=no", "voms.no_role")])
def test_what_is_not_there_is_missing(vo: Vo, fqan: str, code: str) -> None:
    assert error_code(lambda: holders(vo.engine, "testvo", parse_fqan(fqan), NOW)) == code


@pytest.mark.parametrize(
    ("rfc4514", "slash"),
    [
        ("CN=Ada,O=Example,C=ZZ", "/C=ZZ/O=Example/CN=Ada"),
        ("CN=host/a.example.org,O=Example", "/O=Example/CN=host/a.example.org"),
        (r"CN=Ada\, Countess,O=A\+B,DC=org", "/DC=org/O=A+B/CN=Ada, Countess"),
        ("1.2.840.113549.1.9.1=ada@example.org,CN=Ada", "/CN=Ada/emailAddress=ada@example.org"),
        ("CN=Ada+UID=7,STREET=1 Lane", "/street=1 Lane/CN=Ada+UID=7"),
        ("CN=Zoë", r"/CN=Zo\xC3\xAB"),
        (r"CN=a\0Db\\c", r"/CN=a\x0Db\c"),
    ],
)
def test_names_are_written_as_grid_map_files_have_them(rfc4514: str, slash: str) -> None:
    assert one_line_name(rfc4514) == slash


ATTRIBUTES = [
    x509.NameOID.COMMON_NAME,
    x509.NameOID.ORGANIZATION_NAME,
    x509.NameOID.EMAIL_ADDRESS,
    x509.NameOID.USER_ID,
]
VALUES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda text: text.strip() == text
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ATTRIBUTES), VALUES), min_size=1, max_size=4))
def test_any_name_is_the_one_line_form_of_its_certificate_but_for_escapes(
    parts: list[tuple[x509.ObjectIdentifier, str]],
) -> None:
    # There, a backslash before the slash of the next part can't be told from an escape.
    assume(not any(value.endswith("\\") for _, value in parts[:-1]))
    name = x509.Name([x509.NameAttribute(type_, value) for type_, value in parts])
    assert one_line_name(name.rfc4514_string()) == slash_form(name).replace("\\/", "/").replace("\\+", "+")


@pytest.mark.parametrize("text", ["", "Ada", "=x", "CN=a,,O=b"])
def test_what_is_no_name_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        one_line_name(text)


def test_the_first_mapping_counts_and_who_is_banned_has_none() -> None:
    admins, everybody = Mapping(Fqan("/vo", "admin"), "boss"), Mapping(Fqan("/vo"), ".pool")
    found = [
        (admins, [person("Bob")]),
        (everybody, [person("Alice"), person("Bob"), person("Mallory"), person('x" root')]),
    ]
    bans = parse_ban_list('"/C=ZZ/O=Test/CN=mallory"\n', "ban")
    assert gridmap(found, bans=bans) == ['"/C=ZZ/O=Test/CN=Alice" .pool', '"/C=ZZ/O=Test/CN=Bob" boss']
    assert gridmap(found, bans=parse_ban_list("/vo/Role=admin\n/C=ZZ/O=Test/CN=*a*", "ban")) == [
        '"/C=ZZ/O=Test/CN=Bob" .pool'
    ]


@pytest.mark.parametrize("text", ["/vo", "/vo=", "/vo/Role=admin", "/vo=a b", "/vo=..a", "=pool", "vo=pool"])
def test_a_mapping_without_an_account_is_refused(text: str) -> None:
    assert error_code(lambda: read_mapping(text)) in ("voms.mapping", "x509.fqan")


def run(vo: Vo, *arguments: str) -> Result:
    class Working:
        engine, vo, now = None, "testvo", NOW

    working = Working()
    working.engine = vo.engine  # type: ignore[assignment]
    return CliRunner().invoke(write_gridmap, list(arguments), obj=working)


def test_the_command_prints_or_writes_the_file(vo: Vo, people: dict[str, str], tmp_path: Path) -> None:
    assert run(vo).output.splitlines()[0] == '"/C=ZZ/O=Test/CN=Alice" .testvo'
    local, out, ban = tmp_path / "local", tmp_path / "grid-mapfile", tmp_path / "ban"
    local.write_text('# ours\n"/C=ZZ/O=Test/CN=Root" root\n\n"/C=ZZ/O=Test/CN=Bob"  bob\n')
    ban.write_text("/C=ZZ/O=Test/CN=Grete\n")
    maps = ("--map", "/testvo/g1/Role=admin=admin", "--map", "/testvo/g1=.g1")
    written = run(vo, *maps, "--local", str(local), "--ban", str(ban), "--out", str(out))
    assert written.output == f"3 lines in {out}\n"
    assert out.read_text() == (
        '"/C=ZZ/O=Test/CN=Root" root\n"/C=ZZ/O=Test/CN=Bob"  bob\n"/C=ZZ/O=Test/CN=Carol" admin\n'
    )
    assert out.stat().st_mode & 0o777 == 0o644
    listed = json.loads(run(vo, *maps, "--json").output)
    assert listed[0] == {"name": "/C=ZZ/O=Test/CN=Bob", "account": "admin"}


def test_a_file_of_own_lines_that_cannot_be_used_is_refused(vo: Vo, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.write_text("/C=ZZ/O=Test/CN=Root root\n")
    for arguments in (
        ("--local", str(local)),
        ("--local", str(tmp_path / "no")),
        ("--out", str(tmp_path / "no" / "x")),
    ):
        problem = run(vo, *arguments).exception
        assert isinstance(problem, OstiaryError)
        assert problem.code == "voms.gridmap_file"


class Asked:
    """The service, asked in process by alice of the grid, who is an ordinary member."""

    def __init__(self, vo_engine: object, tmp_path: Path) -> None:
        self.grid = make_grid(vo_engine, tmp_path, root(), now=NOW)  # type: ignore[arg-type]
        self.log = io.StringIO()
        clock = MovableClock(NOW)
        self.service = GridmapService(
            "testvo",
            self.grid.vo.engine,
            trust=self.grid.trust,
            log=make_log(clock, service="voms", stream=self.log),
            clock=clock,
        )

    def get(
        self, path: str, query: str = "", method: str = "GET", chain: tuple[bytes, ...] | None = None
    ) -> tuple[str, bytes]:
        told: list[str] = []
        peer = self.grid.alice.ders if chain is None else chain
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, PEER_CHAIN: peer}
        parts = self.service(environ, lambda status, headers, _info=None: told.append(status))  # type: ignore[arg-type,func-returns-value,misc]
        return told[0], b"".join(parts)


@pytest.fixture
def asked(engine: object, tmp_path: Path) -> Asked:
    return Asked(engine, tmp_path)


@pytest.fixture
def allowed(asked: Asked) -> Asked:
    """The same, after a manager has let her read who is in the VO."""
    desk = Desk(asked.grid.vo.engine, "testvo", OPERATOR, NOW)
    who = Who.certificate(CertificateNames.of(asked.grid.alice.certificate))
    read = Permission.CONTAINER_READ | Permission.MEMBERSHIP_READ
    desk.set_acl_entry(AclEntry("/testvo", None, who, read, False), below=True)
    return asked


SOAP = "/voms/testvo/services/VOMSCompatibility"


def test_membership_is_reserved_for_who_may_read_it(asked: Asked) -> None:
    status, body = asked.get("/voms/testvo/gridmap")
    assert (status, b"Alice" in body) == ("403 Forbidden", False)
    status, body = asked.get(SOAP, "method=getGridmapUsers")
    assert status == "403 Forbidden"
    assert etree.fromstring(body).findtext(".//faultstring")
    assert b"Alice" not in body
    assert asked.get("/voms/testvo/gridmap", chain=())[0] == "401 Unauthorized"


def test_clients_of_voms_admin_find_what_they_look_for(allowed: Asked) -> None:
    status, body = allowed.get(SOAP, "method=getGridmapUsers&container=/testvo/g1/Role=admin")
    assert status == "200 OK"
    # By the literal names and prefixes, as edg-mkgridmap and others do.
    assert b"<soapenv:Body><getGridmapUsersResponse" in body
    listed = etree.fromstring(body).find(".//getGridmapUsersReturn")
    assert [child.text for child in listed] == ["/C=ZZ/O=HV Test/CN=Alice Member"]
    assert b'<getGridmapUsersReturn xsi:type="soapenc:string">/C=ZZ/O=HV Test/CN=Alice Member<' in body
    assert b'soapenc:arrayType="soapenc:string[1]"' in body


def test_scripts_get_lines(allowed: Asked) -> None:
    assert allowed.get("/voms/testvo/gridmap") == ("200 OK", b'"/C=ZZ/O=HV Test/CN=Alice Member" .testvo\n')
    assert allowed.get("/voms/testvo/gridmap", "container=%2Ftestvo%2Fg2&account=vo1")[1].endswith(b" vo1\n")
    assert allowed.log.getvalue().count("vo_gridmap_told") == 2


REFUSED = [
    ("/voms/testvo/gridmap", "container=/testvo/none", "GET", "403 Forbidden"),
    ("/voms/testvo/gridmap", "container=testvo", "GET", "400 Bad Request"),
    ("/voms/testvo/gridmap", "container=/testvo&container=/testvo", "GET", "400 Bad Request"),
    ("/voms/testvo/gridmap", "container=/" + "x" * 3000, "GET", "400 Bad Request"),
    ("/voms/testvo/gridmap", "account=a%20b", "GET", "400 Bad Request"),
    ("/voms/testvo/gridmap", "", "POST", "405 Method Not Allowed"),
    ("/voms/testvo/gridmap/more", "", "GET", "404 Not Found"),
    (SOAP, "", "GET", "400 Bad Request"),
    (SOAP, "method=listMembers", "GET", "400 Bad Request"),
]


def test_what_cannot_be_answered_is_refused(allowed: Asked) -> None:
    assert [(*asked, allowed.get(*asked)[0]) for *asked, _ in REFUSED] == REFUSED


def test_normal_names_compare_equal_to_what_files_hold() -> None:
    name = x509.Name.from_rfc4514_string("CN=host/a.example.org,O=Example")
    assert one_line_name(name.rfc4514_string()) == normal_slash_form(slash_form(name))
