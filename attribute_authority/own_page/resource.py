"""The pages about one resource: what it would learn now and why, the switches, one attribute's values, and taking back."""

from functools import partial
from typing import Final, Literal

from flask import Flask, Response

from attribute_authority.own_page.page import Looked, OwnPage, her_page, look_at
from attribute_authority.own_page.switches import MAXIMUM_BOXES, Decided, each_value, with_part
from ostiary.consent.personal import Setting, Switch
from ostiary.errors import Missing, Refusal
from ostiary.web import incoming
from ostiary.web.forms import Fields, one, optional
from ostiary.web.service import public_url_for

MAXIMUM_WORD: Final = 64
MAXIMUM_NAME: Final = 256
LATEST_TIMES: Final = 10
_NUMBER: Final = 6
_DONE: Final = ("set", "stopped", "forgotten")
_Notice = Literal["", "changed_meanwhile"]


def add_resource_pages(app: Flask, page: OwnPage) -> None:
    """``/my/resource``, ``/my/values``, and where their forms go."""
    app.add_url_rule("/my/resource", "my_resource", partial(_show, page), methods=["GET"])
    app.add_url_rule("/my/resource", "my_resource_post", partial(_set, page), methods=["POST"])
    app.add_url_rule("/my/stop", "my_stop", partial(_stop, page), methods=["POST"])
    app.add_url_rule("/my/forget", "my_forget", partial(_forget, page), methods=["POST"])
    app.add_url_rule("/my/values", "my_values", partial(_show_values, page), methods=["GET"])
    app.add_url_rule("/my/values", "my_values_post", partial(_set_values, page), methods=["POST"])


def _show(page: OwnPage) -> Response:
    principal, query = page.signed_in(), incoming.query()
    done = optional(query, "done", max_length=MAXIMUM_WORD)
    return _resource_page(page, look_at(page, principal, query), done=done if done in _DONE else "")


def _resource_page(page: OwnPage, looked: Looked, *, done: str = "", notice: _Notice = "") -> Response:
    entity_id = looked.requester.entity_id
    told = [one for one in page.trail.told(looked.principal) if one.resource == entity_id]
    return her_page(
        "resource.html",
        status=409 if notice else 200,
        looked=looked,
        done=done,
        notice=notice,
        action=public_url_for("my_resource_post"),
        stop_url=public_url_for("my_stop") if _may_stop(page, looked) else "",
        forget_url=public_url_for("my_forget") if looked.choice is not None else "",
        rule_url=public_url_for("my_default"),
        decided=[(one, _values_url(looked, one)) for one in looked.sheet.decided],
        always=[one for one in looked.sheet.fixed if one.sent],
        never=[one for one in looked.sheet.fixed if not one.sent],
        told=told[:LATEST_TIMES],
        times=len(told),
    )


def _set(page: OwnPage) -> Response:
    """Keeps what the boxes say; what there is to decide may have changed since she saw it, then she sees that."""
    form, principal = incoming.form(), page.signed_in()
    looked = look_at(page, principal, form)
    ticked = frozenset(one.value for one in form if one.name == "send")
    if one(form, "shown", max_length=MAXIMUM_WORD) != looked.fingerprint:
        return _resource_page(page, looked, notice="changed_meanwhile")
    try:
        switches = looked.sheet.set_to(ticked)
    except KeyError as error:
        raise Refusal("my.box", expected="a box of the page", found=error.args[0]) from None
    _keep(page, looked, switches)
    return _back("my_resource", looked, done="set")


def _stop(page: OwnPage) -> Response:
    form, principal = incoming.form(), page.signed_in()
    looked = look_at(page, principal, form)
    if looked.spared:
        raise Refusal("my.not_hers", expected="a resource about which people decide", found=looked.requester.entity_id)
    page.choices.stop(principal, looked.requester.entity_id, at=page.now(), by=principal)
    return _back("my_resource", looked, done="stopped")


def _forget(page: OwnPage) -> Response:
    form, principal = incoming.form(), page.signed_in()
    looked = look_at(page, principal, form)
    page.choices.forget(principal, looked.requester.entity_id, at=page.now(), by=principal)
    if looked.entity is None:
        return Response(status=303, headers={"Location": public_url_for("my")})
    return _back("my_resource", looked, done="forgotten")


