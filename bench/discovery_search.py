"""The search among 6,000 home organisations as a person meets it: each letter is a question over HTTP to one worker of the discovery
service.

Times are of the clock, from the question until the whole answer is there, over a connection that stays open; client included. What
people type: beginnings of names in several languages, words in another order, without accents, with typing errors, domains, mail
addresses, rubbish.
"""

import gc
import http.client
import random
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bench.aggregates import Aggregates
from bench.demo_start import free_ports
from bench.measure import Row
from bench.served import configured, served, write_keys
from ostiary.command.demo.federation import prepare
from ostiary.command.demo.layout import RESOURCES, Layout
from ostiary.federation.directory import Directory, fold
from ostiary.federation.index import IndexedSource, MetadataIndex, index_document
from ostiary.federation.keys import load_key_ring
from ostiary.federation.registry import Registry
from ostiary.federation.sources.reading import Reading
from ostiary.federation.summary import Summary

IDENTITY_PROVIDERS = 6_000
LIMIT_MS = 3.0
LIMIT_PAGE_KB = 20.0
LIMIT_READY_MS = 300.0
LIMIT_PREPARED_MS = 500.0
LIMIT_MB = 25.0


def rows(*, quick: bool) -> list[Row]:
    """The slowest hundredth of the questions, the first page, how long until it can be shown, and what the search holds."""
    with tempfile.TemporaryDirectory() as name:
        layout = Layout(Path(name), free_ports())
        prepare(layout, [], now=datetime.now(UTC))
        document, signer_directory = layout.directory("federation") / "large.xml", layout.directory("large") / "keys"
        write_keys(signer_directory)
        signer = load_key_ring(signer_directory).signer
        aggregates = Aggregates((signer.certificate,), datetime.now(UTC) + timedelta(days=7))
        document.write_bytes(aggregates.document(IDENTITY_PROVIDERS, signer, idps=1.0))
        state = Path(name) / "search"
        index = MetadataIndex.open(state)
        reading = Reading(trusted=(signer.public,))
        index_document(index, "large", document, reading, datetime.now(UTC))
        registry = index.registry([IndexedSource("large", reading)])
        ready = min(_milliseconds(lambda: _first_page(registry)) for _ in range(3 if quick else 6))
        directory = _first_page(registry)
        prepared = _milliseconds(directory.prepare)
        del directory
        megabytes, summaries = _megabytes(registry)
        index.close()
        _trusts(layout, document, signer_directory, Path(name) / "state")
        with served(["wayf", "--config", str(layout.directory("wayf") / "wayf.yaml")], f"{layout.wayf_url}/health"):
            asking = _Asking(layout)
            suggest = _slowest_hundredth(asking.suggest, summaries, rounds=4 if quick else 12, size=200)
            page = _slowest_hundredth(asking.page, summaries, rounds=2 if quick else 6, size=200)
            size = len(asking.page("")) / 1000
    return [
        Row("search among 6,000 organisations while typing, 99th percentile over HTTP", suggest, "ms", LIMIT_MS, 1.0),
        Row("the same as a whole page, 99th percentile over HTTP", page, "ms", LIMIT_MS, 2.0),
        Row("first page of 6,000 organisations, without logos", size, "kB", LIMIT_PAGE_KB, 1.0),
        Row("6,000 organisations from the index to the first page", ready, "ms", LIMIT_READY_MS, 1.0),
        Row("the index of their words, made by a thread beside it", prepared, "ms", LIMIT_PREPARED_MS, 1.0),
        Row("memory of the search of 6,000 organisations", megabytes, "MB", LIMIT_MB, 1.0),
    ]


def typed(summaries: Sequence[Summary], number: int, chance: random.Random) -> str:
    """Something that a person may type who looks for one of these."""
    home = chance.choice(summaries)
    name = chance.choice(home.names).text
    match number % 10:
        case 0 | 1 | 2:
            return name[: chance.randint(1, 12)]
        case 3:
            return fold(name)
        case 4:
            return " ".join(reversed(name.split()))
        case 5 | 6:
            return with_error(fold(name), chance)
        case 7:
            return f"ada@students.{home.domains[0]}"
        case 8:
            return home.domains[0][: chance.randint(2, 20)]
        case _:
            return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz  äé.@", k=chance.randint(1, 200)))


def with_error(text: str, chance: random.Random) -> str:
    """The text with two letters in the wrong order, one missing, or a wrong one."""
    at = chance.randrange(max(1, len(text) - 1))
    return (
        text[:at]
        + chance.choice((text[at + 1 : at + 2] + text[at : at + 1], text[at + 1 : at + 2], "q"))
        + text[at + 2 :]
    )


class _Asking:
    """A browser's connection to the service, for the people of one resource."""

    def __init__(self, layout: Layout) -> None:
        address = urlsplit(layout.wayf_url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
        self._host = address.netloc
        self._resource = RESOURCES[0].entity_id

    def suggest(self, text: str) -> bytes:
        return self._ask("/suggest", text)

    def page(self, text: str) -> bytes:
        return self._ask("/discovery", text)

    def _ask(self, path: str, text: str) -> bytes:
        query = urlencode({"entityID": self._resource, "q": text})
        self._connection.request("GET", f"{path}?{query}", headers={"Host": self._host})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} for {text!r}")
        return content


def _slowest_hundredth(ask: Callable[[str], bytes], summaries: Sequence[Summary], *, rounds: int, size: int) -> float:
    """Milliseconds; the best of ``rounds``, each of other questions: this machine has other things to do, too."""
    # Everything is made when it is first asked for, the index of words by a thread of the service's own.
    for _ in range(20):
        ask("uni")
        time.sleep(0.05)
    found = []
    for round_number in range(rounds):
        chance = random.Random(round_number)  # noqa: S311 - nothing secret: the same questions each time
        questions = [typed(summaries, number, chance) for number in range(size)]
        found.append(statistics.quantiles([_milliseconds(partial(ask, question)) for question in questions], n=100)[98])
    return min(found)


def _milliseconds(task: Callable[[], object]) -> float:
    begin = time.perf_counter()
    task()
    return (time.perf_counter() - begin) * 1000


def _first_page(registry: Registry) -> Directory:
    """Ready for whoever comes, though nobody has typed anything yet."""
    now = datetime.now(UTC)
    directory = Directory(registry, now)
    directory.search("", now, language="en", most=1)
    return directory


def _megabytes(registry: Registry) -> tuple[float, list[Summary]]:
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    directory = _first_page(registry)
    directory.prepare()
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return held / 1e6, [home.summary for home in directory.all(datetime.now(UTC))]


def _trusts(layout: Layout, document: Path, keys: Path, state: Path) -> None:
    large = {"file": str(document), "trusted_certificates": [str(keys / "current.crt")]}
    own = {"file": str(layout.aggregate), "trusted_certificates": [str(layout.federation_certificates)]}
    path = layout.directory("wayf") / "wayf.yaml"
    configured(path, trust={"metadata": [own, large], "state": str(state)})
