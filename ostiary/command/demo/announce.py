"""What the demo tells: a table for people, and the ready file for programs (its keys are relied on by other people's scripts)."""

import os
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from attribute_authority.settings import QUERY_PATH
from idp.settings import REDIRECT_PATH
from ostiary.command.demo.layout import RESOURCES, Layout
from ostiary.command.demo.people import HOMES


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
        "federation": {"aggregate": f"{layout.wayf_url}/mdq/entities"},
        "ca_cert": str(layout.federation_certificate),
        "pid": os.getpid(),
    }


def announce(console: Console, layout: Layout) -> None:
    """Where to click, who logs in with which password, and what each should see."""
    console.print()
    console.print("[bold]The demo federation is running.[/] Open one of these in your browser:", highlight=False)
    places = Table(box=None, padding=(0, 3, 0, 2), show_header=False)
    for resource in RESOURCES:
        places.add_row(f"[bold]{resource.name}[/]", f"{layout.resource_url(resource)}/{resource.key}/")
    console.print(places)
    people = Table(title="Who can log in", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 2))
    for heading in ("user name", "password", "at the library", "at the microscope"):
        people.add_column(heading, header_style="dim", no_wrap=heading in ("user name", "password"))
    for home in HOMES:
        people.add_section()
        people.add_row(f"[bold]{home.name}[/]")
        for person in home.people:
            people.add_row(f"  {person.username}", person.password, person.library, person.instrument)
    console.print()
    console.print(people)
    console.print()
    console.print(
        f"  Your own session: log in, then {layout.resource_url(RESOURCES[0])}/ostiary/session", highlight=False
    )
    console.print(f"  Signed metadata of everybody: {layout.wayf_url}/mdq/entities", highlight=False)
    console.print(f"  Files, keys and logs: {layout.state}", highlight=False)
    console.print()
    console.print("Ctrl-C stops it all.", highlight=False)
