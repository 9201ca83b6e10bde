"""The Attribute Authority as a process: a warm attribute query over HTTP, client and authority together; many people's own choices.

The query goes from our own SHAR, with its real transport, to one worker of ``ostiary serve aa``: written and signed, proven, its handle
opened, the attributes (from the cache) through the release policies and her own choices, used up and recorded in one transaction; the
answer signed, proven and believed.
"""

import shutil
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from sqlalchemy import insert, select

from bench.demo_start import free_ports
from bench.measure import Row, cpu_milliseconds
from bench.peer_processes import QUERY_PEERS, measure_peers
from bench.served import configured, served, write_keys
from idp.accounts.directory import Directory
from ostiary.attributes import Attribute, Value
from ostiary.command.demo.federation import prepare
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import INSTRUMENT, NORTHGATE
from ostiary.consent.choices import ReadPurpose
from ostiary.consent.personal import Setting, Switch
from ostiary.consent.store import Choices, choice_key
from ostiary.consent.tables import consent_choice
from ostiary.federation.keys import load_key_ring
from ostiary.federation.sources.files import MetadataFile, load_registry
from ostiary.handle import load_handle_keys, mint
from ostiary.policy.release import Requester
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.validate import DEFAULT_TIMING
from ostiary.storage.engine import open_engine, writing
from sp_shire.shar.query import Shar
from sp_shire.shar.transport import HttpSoapTransport

GOAL: Final = 3.0
QUERIES: Final = 25
"""In each round: short enough to fit between what the machine's host does for others."""
ROUNDS: Final = 20
"""In a quick run, and before the memory is looked at."""
PEOPLE: Final = 100_000
"""People who have said something about one resource each."""
MEGABYTES: Final = 5.0
ATTRIBUTES: Final = 4
"""What the demo's policies let this resource know of the first person."""


def rows(*, quick: bool) -> list[Row]:
    """Two rows."""
    with tempfile.TemporaryDirectory() as name:
        layout = Layout(Path(name), free_ports())
        for part in (NORTHGATE.key, "instrument"):
            write_keys(layout.directory(part) / "keys")
        prepare(layout, [], now=datetime.now(UTC))
        configured(layout.directory(NORTHGATE.key) / "aa.yaml", listen={"workers": 1})
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        query, limit, empty = _measured(layout, key, rounds=ROUNDS if quick else 20 * ROUNDS)
        peers = measure_peers(_keys_of_peers(layout), QUERY_PEERS)
        _choices(layout, PEOPLE)
        _, _, full = _measured(layout, key, rounds=ROUNDS)
    return [
        Row("attribute query over HTTP, client and authority", query, "ms CPU", limit, GOAL, _figures(peers)),
        Row(f"{PEOPLE:,} people's own choices, in the process", max(full - empty, 0.0), "MB", MEGABYTES, 1.0),
    ]


def _keys_of_peers(layout: Layout) -> Path:
    """Where the others find the same kind of key."""
    directory = layout.state / "peers"
    directory.mkdir()
    keys = layout.directory("instrument") / "keys"
    shutil.copy(keys / "current.key", directory / "key.pem")
    shutil.copy(keys / "current.crt", directory / "certificate.pem")
    return directory


def _figures(peers: dict[str, dict[str, float | str]]) -> dict[str, float | str]:
    return {name: figures["query"] for name, figures in peers.items()}


def _bare(key: rsa.RSAPrivateKey) -> None:
    """Two signatures and two verifications."""
    for _ in range(2):
        signature = key.sign(b"x" * 400, padding.PKCS1v15(), hashes.SHA256())
        key.public_key().verify(signature, b"x" * 400, padding.PKCS1v15(), hashes.SHA256())


def _measured(layout: Layout, key: rsa.RSAPrivateKey, *, rounds: int) -> tuple[float, float, float]:
    """Milliseconds of CPU for one query and for its bare operations, the best of ``rounds`` in which they take turns, and the megabytes of
    the authority after the first `ROUNDS` of them."""
    config = layout.directory(NORTHGATE.key) / "aa.yaml"
    best = bare = float("inf")
    megabytes = 0.0
    with ExitStack() as stack:
        service = stack.enter_context(served(["aa", "--config", str(config)], f"{layout.aa_url(NORTHGATE)}/health"))
        transport = HttpSoapTransport(timedelta(seconds=10))
        stack.callback(transport.close)
        ask = _Asking(layout, transport)
        for number in range(rounds):
            # What is resolved anew, every ten seconds, is no part of a warm query, but all the others are.
            ask()
            before, begin = service.cpu(), time.process_time()
            for _ in range(QUERIES):
                ask()
            spent = service.cpu() - before + time.process_time() - begin
            best = min(best, spent / QUERIES * 1000)
            bare = min(bare, cpu_milliseconds({"bare": lambda: _bare(key)}, rounds=1, loops=10)["bare"])
            if number + 1 == ROUNDS:
                megabytes = service.megabytes()
        return best, bare, megabytes


class _Asking:
    """Our own SHAR, in this process, with a handle of the first person."""

    def __init__(self, layout: Layout, transport: HttpSoapTransport) -> None:
        now = datetime.now(UTC)
        home, resource = layout.directory(NORTHGATE.key), layout.directory("instrument")
        keys = load_key_ring(resource / "keys")
        registry = load_registry([MetadataFile(layout.aggregate, (layout.federation_certificates,))], now=now)
        role = registry.aa(NORTHGATE.entity_id, now)
        if role is None:
            raise RuntimeError("the federation does not know the authority")
        self._role = role
        self._shar = Shar(INSTRUMENT, keys.signer, transport, DEFAULT_TIMING)
        handle = mint(
            load_handle_keys([home / "handle.key"])[0],
            principal=_first_person(layout),
            requester=INSTRUMENT,
            expires=now + timedelta(hours=8),
        )
        self._name_id = NameId(handle, names.TRANSIENT, NORTHGATE.entity_id, INSTRUMENT)

    def __call__(self) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        found = self._shar.ask(NORTHGATE.entity_id, self._role, self._name_id, now).attributes
        if len(found) != ATTRIBUTES:
            raise RuntimeError(f"the authority told {len(found)} attributes")


def _first_person(layout: Layout) -> str:
    engine = open_engine(f"sqlite:///{layout.directory(NORTHGATE.key) / 'home.db'}")
    try:
        person = Directory(engine).find(NORTHGATE.people[0].username)
    finally:
        engine.dispose()
    if person is None:
        raise RuntimeError("the demo's first person is not there")
    return person.principal


def _choices(layout: Layout, count: int) -> None:
    """One person withholds her mail address from a resource; ``count`` others have said the same, each about another one."""
    engine = open_engine(f"sqlite:///{layout.directory(NORTHGATE.key) / 'home.db'}")
    mail = Attribute("mail", (Value("somebody@northgate.example"),))
    switch = Switch(mail, recommended=frozenset(mail.values), on=frozenset())
    setting = Setting("0" * 32, Requester("https://resource.example/shar"), (switch,), ReadPurpose())
    try:
        Choices(engine, writer="aa").decide(setting, at=datetime.now(UTC), by=setting.principal)
        with writing(engine) as connection:
            said = connection.execute(select(consent_choice)).mappings().one()
            others = []
            for number in range(count):
                resource = f"https://resource-{number % 1_000}.example/shar"
                principal = f"{number:032x}"[::-1]
                key = choice_key(principal, resource)
                others.append(
                    {**said, "id": number + 2, "principal": principal, "entity_id": resource, "current_key": key}
                )
            connection.execute(insert(consent_choice), others)
    finally:
        engine.dispose()