def _show_values(page: OwnPage) -> Response:
    principal, query = page.signed_in(), incoming.query()
    looked = look_at(page, principal, query)
    done = optional(query, "done", max_length=MAXIMUM_WORD)
    return _values_page(page, looked, _attribute(looked, query), _begin(query), done=done if done in _DONE else "")


def _values_page(
    page: OwnPage, looked: Looked, whole: Decided, begin: int, *, done: str = "", notice: _Notice = ""
) -> Response:
    number = len(whole.switch.attribute.values)

    def place(first: int) -> str:
        return _values_url(looked, whole, first)

    return her_page(
        "values.html",
        status=409 if notice else 200,
        looked=looked,
        whole=whole,
        boxes=each_value(whole, begin).boxes(),
        begin=begin,
        last=min(begin + MAXIMUM_BOXES, number),
        number=number,
        done=done,
        notice=notice,
        action=public_url_for("my_values_post"),
        back_url=public_url_for("my_resource", id=looked.requester.entity_id),
        earlier_url=place(max(0, begin - MAXIMUM_BOXES)) if begin else "",
        later_url=place(begin + MAXIMUM_BOXES) if begin + MAXIMUM_BOXES < number else "",
    )


def _set_values(page: OwnPage) -> Response:
    form, principal = incoming.form(), page.signed_in()
    looked = look_at(page, principal, form)
    whole, begin = _attribute(looked, form), _begin(form)
    if one(form, "shown", max_length=MAXIMUM_WORD) != looked.fingerprint:
        return _values_page(page, looked, whole, begin, notice="changed_meanwhile")
    part = each_value(whole, begin)
    match optional(form, "answer", max_length=MAXIMUM_WORD):
        case "all":
            on = frozenset(whole.switch.attribute.values)
        case "none":
            on = frozenset()
        case "these":
            on = with_part(whole.switch, _ticked(part, form)).on
        case other:
            raise Refusal("my.answer", expected="these, all or none", found=other or "nothing")
    _keep(page, looked, (Switch(whole.switch.attribute, whole.switch.recommended, on),))
    return _back("my_values", looked, done="set", attribute=whole.switch.name, begin=str(begin))


def _ticked(part: Decided, form: Fields) -> Switch:
    boxes = {box: value for (box, _, _), value in zip(part.boxes(), part.switch.attribute.values, strict=True)}
    ticked = [one.value for one in form if one.name == "send"]
    if unknown := [box for box in ticked if box not in boxes]:
        raise Refusal("my.box", expected="a box of the page", found=unknown[0][:100])
    return Switch(part.switch.attribute, part.switch.recommended, frozenset(boxes[box] for box in ticked))


def _keep(page: OwnPage, looked: Looked, switches: tuple[Switch, ...]) -> None:
    """Raises `Denied` (``consent.beyond_bounds``) where the organisation does not leave it to people."""
    setting = Setting(looked.principal, looked.requester, switches, looked.purpose)
    page.choices.decide(setting, at=page.now(), by=looked.principal)


def _may_stop(page: OwnPage, looked: Looked) -> bool:
    return page.precedence().may_withhold() and not looked.spared and not looked.is_taken_back


def _attribute(looked: Looked, fields: Fields) -> Decided:
    name = one(fields, "attribute", max_length=MAXIMUM_NAME)
    found = looked.sheet.about(name)
    if found is None:
        raise Missing("my.unknown_attribute", expected="something about her that is hers to decide", found=name)
    return found


def _begin(fields: Fields) -> int:
    given = optional(fields, "begin", max_length=_NUMBER) or "0"
    if not (given.isascii() and given.isdigit()):
        raise Refusal("my.place", expected="a number", found=given)
    return int(given)


def _values_url(looked: Looked, decided: Decided, begin: int = 0) -> str:
    more = {"begin": str(begin)} if begin else {}
    return public_url_for("my_values", id=looked.requester.entity_id, attribute=decided.switch.name, **more)


def _back(endpoint: str, looked: Looked, **values: str) -> Response:
    location = public_url_for(endpoint, id=looked.requester.entity_id, **values)
    return Response(status=303, headers={"Location": location})
