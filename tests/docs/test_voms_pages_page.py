"""docs/voms-pages.md as it stands: its commands in their order, what its block configures, and who may come in then."""

import io
from pathlib import Path

import pytest
from werkzeug.test import Client

from ostiary.clock import SystemClock
from ostiary.command.vo_pages import make_vo_pages
from ostiary.command.vo_service import upgrade_vo
from ostiary.storage.engine import open_database
from ostiary.web.log import make_log
from tests.docs.followed_page import write_federation
from tests.docs.test_documents_work_as_written import blocks, commands, run
from tests.docs.vo_of_the_page import make_vo
from voms.administration.callers import caller_of_identities
from voms.administration.desk import Desk
from voms.administration.permissions import Permission
from voms.identities import FederatedIdentity
from voms.several import load_vo

PAGE = "docs/voms-pages.md"
HOME = "https://home.example.org/idp"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The VO of docs/voms.md with Ada in it, and a federation."""
    write_federation(tmp_path)
    make_vo(tmp_path, {"ada": "Ada"}, ("create", "add-member ada.pem"))
    return tmp_path


def test_whoever_follows_the_page_has_pages_with_a_manager_and_a_member(directory: Path) -> None:
    create_keys, serve, link, add_manager = commands(PAGE)
    run(create_keys, directory)
    [block] = blocks(PAGE, "yaml")
    assert block.startswith("# voms.yaml\n")
    config = directory / "voms.yaml"
    config.write_text(config.read_text() + block)
    assert serve == "ostiary serve vo-pages --config voms.yaml"
    clock = SystemClock()
    log = make_log(clock, service="vo-pages", stream=io.StringIO())
    client = Client(make_vo_pages(config, upgrade=upgrade_vo, clock=clock, log=log))
    published = client.get("/ostiary/metadata", base_url="https://vo.example.org")
    assert b'entityID="https://vo.example.org/pages"' in published.data
    asked = client.get("/voms/example/", base_url="https://vo.example.org")
    assert (asked.status_code, "/ostiary/" in asked.headers["Location"]) == (302, True)
    run(link, directory)
    run(add_manager, directory)
    now = clock.now()
    engine = open_database(load_vo(config).database)
    ada, boss = (
        caller_of_identities(engine, "example", [FederatedIdentity(HOME, "eduPersonPrincipalName", name)], now)
        for name in ("ada@example.org", "boss@example.org")
    )
    assert (ada.member is not None, boss.member) == (True, None)
    assert Desk(engine, "example", boss, now).allows(Permission.ALL)
    assert not Desk(engine, "example", ada, now).allows(Permission.CONTAINER_READ)
    engine.dispose()
