"""``jwks``: the keys by which what stands behind the application verifies the signed tokens. Public, like metadata."""

import json
from datetime import datetime
from typing import Final

from ostiary.errors import Missing
from ostiary.tokens import key_set
from sp_shire.handlers.routes import Routes
from sp_shire.messages import Reply, Request
from sp_shire.settings import ShireSettings
from sp_shire.snapshot import Snapshot

# A key is published long before it signs; who asks too seldom asks anew for a key that it does not know.
_MAXIMUM_AGE: Final = 300


class TokenKeys:
    """The handler of a resource's JWK set (RFC 7517 5)."""

    def __init__(self, settings: ShireSettings) -> None:
        self._settings = settings
        self.routes: Final[Routes] = {"jwks": {"GET": self._keys}}

    def _keys(self, request: Request, snapshot: Snapshot, now: datetime) -> Reply:
        if self._settings.jwt is None:
            raise Missing("http.not_found", found=request.path[:200])
        published = [entry.key for entry in snapshot.signs_tokens.published if entry.use != "encryption"]
        headers = (
            ("Content-Type", "application/jwk-set+json"),
            ("Cache-Control", f"public, max-age={_MAXIMUM_AGE}"),
            ("X-Content-Type-Options", "nosniff"),
        )
        return Reply(200, headers, json.dumps(key_set(published), indent=2).encode())
