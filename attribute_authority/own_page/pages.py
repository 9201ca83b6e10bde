"""The person's pages: every resource that learned about her, what each would learn now and why, and what she wants instead.

Forms change something by POST alone and with a token; everything else only shows. Nothing here needs a script.
"""

import json
from functools import partial
from typing import Final

from flask import Flask, Response

from attribute_authority.own_page.download import everything_about
from attribute_authority.own_page.finding import MAXIMUM_TYPED
from attribute_authority.own_page.listed import MAXIMUM_SHOWN, resources_of
from attribute_authority.own_page.page import MAXIMUM_ENTITY_ID, OwnPage, her_page
from attribute_authority.own_page.releases import Told
from attribute_authority.own_page.resource import add_resource_pages
from ostiary.consent.personal import offered_rules, rule_in_force
from ostiary.errors import Refusal
from ostiary.policy.release.precedence import ALL_DEFAULTS
from ostiary.web import incoming
from ostiary.web.forms import one, optional
from ostiary.web.service import public_url_for, shell

MAXIMUM_WORD: Final = 64
HISTORY_ROWS: Final = 50
# Digits of a number that a database can hold.
_LONGEST_SERIAL: Final = 18
_DONE: Final = ("rule", "revoked")


def add_own_page(app: Flask, page: OwnPage) -> None:
    """``/my`` and everything below it."""
    app.add_url_rule("/my", "my", partial(_list, page), methods=["GET"])
    app.add_url_rule("/my/find", "my_find", partial(_find, page), methods=["GET"])
    app.add_url_rule("/my/default", "my_default", partial(_rule, page), methods=["GET"])
    app.add_url_rule("/my/default", "my_default_post", partial(_set_rule, page), methods=["POST"])
    app.add_url_rule("/my/revoke", "my_revoke", partial(_revoke, page), methods=["GET"])
    app.add_url_rule("/my/revoke", "my_revoke_post", partial(_revoke_all, page), methods=["POST"])
    app.add_url_rule("/my/history", "my_history", partial(_history, page), methods=["GET"])
    app.add_url_rule("/my/download", "my_download", partial(_download, page), methods=["GET"])
    add_resource_pages(app, page)


def _list(page: OwnPage) -> Response:
    principal = page.signed_in()
    query = incoming.query()
    wanted = " ".join((optional(query, "q", max_length=MAXIMUM_TYPED) or "").split())
    done = optional(query, "done", max_length=MAXIMUM_WORD)
    resources = resources_of(page, principal, incoming.language(shell().pages.catalogue))
    found = [one for one in resources.rows if all(word in one.words for word in wanted.casefold().split())]
    precedence = page.precedence()
    return her_page(
        "list.html",
        action=public_url_for("my"),
        find_url=public_url_for("my_find"),
        rule_url=public_url_for("my_default"),
        download_url=public_url_for("my_download"),
        revoke_url=public_url_for("my_revoke") if precedence.may_withhold() else "",
        done=done if done in _DONE else "",
        wanted=wanted,
        maximum=MAXIMUM_TYPED,
        anything=bool(resources.rows),
        count=len(found),
        left_out=max(0, len(found) - MAXIMUM_SHOWN),
        is_cut=resources.is_cut,
        rows=[(row, public_url_for("my_resource", id=row.entity_id)) for row in found[:MAXIMUM_SHOWN]],
        rule=rule_in_force(page.rules.said_by(principal), precedence, required=_asks_everywhere(page)),
    )


def _find(page: OwnPage) -> Response:
    """Straight to the resource, where there is no doubt which one is meant."""
    page.signed_in()
    typed = optional(incoming.query(), "q", max_length=MAXIMUM_TYPED) or ""
    entities = (entity for entity in page.registry().all(page.now()) if entity.entity_id != page.own_entity_id)
    found = page.finder.find(typed, entities)
    if found.certain is not None and len(found.certain.entity_id) <= MAXIMUM_ENTITY_ID:
        location = public_url_for("my_resource", id=found.certain.entity_id)
        return Response(status=303, headers={"Location": location})
    language = incoming.language(shell().pages.catalogue)
    return her_page(
        "find.html",
        action=public_url_for("my_find"),
        typed=typed,
        maximum=MAXIMUM_TYPED,
        closeness=found.closeness.name.lower() if found.closeness is not None else "",
        left_out=found.left_out,
        rows=[
            (entity.name(language), entity.entity_id, public_url_for("my_resource", id=entity.entity_id))
            for entity in found.resources
        ],
    )


