"""A database as VOMS-Admin 3.x leaves it, on SQLite or MariaDB: its tables, and a small VO in them.

Without foreign keys: so that rows can be broken, as they are after years.
"""

from typing import Any

from sqlalchemy import Connection, Engine, column, insert, table, text

from ostiary.storage.engine import writing

TABLES = """\
version: version int not null primary key, admin_version varchar(255)
ca: cid smallint not null primary key, creation_time datetime not null, description varchar(255), subject_string varchar(255) not null
groups: gid bigint not null primary key, description varchar(255), must bit(1) not null, dn varchar(255) not null, restricted bit(1),
        parent bigint
roles: rid bigint not null primary key, role varchar(255) not null
usr: userid bigint not null primary key, address varchar(255), creation_time datetime not null, dn varchar(255),
     email_address varchar(255) not null, end_time datetime, institution varchar(255), name varchar(255), orgdb_id bigint,
     phone_number varchar(255), surname varchar(255), suspended bit(1), suspension_reason varchar(255),
     suspension_reason_code varchar(255), ca smallint
certificate: id bigint not null primary key, creation_time datetime not null, subject_string varchar(255) not null,
             suspended bit(1) not null, suspended_reason varchar(255), suspension_reason_code varchar(255), ca_id smallint not null,
             usr_id bigint not null
m: mapping_id bigint not null primary key, gid bigint not null, rid bigint, userid bigint not null
attributes: a_id bigint not null primary key, a_desc text, a_name varchar(255) not null, a_uniq bit(1) not null
usr_attrs: a_value varchar(255), u_id bigint not null, a_id bigint not null
group_attrs: a_value varchar(255), g_id bigint not null, a_id bigint not null
role_attrs: a_value varchar(255), r_id bigint not null, g_id bigint not null, a_id bigint not null
admins: adminid bigint not null primary key, dn varchar(255) not null, email_address varchar(255), ca smallint not null
acl2: acl_id bigint not null primary key, group_id bigint not null, defaultACL bit(1) not null, role_id bigint
acl2_permissions: acl_id bigint not null, admin_id bigint not null, permissions int
aup: id bigint not null primary key, name varchar(255) not null, description varchar(255), reacceptancePeriod int not null
aup_version: id bigint not null primary key, aup_id bigint not null, version varchar(255) not null, url varchar(255), text varchar(255),
             creationTime datetime not null, lastForcedReacceptanceTime datetime, active bit(1) not null
aup_acc_record: id bigint not null primary key, aup_version_id bigint not null, usr_id bigint not null,
                last_acceptance_date datetime not null, valid bit(1)
req: request_id bigint not null primary key, creationDate datetime, status varchar(255) not null, requester_info_id bigint not null
managers: id bigint not null primary key, description varchar(255) not null, email_address varchar(255) not null,
          name varchar(255) not null
managers_groups: manager_id bigint not null, group_id bigint not null
audit_event: event_id bigint not null primary key, principal varchar(255) not null, event_timestamp datetime not null,
             event_type varchar(255) not null
"""
CREATED = "2024-03-21 17:49:50"
# By the clock of most tests (22 November 2026) Ada's membership goes on, and her signature counts.
SIGNED = "2026-03-21 17:49:50"
ENDS = "2027-06-01 12:00:00"
OWN = "/O=VOMS/O=System/CN="
CA = "/C=ZZ/O=HV Test/CN=HV Test CA"
AUTHORITIES = {1: CA, 5: f"{OWN}Dummy Certificate Authority", 6: f"{OWN}VOMS Group", 7: f"{OWN}VOMS Role"}
ADMINS = {
    1: (f"{OWN}Internal VOMS Process", 5),
    2: (f"{OWN}Local Database Administrator", 5),
    3: (f"{OWN}Absolutely Anyone", 5),
    4: (f"{OWN}Any Authenticated User", 5),
    5: (f"{OWN}Unauthenticated Client", 5),
    6: ("/example/Role=VO-Admin", 7),
}


class OldServer:
    """Writes rows; columns that a row does not name have what is usual."""

    def __init__(self, connection: Connection, first: int = 1_000) -> None:
        self._connection = connection
        self._numbers = first

    def row(self, name: str, *rows: dict[str, Any]) -> None:
        """Rows of the same columns."""
        columns = table(name, *(column(each) for each in rows[0]))
        self._connection.execute(insert(columns), list(rows))

    def number(self) -> int:
        """One that no row has."""
        self._numbers += 1
        return self._numbers

    def user(self, number: int, subject: str | None, *, ca: int = 1, in_root: bool = True, **more: Any) -> None:
        """With one certificate (None: without), in the root group, for ever."""
        usual = {"creation_time": CREATED, "email_address": "", "suspended": 0}
        self.row("usr", {"userid": number, **usual, **more})
        if subject is not None:
            self.certificate(number, subject, ca=ca)
        if in_root:
            self.member(number, 1)

    def certificate(self, user: int, subject: str, *, ca: int = 1, **more: Any) -> None:
        row = {"id": self.number(), "creation_time": CREATED, "subject_string": subject, "ca_id": ca, "usr_id": user}
        self.row("certificate", {"suspended": 0, **row, **more})

    def member(self, user: int, group: int, role: int | None = None) -> None:
        self.row("m", {"mapping_id": self.number(), "gid": group, "rid": role, "userid": user})

    def group(self, number: int, path: str, parent: int = 1, **more: Any) -> None:
        row = {"gid": number, "dn": path, "parent": parent, "must": 1, "restricted": 0}
        self.row("groups", {**row, **more})

    def entry(self, group: int, role: int | None, default: int, **permissions: int) -> None:
        """A list with entries: ``a6=16383`` is administrator 6."""
        number = self.number()
        self.row("acl2", {"acl_id": number, "group_id": group, "role_id": role, "defaultACL": default})
        for admin, bits in permissions.items():
            self.row("acl2_permissions", {"acl_id": number, "admin_id": int(admin[1:]), "permissions": bits})


