"""One's own second factors: the list, other names, taking one away, new recovery codes."""

from functools import cache, partial
from typing import Final

from flask import Flask, Response

from idp.factors.enrolment import OWN_PAGE, Place, codes_page, new_passkey_values
from idp.factors.rules import PersonAttributes, may_require
from idp.factors.second_factors import SecondFactors
from idp.factors.step import FRESH
from idp.factors.store import MAXIMUM_FACTORS, Factor
from idp.factors.tables import MAXIMUM_LABEL
from idp.sign_on.endpoints import refuse_head
from ostiary.errors import Missing
from ostiary.web import incoming
from ostiary.web.forms import Fields, one, optional
from ostiary.web.service import page, public_url_for

_MAXIMUM_ID: Final = 64
_DONE: Final = ("renamed", "removed")


def add_account(app: Flask, second: SecondFactors) -> None:
    """The page of one's own factors, and what can be done there."""
    add = app.add_url_rule
    add("/account/factors", OWN_PAGE, partial(_show, second), methods=["GET"])
    add("/account/factors/rename", "factor_rename", partial(_rename, second), methods=["POST"])
    add("/account/factors/remove", "factor_remove", partial(_remove, second), methods=["POST"])
    add("/account/factors/codes", "factor_codes", partial(_new_codes, second), methods=["POST"])


def _show(second: SecondFactors) -> Response:
    refuse_head()
    place = _own_place(second)
    if isinstance(place, Response):
        return place
    done = optional(incoming.query(), "done", max_length=16)
    factors = second.factors.of(place.principal)
    return page(
        "factors/factors.html",
        own_scripts=True,
        home_url=public_url_for("home"),
        factors=factors,
        codes=second.codes.state(place.principal),
        may_add=len(factors) < MAXIMUM_FACTORS,
        done=done if done in _DONE else None,
        passwordless=second.passwordless,
        rename_url=public_url_for("factor_rename"),
        remove_url=public_url_for("factor_remove"),
        codes_url=public_url_for("factor_codes"),
        totp_url=place.url("factor_totp"),
        passkey=new_passkey_values(second, place),
    )


def _rename(second: SecondFactors) -> Response:
    place = _own_place(second)
    if isinstance(place, Response):
        return place
    form = incoming.form()
    label = one(form, "label", max_length=4 * MAXIMUM_LABEL)
    second.factors.rename(place.principal, _factor_id(form), label, at=place.now, by=place.principal)
    return _done("renamed")


def _remove(second: SecondFactors) -> Response:
    """Asks once more first; before the last one goes, it says what that means."""
    place = _own_place(second)
    if isinstance(place, Response):
        return place
    form = incoming.form()
    wanted, factors = _factor_id(form), second.factors.of(place.principal)
    if optional(form, "sure", max_length=8) == "yes":
        second.factors.remove(place.principal, wanted, at=place.now, by=place.principal)
        second.tell("factor_removed", place.principal)
        return _done("removed")
    return page(
        "factors/remove.html",
        home_url=public_url_for("home"),
        factor=_one_of(factors, wanted),
        is_last=len(factors) == 1,
        is_needed=_is_needed(second, place),
        remove_url=public_url_for("factor_remove"),
        back_url=place.onward_url,
    )


def _new_codes(second: SecondFactors) -> Response:
    place = _own_place(second)
    if isinstance(place, Response):
        return place
    if not second.factors.ids(place.principal):
        raise Missing("factor.unknown", expected="a factor, which the codes stand in for", found="none")
    return codes_page(second, place, added=False)


def _own_place(second: SecondFactors) -> Place | Response:
    session = second.sign_on.require(OWN_PAGE, fresh=FRESH)
    return session if isinstance(session, Response) else Place(session, None, second.sign_on.now())


def _is_needed(second: SecondFactors, place: Place) -> bool:
    @cache
    def person() -> PersonAttributes:
        return second.own_attributes(place.principal)

    return may_require(second.rules, person)


def _factor_id(form: Fields) -> str:
    return one(form, "factor", max_length=_MAXIMUM_ID)


def _one_of(factors: tuple[Factor, ...], wanted: str) -> Factor:
    found = next((factor for factor in factors if factor.id == wanted), None)
    if found is None:
        raise Missing("factor.unknown", expected="a factor of this person", found="none with this id")
    return found


def _done(what: str) -> Response:
    return Response(status=303, headers={"Location": public_url_for(OWN_PAGE, done=what)})
