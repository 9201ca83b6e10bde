"""The status of a resource: for its operators alone, whole, and without a word about people."""

import gc
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ostiary.errors import Refusal, Unavailable
from ostiary.federation.registry import Registry, SourceReport
from ostiary.storage.memory import MemoryGroups, MemoryReplayStore, MemorySessionStore
from sp_shire.messages import Reply, Request
from sp_shire.snapshot import Stores
from tests.simulator import START
from tests.sp_shire.conftest import Core, header

JSON = {"accept": "application/json"}


def asked(
    core: Core, *, remote: str = "127.0.0.1", path: str = "/ostiary/status", query: bytes = b"", **headers: str
) -> Reply:
    given = {"host": "127.0.0.1:20005", "accept": "text/html", **{k.replace("_", "-"): v for k, v in headers.items()}}
    reply = core.shire.handle(Request("GET", path, query, given, b"", remote))
    assert isinstance(reply, Reply)
    return reply


def facts(core: Core, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asked(core, accept="application/json", **how).body)
    return found


def test_an_operator_on_the_machine_is_told_everything(make_core: Callable[..., Core]) -> None:
    core = make_core()
    core.clock.forward(hours=1)
    found = facts(core)
    assert (found["good"], found["entity_id"]) == (True, "https://library.example/shar")
    assert (found["now"], found["started"]) == ("2026-11-22T10:00:00Z", "2026-11-22T09:00:00Z")
    assert found["configuration"] == {"name": "configuration", "read_at": "2026-11-22T09:00:00Z", "problem": None}
    assert found["checks"] == [{"name": "store", "good": True, "problem": None, "details": ""}]
    (source,) = found["metadata"]
    assert source["file"].endswith("federation/metadata.xml")
    assert (source["identity_providers"], source["valid_until"][:10]) == (2, "2026-12-20")
    assert source["written"] is not None
    (key,) = found["keys"]
    assert (key["purpose"], key["state"], key["days_left"]) == ("signing", "current", 364)
    assert found["authorities"] == []