def create_tables(engine: Engine) -> None:
    """As MariaDB has them since 2012: Latin-1."""
    statements: list[str] = []
    for line in TABLES.replace("\n  ", " ").splitlines():
        name, _, columns = line.partition(": ")
        statements.append(f"CREATE TABLE `{name}` ({columns})")
    with writing(engine) as connection:
        for statement in statements:
            end = "" if engine.dialect.name == "sqlite" else " ENGINE=InnoDB DEFAULT CHARSET=latin1"
            connection.execute(text(statement.replace(":", "\\:") + end))


def fill(server: OldServer, *, signed: str = SIGNED, ends: str = ENDS) -> None:
    """The VO ``example``: groups data (2) and data/raw (3), roles VO-Admin (1) and pilot (2); Ada (1) and Ben (2).

    Ada has ``signed`` the newer policy then, and her membership ``ends`` then."""
    server.row("version", {"version": 3, "admin_version": "3.8.1"})
    server.row("ca", *({"cid": n, "creation_time": CREATED, "subject_string": dn} for n, dn in AUTHORITIES.items()))
    server.group(1, "/example")
    server.group(2, "/example/data", description="Who reads data")
    server.group(3, "/example/data/raw", parent=2)
    server.row("roles", {"rid": 1, "role": "VO-Admin"}, {"rid": 2, "role": "pilot"})
    server.row("admins", *({"adminid": number, "dn": dn, "ca": ca} for number, (dn, ca) in ADMINS.items()))
    for group in (1, 2, 3):
        for role in (None, 1, 2):
            server.entry(group, role, 0, a1=16383, a2=16383, a4=5, a6=16383)
    server.user(
        1,
        "/C=ZZ/O=HV Test/CN=Ada Adams",
        name="Ada",
        surname="Adams",
        institution="Université",
        address="1 Road\nTown",
        email_address="ada@example.org",
        phone_number="+31 20",
        end_time=ends,
    )
    server.certificate(1, "/C=ZZ/O=HV Test/CN=Ada at home", suspended=1, suspended_reason="Key copied.")
    for group, role in ((2, None), (3, None), (2, 2), (1, 1)):
        server.member(1, group, role)
    reason = "User membership has been suspended after a security incident."
    why = {"suspended": 1, "suspension_reason_code": "SECURITY_INCIDENT"}
    server.user(2, None, suspension_reason=reason, email_address="ben@example.org", **why)
    server.certificate(2, "/C=ZZ/O=HV Test/CN=Ben", suspended_reason=reason, **why)
    server.row(
        "attributes",
        {"a_id": 1, "a_name": "nickname", "a_desc": "A name", "a_uniq": 1},
        {"a_id": 2, "a_name": "quota", "a_desc": None, "a_uniq": 0},
    )
    server.row("usr_attrs", {"a_id": 1, "u_id": 1, "a_value": "ada"})
    server.row("group_attrs", {"a_id": 2, "g_id": 2, "a_value": "10"})
    server.row("role_attrs", {"a_id": 2, "g_id": 2, "r_id": 2, "a_value": "20"})
    server.row("aup", {"id": 1, "name": "VO-AUP", "description": "", "reacceptancePeriod": 365})
    old = {
        "id": 1,
        "aup_id": 1,
        "version": "1.0",
        "url": "https://example.org/aup-1",
        "creationTime": CREATED,
        "active": 0,
    }
    new = {**old, "id": 2, "version": "2.0", "url": "file:/etc/voms-admin/aup.txt", "active": 1}
    server.row("aup_version", old, {**new, "creationTime": "2025-01-01 00:00:00"})
    for number, version in ((1, 1), (2, 2)):
        record = {"id": number, "aup_version_id": version, "usr_id": 1, "valid": 1}
        server.row("aup_acc_record", {**record, "last_acceptance_date": CREATED if version == 1 else signed})


def make(engine: Engine, *, signed: str = SIGNED, ends: str = ENDS) -> None:
    """Tables and VO."""
    create_tables(engine)
    with writing(engine) as connection:
        fill(OldServer(connection), signed=signed, ends=ends)
