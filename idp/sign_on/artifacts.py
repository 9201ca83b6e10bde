"""Responses that wait until their SP fetches them: where, and for how long (SAML bindings 3.6)."""

from datetime import timedelta
from typing import Final

from ostiary.storage.artifacts import WaitingMessages
from ostiary.storage.stores import SessionStore

WAITS: Final = timedelta(minutes=5)
ENDPOINT_INDEX: Final = 0


def waiting_responses(store: SessionStore, entity_id: str) -> WaitingMessages:
    """Those of one identity provider."""
    return WaitingMessages(store, entity_id, kind="idp", waits=WAITS, endpoint=ENDPOINT_INDEX)
