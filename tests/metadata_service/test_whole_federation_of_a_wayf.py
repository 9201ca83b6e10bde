"""The discovery service's document of everything: made when asked for, and elsewhere when it is large."""

import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from ostiary.command.metadata_child import MakeApart
from ostiary.config import load_settings
from ostiary.errors import Unavailable
from ostiary.federation.publish.making import make_document
from ostiary.federation.publish.publication import Made, Publication
from ostiary.federation.read import read_signed_metadata
from ostiary.federation.registry import Registry
from ostiary.saml.keys import Signer
from tests.metadata_service.conftest import NOW, UPSTREAM, MakeService, home, resource
from tests.signers import make_signer
from wayf import whole
from wayf.service import whole_federation
from wayf.settings import WayfSettings
from wayf.whole import WholeRegistry


def publication_for(service_file: Path) -> tuple[Path, Publication]:
    """A ``wayf.yaml`` beside a ``metadata.yaml``, and what it hands out."""
    told = yaml.safe_load(service_file.read_text())
    path = service_file.with_name("wayf.yaml")
    path.write_text(
        yaml.safe_dump(
            {
                "public_url": "http://localhost:8481",
                "listen": {"port": 0},
                "federation_name": "https://federation.example",
                "trust": told["trust"],
            }
        )
    )
    return path, whole_federation(load_settings(path, WayfSettings))


def number_in(found: whole.OpenDocument, signer: Signer, now: datetime) -> int:
    return len(read_signed_metadata(b"".join(found.pieces()), [signer.public], now=now))


def test_it_is_made_in_a_process_of_its_own_from_the_same_configuration(make_service: MakeService) -> None:
    service = make_service()
    config, publication = publication_for(service.file)
    path = service.directory / "made.xml"
    assert MakeApart(config, "wayf")(publication, path, NOW).entities == 4
    entities = read_signed_metadata(path.read_bytes(), [service.signer().public], now=NOW)
    assert len(entities) == 4


def test_a_large_one_is_made_elsewhere_and_a_small_one_here(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, publication = publication_for(make_service().file)
    asked = []

    def elsewhere(publication: Publication, path: Path, now: datetime) -> Made:
        asked.append(publication.name)
        return make_document(publication, path, registry, UPSTREAM, now)

    registry = Registry([home(1), resource(1)])
    for most, expected in ((2, []), (1, ["all"])):
        monkeypatch.setattr(whole, "MOST_HERE", most)
        found = WholeRegistry(publication, elsewhere).open(registry, UPSTREAM, NOW, gzipped=False)
        assert number_in(found, UPSTREAM, NOW) == 2
        assert asked == expected


def test_nobody_waits_while_another_makes_it(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    _, publication = publication_for(make_service().file)
    monkeypatch.setattr(whole, "MOST_HERE", 0)
    begun, go_on = threading.Event(), threading.Event()

    def elsewhere(publication: Publication, path: Path, now: datetime) -> Made:
        begun.set()
        go_on.wait(10)
        return make_document(publication, path, registry, UPSTREAM, now)

    registry = Registry([home(1)])
    document = WholeRegistry(publication, elsewhere)
    found: list[whole.OpenDocument] = []

    def ask(now: datetime) -> threading.Thread:
        begun.clear()
        go_on.clear()
        thread = threading.Thread(target=lambda: found.append(document.open(registry, UPSTREAM, now, gzipped=False)))
        thread.start()
        begun.wait(10)
        return thread

    first = ask(NOW)
    with pytest.raises(Unavailable) as refused:
        document.open(registry, UPSTREAM, NOW, gzipped=False)
    go_on.set()
    first.join()
    second = ask(NOW + timedelta(hours=2))
    meanwhile = document.open(registry, UPSTREAM, NOW + timedelta(hours=2), gzipped=False)
    go_on.set()
    second.join()
    assert refused.value.code == "publish.nothing_out"
    assert meanwhile.etag == found[0].etag != found[1].etag
    for one in (*found, meanwhile):
        one.close()


def test_it_is_made_anew_for_another_key_at_once_for_another_registry_soon_and_otherwise_after_an_hour(
    make_service: MakeService,
) -> None:
    _, publication = publication_for(make_service().file)
    document, signer = WholeRegistry(publication), make_signer("other")
    before, after = Registry([home(1)]), Registry([home(1), home(2)])

    def etag(registry: Registry, by: Signer, now: datetime) -> str:
        found = document.open(registry, by, now, gzipped=True)
        found.close()
        return found.etag

    first = etag(before, UPSTREAM, NOW)
    assert etag(before, UPSTREAM, NOW + timedelta(minutes=59)) == first
    assert etag(after, UPSTREAM, NOW + timedelta(minutes=4)) == first
    changed = etag(after, UPSTREAM, NOW + timedelta(minutes=5))
    assert changed != first
    rolled = etag(after, signer, NOW + timedelta(minutes=6))
    assert rolled != changed
    assert etag(after, signer, NOW + timedelta(minutes=66)) != rolled
