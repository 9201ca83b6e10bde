"""Where the organisations are that are offered to somebody, as JSON, for her browser to find the nearest. Kept while the metadata is the
same."""

import gzip
import json
from datetime import datetime
from threading import Lock
from typing import Final

from ostiary.federation.directory import Directory
from ostiary.federation.directory.nearby import position_of
from ostiary.federation.directory.offered import Offer

MOST_KEPT: Final = 16


class PlacesOf:
    """The lists of one directory, each made when somebody first asks; at most `MOST_KEPT`, the oldest goes first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._directory: Directory | None = None
        self._kept: dict[tuple[Offer, str], tuple[bytes, bytes]] = {}

    def at(self, directory: Directory, offer: Offer, language: str, now: datetime) -> tuple[bytes, bytes]:
        """The list, plain and in gzip: ``[[entityID, name, domain, degrees north, degrees east], ...]``. An organisation that expired since
        is refused when it is chosen."""
        with self._lock:
            if self._directory is not directory:
                self._directory, self._kept = directory, {}
            found = self._kept.get((offer, language))
            if found is None:
                plain = _listed(directory, offer, language, now)
                found = self._kept[offer, language] = (plain, gzip.compress(plain, 6, mtime=0))
                if len(self._kept) > MOST_KEPT:
                    del self._kept[next(iter(self._kept))]
            return found


def _listed(directory: Directory, offer: Offer, language: str, now: datetime) -> bytes:
    places = [
        (home.entity_id, home.name(language), home.domain, *position)
        for home in directory.all(now)
        if (position := next(filter(None, map(position_of, home.summary.geolocation_hints)), None))
        and offer.accepts(home.summary)
    ]
    return json.dumps(places, ensure_ascii=False, separators=(",", ":")).encode()