def _asks_everywhere(page: OwnPage) -> bool:
    """Whether the organisation asks about every resource, so that a general rule of hers has no place."""
    return page.settings.mode == "required" and not page.settings.only_for


def _rule(page: OwnPage, problem: str = "") -> Response:
    principal = page.signed_in()
    precedence, asked = page.precedence(), _asks_everywhere(page)
    offered = offered_rules(precedence)
    return her_page(
        "rule.html",
        status=400 if problem else 200,
        action=public_url_for("my_default_post"),
        problem=problem,
        asked=asked,
        asked_for_some=page.settings.mode == "required" and not asked,
        offered=[rule for rule in ALL_DEFAULTS if rule in offered],
        recommended=offered[0],
        rule=rule_in_force(page.rules.said_by(principal), precedence, required=asked),
    )


def _set_rule(page: OwnPage) -> Response:
    form, principal = incoming.form(), page.signed_in()
    given = optional(form, "rule", max_length=MAXIMUM_WORD)
    rule = next((known for known in ALL_DEFAULTS if known == given), None)
    if rule is None:
        return _rule(page, problem="nothing_chosen")
    page.rules.say(principal, rule, at=page.now(), by=principal)
    return _to_list("rule")


def _revoke(page: OwnPage) -> Response:
    principal = page.signed_in()
    return her_page(
        "revoke.html",
        action=public_url_for("my_revoke_post"),
        back_url=public_url_for("my"),
        rule_url=public_url_for("my_default"),
        count=sum(choice.revoked_at is None for choice in page.choices.all_of(principal)),
        offers_asking=not _asks_everywhere(page) and "ask" in offered_rules(page.precedence()),
    )


def _revoke_all(page: OwnPage) -> Response:
    form, principal, now = incoming.form(), page.signed_in(), page.now()
    if one(form, "answer", max_length=MAXIMUM_WORD) != "revoke":
        raise Refusal("my.answer", expected="revoke", found="another word")
    asks = optional(form, "ask", max_length=MAXIMUM_WORD) is not None
    if asks and not _asks_everywhere(page):
        # First: should the other change fail, she is asked once too often rather than never.
        page.rules.say(principal, "ask", at=now, by=principal)
    ended = page.choices.revoke_all(principal, at=now, by=principal)
    # Where nothing changed, nothing is said to have.
    return _to_list("revoked" if ended or asks else "")


def _history(page: OwnPage) -> Response:
    principal = page.signed_in()
    given = optional(incoming.query(), "before", max_length=_LONGEST_SERIAL)
    if given is not None and not (given.isascii() and given.isdigit()):
        raise Refusal("my.place", expected="a number", found=given)
    found = page.trail.history(principal, before=int(given) if given is not None else None, limit=HISTORY_ROWS + 1)
    shown, now, language = found[:HISTORY_ROWS], page.now(), incoming.language(shell().pages.catalogue)
    registry = page.registry()

    def name(entity_id: str) -> str:
        entity = registry.get(entity_id, now)
        return entity.name(language) if entity is not None else entity_id

    return her_page(
        "history.html",
        rows=[(one, isinstance(one, Told), name(one.resource)) for one in shown if one.resource != page.own_entity_id],
        newest_url=public_url_for("my_history") if given is not None else "",
        older_url=public_url_for("my_history", before=str(shown[-1].serial)) if len(found) > HISTORY_ROWS else "",
    )


def _download(page: OwnPage) -> Response:
    principal, now = page.signed_in(), page.now()
    document = json.dumps(everything_about(page, principal, now), indent=2, ensure_ascii=False)
    answer = Response(document + "\n", content_type="application/json; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="about-me-{now:%Y-%m-%d}.json"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _to_list(done: str) -> Response:
    location = public_url_for("my", done=done) if done else public_url_for("my")
    return Response(status=303, headers={"Location": location})
