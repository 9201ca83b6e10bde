"""How the documents of one source are read: whose signature counts, for how long they may be valid, which entities are taken and what they
may claim. Data and pure rules; reads nothing itself.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from ostiary.config import Sources
from ostiary.errors import ConfigurationError
from ostiary.federation.keys import load_certificates, load_public_keys
from ostiary.federation.read import check_validity
from ostiary.federation.sources.selection import EVERYTHING, Selection, criteria_from
from ostiary.saml.keys import TrustedKey


@dataclass(frozen=True, slots=True)
class Reading:
    """``trusted``: the keys that may have signed; none only with ``allow_unsigned_local_file``, where the file system vouches.
    ``maximum_validity``: how far ``validUntil`` may lie ahead; None: as far as it likes. ``scopes``: see `limited`; None: no limit.
    ``may_shrink``: a document with less than half of the entities of the last one is taken, too."""

    trusted: tuple[TrustedKey, ...] = ()
    allow_unsigned_local_file: bool = False
    maximum_validity: timedelta | None = None
    selection: Selection = EVERYTHING
    scopes: tuple[str, ...] | None = None
    may_shrink: bool = False

    @property
    def signed(self) -> bool:
        """Whether a signature is asked for: always, but where the file system vouches and no key is named."""
        return bool(self.trusted) or not self.allow_unsigned_local_file

    def check_validity(self, valid_until: datetime | None, now: datetime) -> None:
        """See `ostiary.federation.read.check_validity`. What the administrator vouches for is not asked: what has expired in it is not
        given out anyway."""
        if self.signed:
            check_validity(valid_until, now, self.maximum_validity)

    def as_json(self) -> dict[str, Any]:
        """For another process, and to notice that something changed; `reading_from` reads it."""
        return {
            "trusted": [base64.b64encode(key.spki).decode() for key in self.trusted],
            "allow_unsigned_local_file": self.allow_unsigned_local_file,
            "maximum_validity": self.maximum_validity.total_seconds() if self.maximum_validity is not None else None,
            "include": self.selection.include.as_json(),
            "exclude": self.selection.exclude.as_json(),
            "scopes": list(self.scopes) if self.scopes is not None else None,
            "may_shrink": self.may_shrink,
        }

    def fingerprint(self) -> str:
        """Changes when what was read under it has to be read anew: with another key, filter or limit. Whether it may shrink is a matter of
        the next document alone."""
        told = {name: value for name, value in self.as_json().items() if name != "may_shrink"}
        told["trusted"] = sorted(told["trusted"])
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def reading_from(data: Mapping[str, Any]) -> Reading:
    """What `Reading.as_json` wrote."""
    longest, scopes = data["maximum_validity"], data["scopes"]
    return Reading(
        trusted=tuple(TrustedKey(base64.b64decode(spki)) for spki in data["trusted"]),
        allow_unsigned_local_file=data["allow_unsigned_local_file"],
        maximum_validity=timedelta(seconds=longest) if longest is not None else None,
        selection=Selection(criteria_from(data["include"]), criteria_from(data["exclude"])),
        scopes=tuple(scopes) if scopes is not None else None,
        may_shrink=data["may_shrink"],
    )


@dataclass(frozen=True, slots=True)
class Trust:
    """What the configuration says of one source, before its key files were read. ``certificates`` and ``keys`` are PEM files."""

    certificates: tuple[Path, ...] = ()
    keys: tuple[Path, ...] = ()
    allow_unsigned_local_file: bool = False
    maximum_validity: timedelta | None = None
    selection: Selection = EVERYTHING
    scopes: tuple[str, ...] | None = None
    may_shrink: bool = False

    def reading(self, place: str | Path, sources: Sources | None = None) -> Reading:
        """Reads the key files; ``place`` is the source, for the error. Raises `ConfigurationError` (``metadata.untrusted_file``,
        ``key.file``)."""
        if not self.certificates and not self.keys and not self.allow_unsigned_local_file:
            raise ConfigurationError(
                "metadata.untrusted_file",
                file=place,
                expected="trusted certificates, or allow_unsigned_local_file",
                found="neither",
            )
        if sources is not None:
            for path in (*self.certificates, *self.keys):
                sources.note(path)
        trusted = [TrustedKey.from_certificate(der) for path in self.certificates for der in load_certificates(path)]
        trusted += [key for path in self.keys for key in load_public_keys(path)]
        return Reading(
            tuple(dict.fromkeys(trusted)),
            self.allow_unsigned_local_file,
            self.maximum_validity,
            self.selection,
            self.scopes,
            self.may_shrink,
        )
