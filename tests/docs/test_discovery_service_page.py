"""docs/discovery.md, followed: a discovery service set up from nothing, and what the page says about its files holds."""

import contextlib
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import yaml
from bs4 import BeautifulSoup
from flask import Flask

from ostiary.clock import SystemClock
from ostiary.command.discovery import make_discovery
from ostiary.config import load_settings
from ostiary.federation.keys import create_key_ring, load_key_ring
from ostiary.federation.model import Display, Endpoint, Entity, IdpRole, LocalizedText, SpRole
from ostiary.federation.publish.documents import signed_aggregate
from ostiary.saml import names
from ostiary.web.log import make_log
from tests.docs.followed_page import blocks_of, inline_code, run, text_of
from wayf.settings import WayfSettings

PAGE = "discovery.md"
FEDERATION = "https://federation.example.org"
LIBRARY = "https://library.example.org/sp"


def idp(name: str, *, registered_by: str = FEDERATION, category: str = "") -> Entity:
    role = IdpRole(
        display=Display(names=(LocalizedText(name, "en"),)),
        single_sign_on=(Endpoint(names.HTTP_REDIRECT, f"https://{name}.example/sso"),),
    )
    attributes = ((names.ENTITY_CATEGORY, (category,)),) if category else ()
    return Entity(
        f"https://{name}.example/idp", idp=role, registration_authority=registered_by, entity_attributes=attributes
    )


def write_federation(directory: Path) -> None:
    now = datetime.now(UTC)
    create_key_ring(directory / "federation", "federation", now=now)
    ring = load_key_ring(directory / "federation")
    sp = SpRole(
        assertion_consumers=(Endpoint(names.HTTP_POST, "https://library.example.org/acs", index=1),),
        discovery_responses=(Endpoint(names.IDPDISC, "https://library.example.org/back", index=1),),
    )
    guests = Entity("https://guests.example.org/idp", idp=idp("guests").idp)
    members = [
        Entity(LIBRARY, sp=sp),
        Entity("https://other.example.org/sp", sp=sp),
        idp("member"),
        idp("stranger", registered_by="https://else.example"),
        idp("test", category=f"{FEDERATION}/test-idp"),
        guests,
    ]
    document = signed_aggregate(members, ring.signer, name=FEDERATION, valid_until=now + timedelta(days=1))
    (directory / "federation.xml").write_bytes(document)
    (directory / "federation.crt").write_bytes((directory / "federation" / "current.crt").read_bytes())


def made(directory: Path) -> Flask:
    clock = SystemClock()
    with contextlib.chdir(directory):
        return make_discovery(Path("wayf.yaml"), clock=clock, log=make_log(clock, service="wayf", stream=StringIO()))


def offered(app: Flask, resource: str) -> tuple[list[str], list[str]]:
    """(the names in the list, what stands under "not listed")."""
    answer = app.test_client().get(f"/discovery?entityID={resource}", base_url="https://wayf.example.org")
    page = BeautifulSoup(answer.text, "html.parser")
    listed = sorted(one.get_text() for one in page.select("#results strong"))
    below = [str(one.get("value") or one.get("href")) for one in page.select("#not-listed button, #not-listed a")]
    return listed, below


def test_the_page_is_followed_from_top_to_bottom(tmp_path: Path) -> None:
    write_federation(tmp_path)
    configuration: dict[str, object] = {}
    seen = []
    for block in blocks_of(PAGE):
        if block.language == "sh":
            for command in block.lines():
                if command != "ostiary serve wayf --config wayf.yaml":
                    run(command, tmp_path)
        elif block.language == "yaml" and block.files() == ["wayf.yaml"]:
            configuration |= yaml.safe_load(block.text)
            (tmp_path / "wayf.yaml").write_text(yaml.safe_dump(configuration))
            if "logos" in configuration:
                # It would begin to fetch them.
                load_settings(tmp_path / "wayf.yaml", WayfSettings)
                continue
            seen.append((offered(app := made(tmp_path), LIBRARY), offered(app, "https://other.example.org/sp")))
    nothing, chosen, helped = seen
    assert nothing[0] == (["guests", "member", "stranger", "test"], [])
    assert chosen == ((["member"], []), (["guests", "member", "stranger"], []))
    assert helped[1][1] == [
        "https://guests.example.org/idp",
        "mailto:help@federation.example.org",
        "https://federation.example.org/help",
    ]


def test_the_keys_that_the_page_names_exist() -> None:
    code = set(inline_code(PAGE))
    assert {"use_network_hints: false", "trusted_proxies", "remember", "selection_profile"} <= code
    fields = set(WayfSettings.model_fields)
    assert {"use_network_hints", "trusted_proxies", "remember", "guests", "offer", "resources"} <= fields


def test_the_numbers_that_the_page_names_are_those_of_the_program() -> None:
    text = text_of(PAGE)
    assert "`target` may have\n2,048 characters" in text
    assert "more than six times within two minutes" in text
    assert "up to three organisations" in text
