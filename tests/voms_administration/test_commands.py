"""``ostiary vo`` on a command line: what it says to people and to programs, and that old managers find everything."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from ostiary.command.cli import ostiary
from ostiary.errors import Missing, OstiaryError, Refusal
from tests.voms_administration.site import Site, make_site

TABLE = Path(__file__).parents[2] / "docs" / "coming-from-voms-admin.md"
# Every command of voms-admin 3.x.
ORIGINAL = """
list-users list-users-with-role create-user delete-user list-cas list-suspended-users list-expired-users suspend-user restore-user
restore-all-suspended-users count-users count-suspended-users count-expired-users list-user-stats get-vo-name list-groups list-sub-groups
create-group delete-group list-user-groups list-members add-member remove-member list-roles create-role delete-role assign-role dismiss-role
list-user-roles get-ACL get-default-ACL add-ACL-entry add-default-ACL-entry remove-ACL-entry remove-default-ACL-entry create-attribute-class
delete-attribute-class list-attribute-classes set-user-attribute delete-user-attribute list-user-attributes set-group-attribute
delete-group-attribute list-group-attributes set-role-attribute delete-role-attribute list-role-attributes get-certificates add-certificate
remove-certificate suspend-certificate restore-certificate"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = make_site(tmp_path)
    made.told("create")
    return made


def rows() -> list[tuple[str, str]]:
    """The table of commands: what was, and what is."""
    found = re.findall(r"^\| `([\w-]+)` \| `(.+)` \|$", TABLE.read_text(), re.MULTILINE)[1:]
    return [(old, new.replace("\\|", "|")) for old, new in found]


def test_every_command_of_voms_admin_has_an_equivalent_that_works_as_the_page_says(site: Site) -> None:
    assert sorted(old for old, _ in rows()) == sorted(ORIGINAL.split())
    told = {old: site.json(new) for old, new in rows()}
    ben = told["create-user"]["member"]
    assert told["get-vo-name"]["vo"] == "example"
    assert told["list-cas"] == [{"subject": "/C=ZZ/O=HV Test/CN=HV Test CA"}]
    assert [each["member"] for each in told["list-users"]] == [ben]
    assert told["count-users"] == {"members": 1}
    assert [each["subject"] for each in told["get-certificates"]] == ["CN=Ben,O=HV Test,C=ZZ"]
    assert [each["suspended"] for each in told["list-suspended-users"]] == ["Left the project."]
    assert told["restore-all-suspended-users"] == {"members": []}
    assert told["list-expired-users"] == []
    assert told["list-sub-groups"] == [
        {"group": "/example/data", "description": "Who reads data", "optional": False, "below": 0}
    ]
    assert [each["member"] for each in told["list-members"]] == [ben]
    assert [each["fqan"] for each in told["list-user-groups"]["fqans"]] == ["/example", "/example/data"]
    assert [each["role"] for each in told["list-roles"]] == ["VO-Admin", "reader"]
    assert [each["member"] for each in told["list-users-with-role"]] == [ben]
    assert told["list-user-roles"]["fqans"][-1]["fqan"] == "/example/data/Role=reader"
    for whose, value in (("user", "ben"), ("group", "data"), ("role", "reads")):
        assert [each["value"] for each in told[f"list-{whose}-attributes"]] == [value]
    assert [each["kind"] for each in told["get-ACL"]] == ["role"]
    assert told["get-default-ACL"] == [
        {"kind": "role", "fqan": "/example/Role=VO-Admin", "permissions": "ALL", "bits": 16383}
    ]
    assert site.json("list-members") == []
    assert [each["group"] for each in site.json("list-groups")] == ["/example"]


def test_every_command_answers_programs(tmp_path: Path) -> None:
    """Also those that stand in groups of their own."""
    import click

    from voms.commands.group import vo_commands

    def options(command: click.Command) -> list[str]:
        if isinstance(command, click.Group):
            return [each for name in command.commands for each in options(command.commands[name])]
        told = [option for parameter in command.params for option in parameter.opts]
        return [] if told.count("--json") == 1 else [str(command.name)]

    site = make_site(tmp_path)
    assert options(vo_commands(prepare=lambda engine: None, clock=site.clock)) == []


