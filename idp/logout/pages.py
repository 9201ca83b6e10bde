"""The pages of a person who signs out: from where, what came of it at each SP, and the list of her sessions. Reads no SAML message."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from flask import Flask, Response

from idp.logout.rules import SETTLED, Run, State, by_sp, is_complete, is_lost, is_over
from idp.logout.runs import digest
from idp.logout.telling import Departure, Telling
from idp.sessions.session import ListedSession
from idp.sign_on.endpoints import refuse_head
from idp.sign_on.sign_on import SignOn
from ostiary.errors import Refusal
from ostiary.web import incoming
from ostiary.web.forms import one, optional
from ostiary.web.service import auto_post, page, public_url_for, shell

MAXIMUM_ID: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class LogoutPages:
    """What the pages work with."""

    sign_on: SignOn
    telling: Telling


@dataclass(frozen=True, slots=True)
class _Row:
    """One session in the list."""

    session: ListedSession
    here: bool
    sps: tuple[str, ...]


def add_logout_pages(app: Flask, pages: LogoutPages) -> None:
    """``/logout``, its progress, ``/signed-out`` and ``/account/sessions``."""
    add = app.add_url_rule
    add("/logout", "logout", partial(_ask, pages), methods=["GET"])
    add("/logout", "logout_post", partial(_log_out, pages), methods=["POST"])
    add("/logout/progress", "logout_progress", partial(_progress, pages), methods=["GET"])
    add("/logout/go", "logout_go", partial(_go, pages), methods=["GET"])
    add("/logout/answer", "logout_answer", partial(_answer, pages), methods=["GET"])
    add("/signed-out", "signed_out", _signed_out, methods=["GET"])
    add("/account/sessions", "account_sessions", partial(_list, pages), methods=["GET"])
    add("/account/sessions", "account_sessions_post", partial(_end_some, pages), methods=["POST"])


def go_on(run_id: str) -> Response:
    """303 to where the next SP is told."""
    return Response(status=303, headers={"Location": public_url_for("logout_go", run=run_id)})


def _ask(pages: LogoutPages) -> Response:
    """Only here, or everywhere?"""
    sign_on, now = pages.sign_on, pages.sign_on.now()
    session = sign_on.session()
    sps = sign_on.sessions.sps_of(session.id) if session is not None else ()
    return page(
        "logout.html",
        home_url=public_url_for("home"),
        action=public_url_for("logout_post"),
        signed_in=session is not None,
        sps=_names(pages, sps, now),
        sessions_url=public_url_for("account_sessions"),
    )


def _log_out(pages: LogoutPages) -> Response:
    scope = optional(incoming.form(), "scope", max_length=20) or "here"
    if scope not in ("here", "everywhere"):
        raise Refusal("logout.scope", expected="here or everywhere", found=scope)
    sign_on = pages.sign_on
    session = sign_on.session() if scope == "everywhere" else None
    if session is None:
        sign_on.end_session()
        return _see("signed_out")
    browser = sign_on.cookies.keep_browser_token()
    now, only = sign_on.now(), session.id
    run_id, _ = pages.telling.end_hers(session.principal, now, browser=browser, here_id=only, only_id=only)
    sign_on.cookies.clear_session()
    return _see("logout_progress", run=run_id)


def _progress(pages: LogoutPages) -> Response:
    """Which SPs have answered, and what. While there is something to do, the page goes on by itself."""
    run, now = _run(pages), pages.sign_on.now()
    over = is_over(run)
    told = by_sp(run)
    waits = [step for step in run.steps if step.state not in SETTLED]
    patience = 3 * pages.telling.patience
    # Another node may be at it; then the person may look again.
    busy = bool(waits) and all(
        step.state == State.ASKED and not step.front_tried and not is_lost(step, now, patience) for step in waits
    )
    asker = run.asker.sp if run.asker is not None else None
    back = over and pages.telling.can_answer(run, now)
    return page(
        "logout_progress.html",
        home_url=public_url_for("home"),
        over=over,
        complete=is_complete(run),
        found=run.found,
        sps=tuple(
            zip(_names(pages, tuple(sp for sp, _ in told), now), (state.value for _, state in told), strict=True)
        ),
        go_url=public_url_for("logout_progress" if busy else "logout_go", run=run.id),
        by_itself=not over and not busy,
        back_url=public_url_for("logout_answer", run=run.id) if back else None,
        asker=_names(pages, (asker,), now)[0] if asker is not None else None,
    )


def _go(pages: LogoutPages) -> Response:
    """Tells the next SPs: all that speak SOAP at once, then one through the browser; at the end, the SP that asked."""
    refuse_head()
    run, now, telling = _run(pages), pages.sign_on.now(), pages.telling
    telling.over_soap(run, now)
    departure = telling.next_departure(telling.present(run.id, now), now)
    if departure is None:
        run = telling.present(run.id, now)
        # Where somebody could not be told, only this page says who; it leads on to the SP that asked.
        departure = telling.answer_to_asker(run, now) if is_over(run) and is_complete(run) else None
    return _depart(pages, departure, now) if departure is not None else _see("logout_progress", run=run.id)


def _answer(pages: LogoutPages) -> Response:
    """Back to the SP that asked, with what came of it."""
    refuse_head()
    run, now = _run(pages), pages.sign_on.now()
    if not is_over(run):
        return go_on(run.id)
    departure = pages.telling.answer_to_asker(run, now)
    return _depart(pages, departure, now) if departure is not None else _see("signed_out")


def _signed_out() -> Response:
    return page("signed_out.html", home_url=public_url_for("home"))


def _list(pages: LogoutPages) -> Response:
    """Where she is signed in."""
    sign_on, now = pages.sign_on, pages.sign_on.now()
    session = sign_on.require("account_sessions")
    if isinstance(session, Response):
        return session
    listed = sign_on.sessions.of(session.principal, now)
    rows = [_Row(one, one.id == session.id, _names(pages, one.sps, now)) for one in listed]
    return page(
        "account_sessions.html",
        home_url=public_url_for("home"),
        action=public_url_for("account_sessions_post"),
        rows=sorted(rows, key=lambda row: not row.here),
    )


def _end_some(pages: LogoutPages) -> Response:
    """Ends one of them (``session``), or ``all`` of them: ``others`` or ``every``."""
    sign_on, now = pages.sign_on, pages.sign_on.now()
    form = incoming.form()
    scope = optional(form, "all", max_length=20)
    chosen = one(form, "session", max_length=MAXIMUM_ID) if scope is None else None
    if scope not in (None, "others", "every"):
        raise Refusal("logout.scope", expected="others or every", found=scope)
    session = sign_on.require("account_sessions")
    if isinstance(session, Response):
        return session
    run_id, ended = pages.telling.end_hers(
        session.principal,
        now,
        browser=sign_on.cookies.keep_browser_token(),
        here_id=session.id,
        only_id=chosen,
        except_id=session.id if scope == "others" else None,
    )
    if any(gone.id == session.id for gone in ended):
        sign_on.cookies.clear_session()
    return _see("logout_progress", run=run_id) if ended else _see("account_sessions")


def _run(pages: LogoutPages) -> Run:
    """The logout of the query, if it is this browser's. Raises `Refusal` (``logout.unknown``, ``logout.other_browser``)."""
    run_id = one(incoming.query(), "run", max_length=MAXIMUM_ID)
    run = pages.telling.present(run_id, pages.sign_on.now())
    browser = digest(pages.sign_on.cookies.browser_token() or "")
    if run.browser is None or not hmac.compare_digest(run.browser, browser):
        raise Refusal("logout.other_browser", expected="the browser that signs out", found="another, or none")
    return run


def _names(pages: LogoutPages, sps: tuple[str, ...], now: datetime) -> tuple[str, ...]:
    """What to call each SP in front of a person."""
    registry, language = pages.telling.registry(), incoming.language(shell().pages.catalogue)
    entities = [(sp, registry.get(sp, now)) for sp in sps]
    return tuple(entity.name(language) if entity is not None else sp for sp, entity in entities)


def _depart(pages: LogoutPages, departure: Departure, now: datetime) -> Response:
    if departure.fields:
        return auto_post(departure.url, departure.fields, destination=_names(pages, (departure.sp,), now)[0])
    return Response(status=303, headers={"Location": departure.url, "Referrer-Policy": "no-referrer"})


def _see(endpoint: str, **values: str) -> Response:
    return Response(status=303, headers={"Location": public_url_for(endpoint, **values)})
