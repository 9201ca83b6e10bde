"""Setting up a second factor: an authenticator app or a passkey, from one's own page or in the middle of a sign-on that needs one.

In the middle of a sign-on only somebody without any factor may: who knows nothing but her password must not add one to those she has.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import segno
from flask import Flask, Response, jsonify
from markupsafe import Markup

from idp.factors import totp
from idp.factors.passkeys import MAXIMUM_CREDENTIAL, read_presented
from idp.factors.recovery import new_codes
from idp.factors.second_factors import SecondFactors
from idp.factors.step import FRESH, MAXIMUM_CODE, SecondFactorStep
from idp.factors.tables import MAXIMUM_LABEL
from idp.sessions.session import SsoSession
from idp.sign_on.endpoints import refuse_head
from idp.sign_on.steps import Visit
from ostiary.errors import OstiaryError, Refusal
from ostiary.web import incoming
from ostiary.web.forms import Fields, one
from ostiary.web.service import asset_url, page, public_url_for, shell

OWN_PAGE: Final = "factors"
"""The endpoint of the page with her own factors."""
_PENDING: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Who sets up a factor, and where she goes on: with the ``visit`` that needs it, or on her own page."""

    session: SsoSession
    visit: Visit | None
    now: datetime

    @property
    def principal(self) -> str:
        """Who it is."""
        return self.session.principal

    @property
    def ticket(self) -> str:
        """Empty on her own page."""
        return (self.visit.ticket or "") if self.visit is not None else ""

    @property
    def turn(self) -> str | None:
        """That of the sign-on, for requests that force a login."""
        return self.visit.asked.turn if self.visit is not None else None

    @property
    def onward_url(self) -> str:
        """Where she goes when she is done."""
        return self.url("second_factor") if self.ticket else public_url_for(OWN_PAGE)

    def url(self, endpoint: str) -> str:
        """A page of this place."""
        return public_url_for(endpoint, ticket=self.ticket) if self.ticket else public_url_for(endpoint)


def add_enrolment(app: Flask, step: SecondFactorStep) -> None:
    """The pages for adding a factor."""
    add = app.add_url_rule
    add("/account/factors/first", "factor_enrol", partial(_choose, step), methods=["GET"])
    add("/account/factors/totp", "factor_totp", partial(_show_totp, step), methods=["GET"])
    add("/account/factors/totp", "factor_totp_post", partial(_add_totp, step), methods=["POST"])
    add("/account/factors/passkey", "factor_passkey", partial(_add_passkey, step), methods=["POST"])
    add("/account/factors/passkey/options", "factor_passkey_options", partial(_options, step), methods=["POST"])


def find_place(step: SecondFactorStep, fields: Fields) -> Place | Response:
    """The sign-on whose ticket stands there, if it waits for a first factor; else her own page, for which she signed in lately. A response
    where she has to go somewhere else first."""
    sign_on = step.second.sign_on
    if "ticket" in fields:
        visit = sign_on.visit(fields, submitted=True)
        if visit.session is None or step.verdict(visit).due != "enrol" or not step.may_enrol(visit):
            return sign_on.onward(visit)
        return Place(visit.session, visit, visit.now)
    session = sign_on.require(OWN_PAGE, fresh=FRESH)
    return session if isinstance(session, Response) else Place(session, None, sign_on.now())


def codes_page(second: SecondFactors, place: Place, *, added: bool) -> Response:
    """New recovery codes, which void the ones before; shown this once. ``added``: because a factor was."""
    codes = new_codes()
    second.codes.replace(place.principal, codes, at=place.now, by=place.principal)
    if not added:
        second.tell("recovery_codes_made", place.principal)
    return page(
        "factors/codes.html",
        home_url=public_url_for("home"),
        codes=codes,
        added=added,
        onward_url=place.onward_url,
    )


def _choose(step: SecondFactorStep) -> Response:
    """The page of a sign-on that needs a second factor, for somebody who has none."""
    refuse_head()
    one(incoming.query(), "ticket", max_length=64)
    place = find_place(step, incoming.query())
    if isinstance(place, Response):
        return place
    visit, language = place.visit, incoming.language(shell().pages.catalogue)
    sp = visit.sp if visit is not None else None
    return page(
        "factors/enrol.html",
        own_scripts=True,
        home_url=public_url_for("home"),
        resource=sp.name(language) if sp is not None else shell().service_name,
        passkey=new_passkey_values(step.second, place),
        totp_url=place.url("factor_totp"),
    )


def new_passkey_values(second: SecondFactors, place: Place) -> dict[str, str]:
    """What the part ``factors/new_passkey.html`` needs as ``passkey``."""
    return {
        "script": asset_url(second.script),
        "action": public_url_for("factor_passkey"),
        "options": public_url_for("factor_passkey_options"),
        "ticket": place.ticket,
    }


