"""Everything that second factors work with, in one place for their pages; and the mark that they leave in a browser."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from flask import Response, after_this_request, request
from sqlalchemy import Engine

from idp.factors.attempts import Attempt, CodeAttempts
from idp.factors.browsers import KNOWN_FOR, BrowserMark, read_mark, write_mark
from idp.factors.challenges import Challenges
from idp.factors.keys import FactorKeys, load_factor_keys
from idp.factors.letters import Occasion
from idp.factors.passkeys import RelyingParty
from idp.factors.recovery import RecoveryCodes
from idp.factors.rules import PersonAttributes, Rule
from idp.factors.settings import SecondFactorSettings
from idp.factors.store import Factors
from idp.people import PeopleOfIdp
from idp.sessions.session import LoginProof, SsoSession
from idp.sign_on.sign_on import SignOn
from ostiary.storage.stores import Counters, SessionStore
from ostiary.web.assets import Asset, load_asset
from ostiary.web.at_hand import current_request
from ostiary.web.cookies import cookie_name, read_cookie, set_cookie

_MARK: Final = "factor"
SCRIPT: Final = Path(__file__).parent / "factors.js"


@dataclass(frozen=True, slots=True, eq=False)
class SecondFactors:
    """One for each application. ``settings`` gives those of the moment; ``own_attributes`` says what is known about a person, and raises
    `Unavailable`; ``kept`` is the session store; ``tell`` writes to a person (principal) what happened."""

    sign_on: SignOn
    settings: Callable[[], SecondFactorSettings]
    factors: Factors
    codes: RecoveryCodes
    keys: FactorKeys
    kept: SessionStore
    challenges: Challenges
    attempts: CodeAttempts
    party: RelyingParty
    people: PeopleOfIdp
    own_attributes: Callable[[str], PersonAttributes]
    tell: Callable[[Occasion, str], None]
    script: Asset
    https: bool

    @property
    def rules(self) -> tuple[Rule, ...]:
        """When a second factor is asked for."""
        return self.settings().decisive

    @property
    def spared_for(self) -> timedelta | None:
        """For how long a browser is spared for which she asks that; None where that is not offered."""
        return self.settings().remember_browser

    @property
    def passwordless(self) -> bool:
        """Whether people may sign in with a passkey alone."""
        return self.settings().passwordless

    def prove(self, session: SsoSession, method: str, now: datetime, *, turn: str | None) -> None:
        """A proof that came with setting up: she has just used what she set up. The browser gets a new token with the answer."""
        token = self.sign_on.cookies.session_token()
        if token is None:
            return
        new, _ = self.sign_on.sessions.add_proof(token, session, LoginProof(method, now, turn), now=now)
        self.sign_on.cookies.send_session(new)
        self.sign_on.record("login.succeeded", now, session.principal, {"for": "factors", "by": method})

    # --- the mark in the browser

    def mark(self, principal: str, factors: Callable[[], frozenset[str]], now: datetime) -> BrowserMark | None:
        """The mark that this person with these factors has left in this browser. ``factors`` is asked only where there is one."""
        sent = self._sent_mark(principal)
        return read_mark(self.keys, sent, principal, factors(), now) if sent is not None else None

    def leave_mark(self, principal: str, *, spared: bool, now: datetime) -> None:
        """With the answer: she has proven a second factor here. A browser that is spared stays so for the rest of its time."""
        factors = self.factors.ids(principal)
        known = self.mark(principal, lambda: factors, now)
        if known is not None and self.is_spared(known, now) and not spared:
            return
        value = write_mark(self.keys, principal, factors, BrowserMark(now, spared))
        header = set_cookie(self._mark_name(principal), value, https=self.https, max_age=KNOWN_FOR)

        @after_this_request
        def send(response: Response) -> Response:
            response.headers.add("Set-Cookie", header)
            return response

    def is_spared(self, mark: BrowserMark, now: datetime) -> bool:
        """Whether she asked for that in this browser, and the time is not over."""
        return mark.spared and self.spared_for is not None and now < mark.at + self.spared_for

    def attempt(self, principal: str, now: datetime) -> Attempt:
        """Somebody types a code of this person in this browser."""
        known = self.mark(principal, lambda: self.factors.ids(principal), now)
        mark = self._sent_mark(principal) if known is not None else None
        return Attempt(principal, request.remote_addr or "", mark)

    def _sent_mark(self, principal: str) -> str | None:
        header = current_request().environ.get("HTTP_COOKIE")
        # Most browsers hold nobody's, and then nobody's name need be worked out.
        return read_cookie(header, self._mark_name(principal)) if header is not None and _MARK in header else None

    def _mark_name(self, principal: str) -> str:
        """A name for each person: several may share a browser."""
        return cookie_name(_MARK, f"{self.party.entity_id} {principal}", https=self.https)


def open_second_factors(
    settings: SecondFactorSettings,
    sign_on: SignOn,
    *,
    party: RelyingParty,
    engine: Engine,
    kept: SessionStore,
    counters: Counters,
    people: PeopleOfIdp,
    own_attributes: Callable[[str], PersonAttributes],
    tell: Callable[[Occasion, str], None],
    script: Asset,
    https: bool,
) -> SecondFactors:
    """What the settings describe. What they say later counts from then on, but for keys and limits.

    Raises `ConfigurationError` for a key file that can't be used.
    """
    keys = load_factor_keys(settings.secret_keys)
    return SecondFactors(
        sign_on=sign_on,
        settings=lambda: sign_on.settings().second_factor or settings,
        factors=Factors(engine, keys, writer=sign_on.writer),
        codes=RecoveryCodes(engine, writer=sign_on.writer),
        keys=keys,
        kept=kept,
        challenges=Challenges(kept),
        attempts=CodeAttempts(counters, settings.attempts.limits()),
        party=party,
        people=people,
        own_attributes=own_attributes,
        tell=tell,
        script=script,
        https=https,
    )


def load_script() -> Asset:
    """The script of the pages with passkeys, for `make_service`."""
    return load_asset(SCRIPT)