def test_people_are_told_what_programs_are_told(site: Site) -> None:
    ada = site.told(
        "add-member ada.pem --given-name Ada --surname Adams --mail ada@example.org --until 2030-01-01T00:00:00Z"
    ).strip()
    site.told("link ada.pem https://home.example/idp eduPersonPrincipalName ada@example.org")
    site.told("add-group /example/data")
    site.told("add-group /example/quiet --optional --description 'Said when asked'")
    site.told("add-role reader")
    site.told("join ada.pem /example/data --until 2029-01-01T00:00:00Z")
    site.told("join ada.pem /example/quiet")
    site.told("assign-role ada.pem /example/data reader")
    site.told("set-attribute nickname ada --member ada.pem")
    site.told("set-attribute site north --group /example/data")
    site.told("suspend-certificate ada.pem 'Lost it.'")
    assert site.told(f"show {ada}").splitlines() == [
        f"member {ada}",
        "given name: Ada",
        "surname: Adams",
        "mail: ada@example.org",
        "certificate CN=Ada Adams,O=HV Test,C=ZZ, issued by CN=HV Test CA,O=HV Test,C=ZZ, suspended: Lost it.",
        "known at https://home.example/idp by eduPersonPrincipalName ada@example.org",
        "/example  until 2030-01-01T00:00:00Z",
        "/example/data  until 2029-01-01T00:00:00Z",
        "/example/quiet  until 2030-01-01T00:00:00Z  only when asked for",
        "/example/data/Role=reader  until 2029-01-01T00:00:00Z",
        "nickname = ada",
        "site = north (/example/data)",
    ]
    facts = site.json("show ada.pem")
    assert facts["member"] == ada
    assert facts["details"]["surname"] == "Adams"
    assert facts["fqans"][0] == {"fqan": "/example", "until": "2030-01-01T00:00:00Z", "optional": False}
    assert site.told("list-members").splitlines() == [
        f"{ada}  CN=Ada Adams,O=HV Test,C=ZZ  issued by CN=HV Test CA,O=HV Test,C=ZZ  until 2030-01-01T00:00:00Z"
    ]
    assert site.told("list-groups --search asked") == "/example/quiet  only when asked for  Said when asked\n"
    assert site.told("count-members --state active") == "1\n"
    assert site.told("acl /example/data/Role=reader") == "role /example/Role=VO-Admin  ALL\n"


def test_a_member_may_have_no_certificate_and_a_service_is_one(site: Site) -> None:
    cleo = site.told("add-member --identity https://home.example/idp pairwise-id c@home --surname Cleo").strip()
    robot = site.json("add-member robot.pem --service")["member"]
    found = {each["member"]: each for each in site.json("list-members")}
    assert (found[cleo]["kind"], found[cleo]["certificates"]) == ("person", [])
    assert found[robot]["kind"] == "service"
    assert site.told("list-members --search cleo") == f"{cleo}  Cleo\n"
    with pytest.raises(Refusal) as refused:
        site.told(f"unlink {cleo} https://home.example/idp pairwise-id c@home")
    assert refused.value.code == "voms.last_name"


def test_names_in_a_certificate_are_enough(site: Site) -> None:
    member = site.told("add-member --names '/C=ZZ/O=HV Test/CN=Ben' '/C=ZZ/O=HV Test/CN=HV Test CA'").strip()
    assert site.json("show ben.pem")["member"] == member
    assert site.json("show '/C=ZZ/O=HV Test/CN=Ben'")["member"] == member
    site.told("add-member --names '/C=ZZ/O=HV Test/CN=Ben' '/C=ZZ/O=HV Test/CN=Other CA'")
    with pytest.raises(Refusal) as refused:
        site.told("show '/C=ZZ/O=HV Test/CN=Ben'")
    assert refused.value.code == "voms.several_members"
    with pytest.raises(Missing):
        site.told("show '/C=ZZ/O=HV Test/CN=Nobody'")


