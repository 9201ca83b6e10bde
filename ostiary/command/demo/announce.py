"""What the demo tells: a table for people, and the ready file for programs (its keys are relied on by other people's scripts)."""

import os
import sys
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from attribute_authority.pages import ADMINISTRATION_PATH, PERSON_PATH
from attribute_authority.settings import QUERY_PATH
from idp.accounts.letters import REGISTER_PATH
from idp.settings import REDIRECT_PATH
from ostiary.command.demo.authority import demo_authority
from ostiary.command.demo.collaboration import (
    GROUPS,
    HOST,
    MEMBER,
    MEMBER_FQANS,
    NONMEMBER,
    OPERATOR,
    REVOKED,
    ROLES,
    SUSPENDED,
    VO,
    CollaborationFiles,
    Holder,
)
from ostiary.command.demo.layout import RESOURCES, Layout
from ostiary.command.demo.people import HOMES
from ostiary.command.demo.slapd import DemoDirectory
from voms.pages.settings import PAGES_PATH
from voms.settings import GENERATE_PATH


def ready_content(layout: Layout) -> dict[str, object]:
    """The content of the ready file."""
    return {
        "idp": [
            {
                "entity_id": home.entity_id,
                "metadata": f"{layout.wayf_url}/mdq/entities/{quote(home.entity_id, safe='')}",
                "sso": layout.idp_url(home) + REDIRECT_PATH,
                "users": [
                    {
                        "username": person.username,
                        "password": person.password,
                        "attributes": {name: list(values) for name, values in person.attributes.items()},
                    }
                    for person in home.people
                ],
                "aa": {"entity_id": home.entity_id, "soap": layout.aa_url(home) + QUERY_PATH},
            }
            for home in HOMES
        ],
        "sp": [
            {
                "entity_id": resource.entity_id,
                "metadata": f"{layout.resource_url(resource)}/ostiary/metadata",
                "url": f"{layout.resource_url(resource)}/{resource.key}/",
                "acs": f"{layout.resource_url(resource)}/ostiary/acs",
                "session": f"{layout.resource_url(resource)}/ostiary/session?format=json",
            }
            for resource in RESOURCES
        ],
        "wayf": {
            "url": f"{layout.wayf_url}/discovery",
            "feed": f"{layout.wayf_url}/feed",
            "mdq": f"{layout.wayf_url}/mdq/",
        },
        "voms": _vo_content(layout),
        "federation": {
            "aggregate": f"{layout.wayf_url}/mdq/entities",
            "certificate": str(layout.federation_certificate),
        },
        "ca_cert": str(demo_authority(layout).certificate),
        "pid": os.getpid(),
    }


def _vo_content(layout: Layout) -> dict[str, object]:
    files = CollaborationFiles(layout)

    def of(holder: Holder) -> dict[str, object]:
        held = files.of(holder)
        return {"cert": str(held.certificate), "key": str(held.key)}

    return {
        "vo": VO,
        "host": HOST,
        "port": layout.voms_port,
        "rest": f"https://{HOST}:{layout.voms_port}{GENERATE_PATH}",
        "issuer": f"https://{HOST}:{layout.voms_port}",
        "pages": f"{layout.vo_pages_url}{PAGES_PATH}/{VO}/",
        "vomses": str(files.vomses),
        "lsc": str(files.lsc),
        "ca_dir": str(files.authority.ca_directory),
        "ca_cert": str(files.authority.certificate),
        "groups": [f"/{VO}", *GROUPS],
        "roles": list(ROLES),
        "member": {**of(MEMBER), "fqans": list(MEMBER_FQANS)},
        "nonmember": of(NONMEMBER),
        "suspended": of(SUSPENDED),
        "revoked": of(REVOKED),
    }


