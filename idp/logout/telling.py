"""Ends sessions at home and tells the SPs that took part: over SOAP in parallel, the others one after the other through the browser.

Knows no HTTP request and shows no page. What came of it is in the database after each step, so that any node can go on.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import Connection, Engine, Select

from idp.logout.requests import AcceptedLogout, LogoutRules, check_answer, proven_answer
from idp.logout.rules import Asker, Run, State, Step, front_endpoint, is_lost, said, status_of, way, without_way
from idp.logout.runs import Runs
from idp.sessions.participants import Participant, sessions_of_subject
from idp.sessions.session import Ended, end_rows, end_sessions
from ostiary import audit
from ostiary.errors import OstiaryError, Refusal, Unavailable
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Endpoint
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.bindings import (
    ReceivedMessage,
    decode_soap,
    encode_post,
    encode_redirect,
    encode_soap,
)
from ostiary.saml.logout import LogoutRequest, LogoutResponse
from ostiary.saml.message import new_id
from ostiary.saml.signature import sign
from ostiary.saml.soap_transport import SoapTransport
from ostiary.saml.xml import Element
from ostiary.storage.engine import writing
from ostiary.web.log import Log

_REQUEST_LIFETIME: Final = timedelta(minutes=5)
_AT_A_TIME: Final = 32


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser takes a message: by redirect to ``url``, or by a form with these ``fields``; ``sp`` is whose place that is."""

    sp: str
    url: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Telling:
    """The logouts of one IdP. ``patience``: how long the answer of an SP over SOAP is waited for. ``writer`` names it in the audit."""

    rules: LogoutRules
    runs: Runs
    registry: Callable[[], Registry]
    key_ring: Callable[[], KeyRing]
    soap: SoapTransport
    patience: timedelta
    engine: Engine
    writer: str
    log: Log

    # --- a logout begins

    def end_hers(
        self,
        principal: str,
        now: datetime,
        *,
        browser: str,
        here_id: str,
        only_id: str | None = None,
        except_id: str | None = None,
    ) -> tuple[str, tuple[Ended, ...]]:
        """She ends sessions of her own, out of the one with the id ``here_id``: the run that tells the SPs, and what was ended."""

        def end(connection: Connection) -> tuple[Ended, ...]:
            return end_sessions(connection, principal, only_id=only_id, except_id=except_id)

        return self._begin(end, now, actor=principal, browser=browser, here_id=here_id)

    def end_asked(
        self, accepted: AcceptedLogout, now: datetime, *, browser: str | None, here_id: str | None = None
    ) -> tuple[str, tuple[Ended, ...]]:
        """An SP asks. Its own session is its own business; all others are told. ``here_id``: the session of the browser, where it has
        one; what belongs to another session is not told through it."""
        asker = accepted.asker
        wanted: Select[tuple[str, str]] = sessions_of_subject(asker.sp, accepted.name_id, accepted.session_indexes)

        def end(connection: Connection) -> tuple[Ended, ...]:
            return end_rows(connection, wanted)

        def is_askers(one: Participant) -> bool:
            its_own = one.sp == asker.sp and one.name_id.value == accepted.name_id.value
            return its_own and (not accepted.session_indexes or one.session_index in accepted.session_indexes)

        return self._begin(end, now, actor="sp", browser=browser, here_id=here_id, asker=asker, leave_out=is_askers)

    def _begin(
        self,
        end: Callable[[Connection], tuple[Ended, ...]],
        now: datetime,
        *,
        actor: str,
        browser: str | None,
        here_id: str | None,
        asker: Asker | None = None,
        leave_out: Callable[[Participant], bool] = lambda _: False,
    ) -> tuple[str, tuple[Ended, ...]]:
        with writing(self.engine) as connection:
            ended = end(connection)
            took_part = [
                # A browser that shows no session holds none of these: an SP may have brought the request by any.
                (one, browser is not None and session.id != here_id)
                for session in ended
                for one in session.participants
                if not leave_out(one)
            ]
            run = self.runs.begin(connection, took_part, now, found=bool(ended), browser=browser, asker=asker)
            for session in ended:
                audit.record(
                    connection,
                    at=now,
                    writer=self.writer,
                    actor=actor,
                    action="login.ended",
                    subject=session.principal,
                    facts={"for": asker.sp if asker is not None else None, "sps": len(session.participants)},
                )
        self.runs.sweep(now)
        return run, ended

    # --- and goes on

    def present(self, run_id: str, now: datetime) -> Run:
        """How it stands. Raises `Refusal` (``logout.unknown``)."""
        run = self.runs.get(run_id, now)
        if run is None:
            raise Refusal("logout.unknown", expected="a logout of the last half hour", found="none")
        return run

    def finished(self, run_id: str, now: datetime) -> Run:
        """A logout without a browser, told to all who can be told without one."""
        self.over_soap(self.present(run_id, now), now)
        self.next_departure(self.present(run_id, now), now)
        return self.present(run_id, now)

    def over_soap(self, run: Run, now: datetime) -> None:
        """Asks every SP that waits and speaks SOAP; at the end, none of them waits for its answer."""
        registry = self.registry()
        claimed: list[tuple[Step, Endpoint, str]] = []
        for step in run.steps:
            if is_lost(step, now, 3 * self.patience) and step.request_id is not None:
                self.runs.wait_again(step, step.request_id)
            elif step.state == State.WAITING:
                chosen = way(step, registry.sp(step.sp, now), browser=run.browser is not None)
                if chosen is not None and chosen[0] == "back":
                    request_id = new_id()
                    if self.runs.claim(step, "back", request_id, now):
                        claimed.append((step, chosen[1], request_id))
        if not claimed:
            return
        with ThreadPoolExecutor(min(_AT_A_TIME, len(claimed))) as pool:
            for asking in [pool.submit(self._ask_over_soap, *one, registry, now) for one in claimed]:
                asking.result()

    def next_departure(self, run: Run, now: datetime) -> Departure | None:
        """The next SP that is told through the browser; None when there is none left. An SP to which the browser was sent before, and which
        has not answered although the browser is here again, is given up."""
        registry = self.registry()
        for step in run.steps:
            if step.state == State.ASKED and step.front_tried:
                self.runs.give_up(step, State.UNANSWERED)
            if step.state != State.WAITING:
                continue
            chosen = way(step, registry.sp(step.sp, now), browser=run.browser is not None)
            if chosen is None:
                self.runs.give_up(step, without_way(step))
            elif chosen[0] == "front":
                request_id = new_id()
                if self.runs.claim(step, "front", request_id, now):
                    endpoint = chosen[1]
                    message = self._request(step, endpoint, request_id, now)
                    return self._departure(step.sp, endpoint.binding, endpoint.location, "SAMLRequest", message, run.id)
        return None

    def answered(self, received: ReceivedMessage, now: datetime) -> str:
        """An SP's answer came through the browser: returns the run that it belongs to.

        Raises `Refusal` (``logout.unknown_answer``, and as `proven_answer` and `check_answer`).
        """
        answer = proven_answer(received, self.registry(), now)
        found = self.runs.asked_in(answer.in_response_to or "", now)
        if found is None:
            raise Refusal(
                "logout.unknown_answer", expected="an answer to a LogoutRequest of ours", found=answer.in_response_to
            )
        run_id, step = found
        location = self.rules.locations[received.binding]
        check_answer(answer, sp=step.sp, location=location, now=now, timing=self.rules.timing)
        self._settle(step, answer.in_response_to or "", said(answer))
        return run_id

    def answer_to_asker(self, run: Run, now: datetime) -> Departure | None:
        """The LogoutResponse for the SP that asked, through the browser; None where nobody asked, or wants no answer, or has no place for
        it."""
        asker, endpoint = run.asker, self._endpoint_of_asker(run, now)
        if asker is None or endpoint is None:
            return None
        location = endpoint.response_location or endpoint.location
        message = self._response(run, asker, location, now).to_xml()
        return self._departure(asker.sp, endpoint.binding, location, "SAMLResponse", message, asker.relay_state)

    def can_answer(self, run: Run, now: datetime) -> bool:
        """Whether `answer_to_asker` has one."""
        return self._endpoint_of_asker(run, now) is not None

    def _endpoint_of_asker(self, run: Run, now: datetime) -> Endpoint | None:
        if run.asker is None or run.asker.asynchronous:
            return None
        return front_endpoint(self.registry().sp(run.asker.sp, now), prefer=run.asker.binding)

    def answer_over_soap(self, run: Run, asker: Asker, now: datetime) -> bytes:
        """The envelope with the same."""
        message = self._response(run, asker, None, now).to_xml()
        sign(message, self.key_ring().signer)
        return encode_soap(message)

    # --- messages

    def _ask_over_soap(
        self, step: Step, endpoint: Endpoint, request_id: str, registry: Registry, now: datetime
    ) -> None:
        message = self._request(step, endpoint, request_id, now)
        sign(message, self.key_ring().signer)
        try:
            element = decode_soap(self.soap.post(endpoint.location, encode_soap(message)))
            answer = proven_answer(ReceivedMessage(element, None, names.SOAP), registry, now)
            check_answer(answer, sp=step.sp, location=None, now=now, timing=self.rules.timing)
            if answer.in_response_to != request_id:
                raise Refusal("saml.in_response_to", expected=request_id, found=answer.in_response_to)
        except OstiaryError as problem:
            # Unreachable, or not to be believed: as good as no answer. The browser may get through.
            self.log.warning(
                "logout_not_answered",
                sp=step.sp,
                code=problem.code,
                expected=problem.expected,
                found=problem.found,
                unreachable=isinstance(problem, Unavailable),
            )
            self.runs.wait_again(step, request_id)
            return
        self._settle(step, request_id, said(answer))

    def _settle(self, step: Step, request_id: str, state: State) -> None:
        self.log.info("logout_answered", sp=step.sp, outcome=state.value)
        self.runs.settle(step.id, request_id, state)

    def _request(self, step: Step, endpoint: Endpoint, request_id: str, now: datetime) -> Element:
        return LogoutRequest(
            id=request_id,
            issuer=self.rules.entity_id,
            issue_instant=now,
            name_id=step.name_id,
            session_indexes=(step.session_index,),
            destination=endpoint.location,
            not_on_or_after=now + _REQUEST_LIFETIME,
            reason=names.LOGOUT_USER,
        ).to_xml()

    def _response(self, run: Run, asker: Asker, location: str | None, now: datetime) -> LogoutResponse:
        status = status_of(run)
        return LogoutResponse(new_id(), self.rules.entity_id, now, asker.request_id, status, location)

    def _departure(
        self,
        sp: str,
        binding: str,
        location: str,
        parameter: Literal["SAMLRequest", "SAMLResponse"],
        message: Element,
        relay_state: str | None,
    ) -> Departure:
        signer = self.key_ring().signer
        if binding == names.HTTP_REDIRECT:
            url = encode_redirect(location, parameter, message, relay_state=relay_state, signer=signer)
            return Departure(sp, url)
        sign(message, signer)
        fields: list[tuple[str, str]] = [(parameter, encode_post(message))]
        if relay_state is not None:
            fields.append(("RelayState", relay_state))
        return Departure(sp, location, tuple(fields))
