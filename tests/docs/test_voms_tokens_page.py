"""docs/voms-tokens.md, followed: keys, configuration, capabilities, then its requests over TLS."""

import io
import json
import re
import shlex
from pathlib import Path

import pytest
import urllib3
import yaml

from ostiary.clock import SystemClock
from ostiary.command.vo_service import listener_of, make_vo_services
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from tests.docs.followed_page import READ_ONCE, ROOT, blocks_of, run
from tests.docs.vo_of_the_page import write_credentials
from tests.voms_tokens.served_tokens import free_port

PAGE = "voms-tokens.md"
BEFORE = (
    "ostiary vo --config voms.yaml create",
    "ostiary vo --config voms.yaml add-group /example/data",
    "ostiary vo --config voms.yaml add-group /example/data/raw",
    "ostiary vo --config voms.yaml add-member ada.pem",
    "ostiary vo --config voms.yaml join ada.pem /example/data/raw",
)


def ask(command: str, directory: Path, port: int) -> tuple[int, dict[str, object]]:
    """What curl would do: the options that the page uses, and no others."""
    words = iter(shlex.split(command)[1:])
    options: dict[str, list[str]] = {}
    url = ""
    for word in words:
        if word.startswith("--"):
            options.setdefault(word, []).append(next(words))
        else:
            url = word
    unknown = set(options) - {"--cacert", "--cert", "--key", "--data", "--header", "--request"}
    if unknown:
        raise AssertionError(f"this test does not know {unknown}")
    body = "&".join(options.get("--data", [])) or None
    headers = dict(each.split(": ", 1) for each in options.get("--header", []))
    if body is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    pool = urllib3.HTTPSConnectionPool(
        "127.0.0.1",
        port,
        ca_certs=str(directory / options["--cacert"][0]),
        cert_file=str(directory / options["--cert"][0]),
        key_file=str(directory / options["--key"][0]),
        server_hostname="voms.example.org",
        assert_hostname="voms.example.org",
        retries=False,
    )
    method = options.get("--request", ["GET" if body is None else "POST"])[0]
    path = re.sub(r"^https://voms\.example\.org:15000", "", url)
    answer = pool.request(method, path, body=body, headers=headers)
    pool.close()
    return answer.status, json.loads(answer.data) if answer.data else {}


def test_tokens_are_given_by_following_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Catalogue, "load", READ_ONCE)
    base = next(block for block in blocks_of("voms.md") if block.language == "yaml")
    port = free_port()
    write_credentials(tmp_path, {"ada": "Ada Adams"})
    [ca] = sorted((tmp_path / "certificates").glob("*.0"))[:1]
    (tmp_path / "ca.pem").write_bytes(ca.read_bytes())
    (tmp_path / "home-jwks.json").write_text('{"keys": []}')
    config = yaml.safe_load(base.text)
    config["listen"]["port"] = port
    blocks = blocks_of(PAGE)
    additions = [block for block in blocks if block.language == "yaml"]
    assert all(block.files() == ["voms.yaml"] for block in additions)
    (tmp_path / "voms.yaml").write_text(yaml.safe_dump(config))
    for command in BEFORE:
        run(command, tmp_path)
    for block in blocks:
        if block.language == "sh":
            for command in block.lines():
                run(command, tmp_path)
        elif block.language == "yaml":
            config.update(yaml.safe_load(block.text))
            (tmp_path / "voms.yaml").write_text(yaml.safe_dump(config))
    clock, log = SystemClock(), make_log(SystemClock(), service="voms", stream=io.StringIO())
    [made] = make_vo_services(tmp_path / "voms.yaml", clock=clock, log=log)
    listener = listener_of(made, clock=clock, log=log)
    listener.start()
    try:
        commands = [line[2:] for block in blocks if block.language == "console" for line in block.lines()]
        told = [ask(command, tmp_path, port) for command in commands]
        capability = commands[0].replace("wlcg.groups", "storage.read:/data/raw/run1%20compute.create")
        status, content = ask(capability, tmp_path, port)
        assert (status, content["scope"]) == (200, "storage.read:/data/raw/run1 compute.create")
    finally:
        listener.stop()
        made.vo.memberships.close()
    assert [status for status, _ in told] == [200, 200, 201, 200, 204]
    assert told[0][1]["expires_in"] == 3600
    assert told[1][1]["name"] == "example"
    assert len(told[3][1]["members"]) == 1


def test_the_page_names_addresses_that_there_are() -> None:
    text = (ROOT / "docs" / PAGE).read_text()
    for path in ("/jwks", "/token", "/.well-known/openid-configuration", "/api/v1/openapi.json"):
        assert f"`{path}`" in text