def _announce_pages(console: Console, layout: Layout) -> None:
    """Where people see what leaves about them, and where those who administer see what leaves at all."""
    pages = Table(
        title="What leaves about people", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 2)
    )
    for heading in ("home organisation", "about me, for each of its people", "about all, for its administrator"):
        pages.add_column(heading, header_style="dim", overflow="fold")
    for home in HOMES:
        authority = layout.aa_url(home)
        pages.add_row(
            home.name, f"{authority}{PERSON_PATH}", f"{authority}{ADMINISTRATION_PATH} ({home.administrator})"
        )
    console.print()
    console.print(pages)
    console.print()


def _announce_vo(console: Console, layout: Layout) -> None:
    files = CollaborationFiles(layout)
    member = files.of(MEMBER)
    program = sys.argv[0] if Path(sys.argv[0]).name == "ostiary" else "ostiary"
    lines = (
        f"{program} proxy init --voms {VO}:{OPERATOR} \\",
        f"  --cert {_short(member.certificate)} --key {_short(member.key)} \\",
        f"  --certdir {_short(files.authority.ca_directory)} --vomsdir {_short(files.vomsdir)} \\",
        f"  --vomses {_short(files.vomses)} --out proxy.pem",
    )
    console.print(
        f"[bold]The virtual organisation {VO}[/] gives Emil a credential for his certificate:", highlight=False
    )
    for line in lines:
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    others = ", ".join((NONMEMBER.key, SUSPENDED.key, REVOKED.key))
    console.print(
        f"  Its pages: {layout.vo_pages_url}{PAGES_PATH}/{VO}/ (alice manages it, emil is a member)", highlight=False
    )
    console.print(f"  In the same directory are three who get nothing, and are told why: {others}.", highlight=False)
    console.print()


def _short(path: Path) -> str:
    """A path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def announce(
    console: Console, layout: Layout, directory: DemoDirectory | None = None, why_not: str = "", *, running: bool = True
) -> None:
    """Where to click, who logs in with which password, and what each should see; where the people of the home ``in_ldap`` are, and if
    they are not in a ``directory``, why not. ``running``: its services are started already, and end with this program."""
    console.print()
    opening = (
        "[bold]The demo federation is running.[/] Open one of these in your browser:"
        if running
        else "[bold]The demo federation is prepared.[/] Once its services run, open one of these in your browser:"
    )
    console.print(opening, highlight=False)
    places = Table(box=None, padding=(0, 3, 0, 2), show_header=False)
    for resource in RESOURCES:
        places.add_row(f"[bold]{resource.name}[/]", f"{layout.resource_url(resource)}/{resource.key}/")
    console.print(places)
    people = Table(title="Who can log in", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 2))
    for heading in ("user name", "password", "at the library", "at the microscope"):
        people.add_column(heading, header_style="dim", no_wrap=heading in ("user name", "password"))
    for home in HOMES:
        people.add_section()
        where = "people in LDAP" if home.in_ldap and directory is not None else ""
        people.add_row(f"[bold]{home.name}[/]", "", where)
        for person in home.people:
            people.add_row(f"  {person.username}", person.password, person.library, person.instrument)
    console.print()
    console.print(people)
    console.print()
    if directory is not None:
        console.print(
            f"  {directory.home.name}'s directory: {directory.url}, files in {directory.directory}", highlight=False
        )
    elif why_not:
        console.print(f"  {why_not}", highlight=False, markup=False)
    _announce_pages(console, layout)
    _announce_vo(console, layout)
    console.print(
        f"  Your own session: log in, then {layout.resource_url(RESOURCES[0])}/ostiary/session", highlight=False
    )
    for home in HOMES:
        if home.registers:
            console.print(
                f"  A new account at {home.name}: {layout.idp_url(home)}{REGISTER_PATH}, letters in {layout.directory(home.key)}/mail",
                highlight=False,
            )
    console.print(f"  Signed metadata of everybody: {layout.wayf_url}/mdq/entities", highlight=False)
    console.print(f"  Files, keys and logs: {layout.state}", highlight=False)
    console.print()
    if running:
        console.print("Ctrl-C stops it all.", highlight=False)