def test_details_that_are_not_given_stay_and_an_end_can_be_taken_away(site: Site) -> None:
    site.told("add-member ada.pem --given-name Ada --until 2030-01-01T00:00:00Z")
    site.told("set-details ada.pem --surname Adams")
    assert site.json("set-end ada.pem never")["until"] is None
    facts = site.json("show ada.pem")
    assert (facts["details"]["given_name"], facts["details"]["surname"]) == ("Ada", "Adams")
    assert facts["until"] is None


def test_lists_name_members_certificates_logins_and_everybody_of_a_kind(site: Site) -> None:
    ada = site.told("add-member ada.pem").strip()
    site.told("set-acl-entry /example CONTAINER_READ --for ada.pem")
    site.told("set-acl-entry /example CONTAINER_READ --for ben.pem")
    site.told("set-acl-entry /example CONTAINER_READ --for-identity https://home.example/idp pairwise-id x@home")
    site.told("set-acl-entry /example 'CONTAINER_READ|MEMBERSHIP_READ' --for authenticated")
    assert site.told("acl /example").splitlines() == [
        "role /example/Role=VO-Admin  ALL",
        f"member {ada}  CONTAINER_READ",
        "certificate CN=Ben,O=HV Test,C=ZZ  CONTAINER_READ",
        "identity https://home.example/idp pairwise-id x@home  CONTAINER_READ",
        "authenticated  CONTAINER_READ|MEMBERSHIP_READ",
    ]
    site.told("add-group /example/data")
    site.told(f"add-manager /example/data --for {ada}")
    assert site.json("acl /example/data")[-1]["permissions"].startswith("CONTAINER_RW|MEMBERSHIP_RW|ACL_READ")


@pytest.mark.parametrize(
    "command",
    [
        "add-member",
        "restore",
        "restore ada.pem --all",
        "set-acl-entry /example ALL",
        "set-acl-entry /example ALL --for anyone --for-identity a b c",
        "set-acl-entry /example ALL --for anyone --default --below",
        "list-attributes",
        "list-attributes --role reader",
        "list-attributes --member ada.pem --group /example",
        "suspend ada.pem because --code expired",
    ],
)
def test_what_can_not_be_meant_is_a_matter_of_usage(site: Site, command: str) -> None:
    result = site.run(command)
    assert result.exit_code == 2
    assert "Usage:" in result.output


@pytest.mark.parametrize(
    ("command", "kind", "code"),
    [
        ("add-member stranger.pem", Refusal, "voms.unknown_ca"),
        ("show stranger.pem", Missing, "voms.no_member"),
        ("show nowhere.pem", OstiaryError, "voms.credential"),
        (f"suspend {'0' * 32} x", Missing, "voms.no_member"),
        ("add-member --names Ben CA", Refusal, "voms.written_name"),
        ("set-acl-entry /example EVERYTHING --for anyone", Refusal, "voms.permission"),
        ("acl example", Refusal, "x509.fqan"),
        ("acl /example/none", Missing, "voms.no_group"),
        ("remove-group /example", Refusal, "voms.root_group"),
        ("restore-certificate ben.pem", Missing, "voms.no_member"),
        ("import-members nowhere.csv", OstiaryError, "voms.csv_file"),
    ],
)
def test_what_can_not_be_done_has_a_code(site: Site, command: str, kind: type[OstiaryError], code: str) -> None:
    with pytest.raises(kind) as refused:
        site.told(command)
    assert refused.value.code == code


def test_errors_are_json_for_who_asks_for_json(site: Site) -> None:
    arguments = ["vo", "--config", str(site.directory / "voms.yaml"), "remove-group", "/example/none", "--json"]
    result = CliRunner().invoke(ostiary, arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert json.loads(result.stderr)["error"] == {
        "code": "voms.no_group",
        "message": "There is no group /example/none in this VO.",
        "remedy": "Create it with ostiary vo add-group; the groups above it first.",
        "expected": "a group of this VO",
        "found": "/example/none",
    }
