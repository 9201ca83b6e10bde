"""A login under way, and its form in a store."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sp_shire.login.wishes import Wishes


@dataclass(frozen=True, slots=True)
class Intent:
    """What a login is for. ``target`` is where it leads (a path of this site); ``form`` the number of a form that waits for it, empty for
    none; ``silent``: nobody asked for it."""

    target: str
    wishes: Wishes = field(default_factory=Wishes)
    form: str = ""
    silent: bool = False


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """An AuthnRequest that was sent. ``browser`` is a hash of the cookie of the browser that it was sent with; ``not_before``: she has to
    prove who she is anew, no earlier than this (None: whenever)."""

    identity_provider: str
    intent: Intent
    browser: str
    not_before: datetime | None = None


def dump_intent(intent: Intent) -> bytes:
    """JSON for a store."""
    return _dump(_intent_fields(intent))


def load_intent(data: bytes) -> Intent:
    """The inverse of `dump_intent`."""
    return _read_intent(json.loads(data))


def dump_pending(pending: PendingLogin) -> bytes:
    """JSON for a store."""
    not_before = pending.not_before.isoformat() if pending.not_before else None
    return _dump([pending.identity_provider, _intent_fields(pending.intent), pending.browser, not_before])


def load_pending(data: bytes) -> PendingLogin:
    """The inverse of `dump_pending`."""
    identity_provider, intent, browser, not_before = json.loads(data)
    return PendingLogin(
        identity_provider,
        _read_intent(intent),
        browser,
        datetime.fromisoformat(not_before) if not_before is not None else None,
    )


def _intent_fields(intent: Intent) -> list[object]:
    wishes = intent.wishes
    return [
        intent.target,
        [wishes.identity_provider, wishes.force, wishes.passive, wishes.authn_contexts, wishes.comparison],
        intent.form,
        intent.silent,
    ]


def _read_intent(fields: Any) -> Intent:
    target, (identity_provider, force, passive, contexts, comparison), form, silent = fields
    return Intent(target, Wishes(identity_provider, force, passive, tuple(contexts), comparison), form, silent)


def _dump(fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