@pytest.mark.parametrize(
    "how",
    [
        {"remote": "192.0.2.1"},
        {"remote": ""},
        {"host": "rebound.example"},
        {"x_forwarded_for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"remote": "192.0.2.1", "authorization": "Bearer " + "x" * 40},
    ],
    ids=[
        "elsewhere",
        "unknown",
        "a name that points here",
        "through a proxy",
        "forwarded",
        "a token where there is none",
    ],
)
def test_everybody_else_is_told_that_there_is_no_such_page(core: Core, how: dict[str, str]) -> None:
    reply = asked(core, **how)
    assert reply.status == 404
    assert b"entity_id" not in reply.body
    assert reply.status == asked(core, path="/ostiary/no-such-page", **{**how, "host": "127.0.0.1:20005"}).status


def test_the_networks_of_operators_are_configured(make_core: Callable[..., Core]) -> None:
    core = make_core(status={"addresses": ["192.0.2.0/28"]})
    assert [asked(core, remote=remote).status for remote in ("192.0.2.9", "192.0.2.16", "127.0.0.1")] == [200, 404, 404]


def test_behind_https_an_address_says_nothing_and_a_token_does(make_core: Callable[..., Core], tmp_path: Path) -> None:
    token = tmp_path / "status.token"
    token.write_text("0123456789abcdef0123456789abcdef\n")
    token.chmod(0o600)
    core = make_core(public_url="https://library.example", status={"token_file": str(token)})
    assert asked(core).status == 404
    assert (
        asked(core, authorization="Bearer 0123456789abcdef0123456789abcdef", x_forwarded_for="192.0.2.1").status == 200
    )
    assert asked(core, authorization="Bearer 0123456789abcdef0123456789abcdeF").status == 404


def test_behind_a_proxy_that_is_trusted_the_client_counts_and_never_the_proxy(make_core: Callable[..., Core]) -> None:
    core = make_core(
        public_url="https://library.example", trusted_proxies=1, status={"addresses": ["192.0.2.0/28", "127.0.0.1"]}
    )
    assert asked(core, x_forwarded_for="192.0.2.9").status == 200
    assert asked(core, x_forwarded_for="127.0.0.1, 198.51.100.7").status == 404
    assert asked(core).status == 404


def test_an_operator_may_ask_by_any_address_of_the_machine_and_nobody_else_may_anything(core: Core) -> None:
    assert asked(core, host="localhost:9999").status == 200
    assert asked(core, host="[::1]:20005", remote="::1").status == 200
    assert asked(core, host="localhost:9999", path="/ostiary/session").status == 400


def test_a_store_that_does_not_answer_is_503_and_is_named(make_core: Callable[..., Core]) -> None:
    class Away(MemorySessionStore):
        def get(self, key: str, now: object) -> bytes | None:
            raise Unavailable("storage.unavailable", expected="a database", found="postgresql://secret@db")

    core = make_core(Stores(Away(), MemorySessionStore(), MemorySessionStore(), MemoryReplayStore(), MemoryGroups()))
    reply = asked(core, accept="application/json")
    assert reply.status == 503
    found = json.loads(reply.body)
    assert (found["good"], found["checks"][0]["problem"]["code"]) == (False, "storage.unavailable")
    assert "secret" not in reply.body.decode()


def test_a_configuration_that_was_refused_is_told_with_its_place(
    make_core: Callable[..., Core], tmp_path: Path
) -> None:
    access = tmp_path / "access.yaml"
    rule = "rules:\n  - {id: a, paths: /library, permit: {attribute: eduPersonScopedAffiliation}}\n"
    access.write_text(rule)
    core = make_core(access=[str(access)])
    access.write_text(rule + "rule: []\n")
    core.clock.forward(seconds=10)
    found = facts(core)
    problem = found["configuration"]["problem"]
    assert (found["good"], problem["code"], problem["line"]) == (False, "config.mistyped_key", 3)
    assert problem["file"] == str(access)
    assert found["configuration"]["read_at"] == "2026-11-22T09:00:00Z"
    access.write_text(rule + "\n")
    core.clock.forward(seconds=10)
    found = facts(core)
    assert (found["good"], found["configuration"]["read_at"]) == (True, "2026-11-22T09:00:20Z")


def test_an_authority_that_is_left_alone_is_named_and_nobody_who_was_asked_about(
    make_core: Callable[..., Core],
) -> None:
    core = make_core(query={"breaker": {"failures": 1, "pause": "10m"}})
    core.soap.down = True
    with pytest.raises(AssertionError):
        core.session("alice")
    reply = asked(core, accept="application/json")
    assert json.loads(reply.body)["authorities"] == [
        {
            "authority": "https://northgate.example/idp",
            "state": "open",
            "failures": 1,
            "again_at": (START + timedelta(minutes=10)).isoformat().replace("+00:00", "Z"),
        }
    ]
    assert json.loads(reply.body)["good"] is False
    assert "alice" not in reply.body.decode()
    assert b"left alone" in asked(core).body
    assert reply.status == 200


def test_the_page_says_the_same_and_is_kept_nowhere(core: Core) -> None:
    reply = asked(core)
    page = reply.body.decode()
    assert (reply.status, header(reply, "Content-Type")) == (200, "text/html; charset=utf-8")
    for text in ("<h1>Status</h1>", "https://library.example/shar", "Everything works.", "365 days", "metadata.xml"):
        assert text in page, text
    assert header(reply, "Cache-Control") == "no-store"
    assert json.loads(asked(core, query=b"format=json").body)["good"] is True


def test_another_form_is_refused(core: Core) -> None:
    assert asked(core, query=b"format=xml").status == 400
    posted = core.ask("/ostiary/status", method="POST", body=b"x")
    assert isinstance(posted, Reply)
    assert posted.status == 405


def test_a_source_of_metadata_that_was_refused_waits_for_the_operator(make_core: Callable[..., Core]) -> None:
    core = make_core()
    refused = SourceReport(
        "https://federation.example/metadata",
        *(7, 4, 3, core.clock.at),
        kind="url",
        left_out=2,
        scopes_dropped=5,
        next_attempt=core.clock.at,
        problem=Refusal("metadata.shrunk", expected="4 or more", found="1"),
    )
    registry = Registry((), (refused,))
    core.shire = core._made(lambda: registry)
    found = facts(core)
    (source,) = found["metadata"]
    assert (found["good"], source["kind"], source["problem"]["code"]) == (False, "url", "metadata.shrunk")
    assert (source["left_out"], source["scopes_dropped"], source["written"]) == (2, 5, None)
    page = asked(core).body.decode()
    assert "metadata.shrunk" in page
    assert "https://federation.example/metadata" in page


def test_with_a_state_directory_the_resource_asks_the_index_and_starts_no_thread_before_the_first_request(
    make_core: Callable[..., Core], tmp_path: Path
) -> None:
    core = make_core()
    trust = core.settings.trust.model_copy(update={"state": tmp_path / "state"})
    core.settings = core.settings.model_copy(update={"trust": trust})
    core.shire = core._made(None)

    def refreshing() -> bool:
        return any(thread.name == "ostiary-metadata" for thread in threading.enumerate())

    assert not refreshing()
    (source,) = facts(core)["metadata"]
    assert (source["entities"], source["last_success"], source["problem"]) == (5, "2026-11-22T09:00:00Z", None)
    assert refreshing()
    assert list((tmp_path / "state").glob("index-*"))
    del core.shire
    gc.collect()
    assert not refreshing()