def _show_totp(step: SecondFactorStep) -> Response:
    refuse_head()
    place = find_place(step, incoming.query())
    return place if isinstance(place, Response) else _totp_page(step.second, place)


def _add_totp(step: SecondFactorStep) -> Response:
    """Confirms the app by its first code, which is used up by that."""
    form, second = incoming.form(), step.second
    place = find_place(step, form)
    if isinstance(place, Response):
        return place
    code = one(form, "code", max_length=MAXIMUM_CODE)
    label = one(form, "label", max_length=4 * MAXIMUM_LABEL)
    attempt = second.attempt(place.principal, place.now)
    second.attempts.count(attempt, place.now)
    secret = _pending_secret(second, place)
    steps = totp.matching_steps(secret, code, place.now)
    if not steps:
        error = Refusal("factor.not_confirmed", expected="the present code of this app", found="another")
        return _totp_page(second, place, error)
    second.attempts.succeeded(attempt, place.now)
    second.factors.add_totp(
        place.principal,
        secret,
        label,
        step=steps[-1],
        at=place.now,
        by=place.principal,
        only_first=place.visit is not None,
    )
    second.kept.take(_pending_key(place), place.now)
    return _added(second, place, "totp")


def _options(step: SecondFactorStep) -> Response:
    """What the browser needs to make a passkey, as JSON."""
    second = step.second
    place = find_place(step, incoming.form())
    if isinstance(place, Response):
        # A script can't follow to a login page.
        raise Refusal("factor.place", expected="somebody who signed in lately", found="somebody who has to sign in")
    challenge = second.challenges.issue("register", place.session.id, place.now)
    name = second.people.login_name(place.principal) or second.party.name
    known = second.factors.passkeys(place.principal)
    return jsonify(second.party.registration_options(place.principal, name, known, challenge))


def _add_passkey(step: SecondFactorStep) -> Response:
    form, second = incoming.form(), step.second
    place = find_place(step, form)
    if isinstance(place, Response):
        return place
    label = one(form, "label", max_length=4 * MAXIMUM_LABEL)
    presented = read_presented(one(form, "credential", max_length=MAXIMUM_CREDENTIAL))
    made = second.party.registered(presented, second.challenges.take("register", place.session.id, place.now))
    second.factors.add_passkey(
        place.principal, made, label, at=place.now, by=place.principal, only_first=place.visit is not None
    )
    return _added(second, place, "passkey")


def _added(second: SecondFactors, place: Place, method: str) -> Response:
    """What she has just used counts for this session, too."""
    second.tell("factor_added", place.principal)
    second.prove(place.session, method, place.now, turn=place.turn)
    second.leave_mark(place.principal, spared=False, now=place.now)
    if second.codes.state(place.principal).left == 0:
        return codes_page(second, place, added=True)
    return Response(status=303, headers={"Location": place.onward_url})


def _totp_page(second: SecondFactors, place: Place, error: OstiaryError | None = None) -> Response:
    secret = _pending_secret(second, place)
    account = second.people.login_name(place.principal) or second.party.id
    catalogue = shell().pages.catalogue
    message, remedy = catalogue.error(incoming.language(catalogue), error) if error is not None else ("", "")
    shown = totp.shown_secret(secret)
    return page(
        "factors/totp.html",
        status=error.status if error is not None else 200,
        own_scripts=True,
        script=asset_url(second.script),
        home_url=public_url_for("home"),
        action=public_url_for("factor_totp_post"),
        ticket=place.ticket,
        back_url=place.url("factor_enrol") if place.ticket else place.onward_url,
        picture=_qr(totp.key_uri(secret, account=account, issuer=second.party.name)),
        secret=" ".join(shown[start : start + 4] for start in range(0, len(shown), 4)),
        message=message,
        remedy=remedy,
    )


def _pending_secret(second: SecondFactors, place: Place) -> bytes:
    """The secret that waits for its first code; a new one where none does. It stays the same when the page is loaded again."""
    key, context = _pending_key(place), f"pending {place.session.id}"
    kept = second.kept.get(key, place.now)
    if kept is not None:
        return second.keys.open(kept, context)
    secret = totp.new_secret()
    second.kept.put(key, second.keys.seal(secret, context), expires=place.now + _PENDING, now=place.now)
    return secret


def _pending_key(place: Place) -> str:
    return f"idp pending totp {place.session.id}"


def _qr(content: str) -> Markup:
    """The picture as SVG in the page itself: dark on light in every colour scheme, or cameras do not read it."""
    code = segno.make(content, error="m", micro=False)
    options = {"border": 4, "omitsize": True, "dark": "#000", "light": "#fff", "svgclass": "qr", "lineclass": None}
    # The content is encoded as squares: nothing of it stands in the SVG as text.
    return Markup(code.svg_inline(**options))  # noqa: S704
