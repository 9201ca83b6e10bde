"""A person's own list of what she agreed to: for which resource, since when; changed and taken back there."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from flask import Flask, Response

from idp.consent.offer import required_by
from idp.consent.settings import ConsentPageSettings
from idp.consent.step import MAXIMUM_WORD, MODES, mode_of, names_in
from idp.sessions.session import SsoSession
from idp.sign_on.endpoints import refuse_head
from idp.sign_on.sign_on import SignOn
from ostiary.consent.choices import AttributeChoice, Choice
from ostiary.consent.personal import PrecedenceAt
from ostiary.consent.store import Choices, choice_key
from ostiary.errors import Missing, Refusal
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE
from ostiary.web import incoming
from ostiary.web.forms import Fields, one, optional
from ostiary.web.service import page, public_url_for, shell

_DONE: Final = ("changed", "revoked")


@dataclass(frozen=True, slots=True)
class Row:
    """One resource on the page. ``attributes``: what she said about each, and whether the resource can't do without it."""

    key: str
    resource: str
    entity_id: str
    is_known: bool
    choice: Choice
    attributes: tuple[tuple[AttributeChoice, bool], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ConsentList:
    """The page and what it works with. ``precedence`` says what the organisation leaves to people; ``own_page_url`` is where she sees and
    sets more, if anywhere."""

    sign_on: SignOn
    choices: Choices
    settings: ConsentPageSettings
    precedence: PrecedenceAt = lambda at: DEFAULT_PRECEDENCE
    own_page_url: str | None = None

    @property
    def chooses(self) -> bool:
        """Whether what she leaves out here stays."""
        return self.precedence(self.sign_on.now()).may_withhold()


def add_consent_list(app: Flask, listed: ConsentList) -> None:
    """``/account/consents`` and its two forms."""
    app.add_url_rule("/account/consents", "account_consents", partial(_show, listed), methods=["GET"])
    app.add_url_rule("/account/consents/change", "account_consents_change", partial(_change, listed), methods=["POST"])
    app.add_url_rule("/account/consents/revoke", "account_consents_revoke", partial(_revoke, listed), methods=["POST"])


def _show(listed: ConsentList) -> Response:
    refuse_head()
    session = listed.sign_on.require("account_consents")
    if isinstance(session, Response):
        return session
    done = optional(incoming.query(), "done", max_length=MAXIMUM_WORD)
    rows = [_row(listed, choice) for choice in listed.choices.all_of(session.principal)]
    lifetime, now = listed.settings.lifetime if listed.settings.mode != "off" else None, listed.sign_on.now()
    return page(
        "consents.html",
        wide=True,
        home_url=public_url_for("home"),
        change_url=public_url_for("account_consents_change"),
        revoke_url=public_url_for("account_consents_revoke"),
        done=done if done in _DONE else "",
        chooses=listed.chooses,
        asks=listed.settings.mode != "off",
        own_page_url=listed.own_page_url,
        modes=[mode.value for mode in MODES],
        rows=[row for row in rows if row.choice.holds_at(now, lifetime)],
        past=[row for row in rows if not row.choice.holds_at(now, lifetime)],
    )


def _change(listed: ConsentList) -> Response:
    form = incoming.form()
    session = listed.sign_on.require("account_consents")
    if isinstance(session, Response):
        return session
    choice, mode, ticked = _chosen(listed, session, form), mode_of(form), names_in(form, "release")
    row = _row(listed, choice)
    known = {said.name for said, _ in row.attributes}
    if not ticked <= known:
        raise Refusal(
            "consent.attribute", expected="attributes of the list", found=", ".join(sorted(ticked - known))[:300]
        )
    if listed.chooses:
        # Who no longer wants to tell what a resource can't do without takes her word back as a whole.
        allowed = ticked | {said.name for said, required in row.attributes if said.allowed and required}
    else:
        allowed = frozenset(choice.names(allowed=True))
    listed.choices.change(
        session.principal,
        choice.entity_id,
        mode=mode,
        allowed=frozenset(allowed),
        at=listed.sign_on.now(),
        by=session.principal,
    )
    return _back("changed")


def _revoke(listed: ConsentList) -> Response:
    form = incoming.form()
    session = listed.sign_on.require("account_consents")
    if isinstance(session, Response):
        return session
    choice = _chosen(listed, session, form)
    listed.choices.revoke(session.principal, choice.entity_id, at=listed.sign_on.now(), by=session.principal)
    return _back("revoked")


def _chosen(listed: ConsentList, session: SsoSession, form: Fields) -> Choice:
    """Hers alone: whoever brings the key of somebody else's choice finds nothing. Raises `Missing` (``consent.unknown``)."""
    key = one(form, "choice", max_length=MAXIMUM_WORD)
    for choice in listed.choices.all_of(session.principal):
        if choice_key(choice.principal, choice.entity_id) == key:
            return choice
    raise Missing("consent.unknown", expected="something that she agreed to", found="a key that is none of hers")


def _row(listed: ConsentList, choice: Choice) -> Row:
    sp = listed.sign_on.registry().get(choice.entity_id, listed.sign_on.now())
    required = required_by(sp).at(None) if sp is not None else frozenset[str]()
    language = incoming.language(shell().pages.catalogue)
    return Row(
        key=choice_key(choice.principal, choice.entity_id),
        resource=sp.name(language) if sp is not None else choice.entity_id,
        entity_id=choice.entity_id,
        is_known=sp is not None,
        choice=choice,
        attributes=tuple((found, found.name in required) for found in choice.attributes),
    )


def _back(done: str) -> Response:
    return Response(status=303, headers={"Location": public_url_for("account_consents", done=done)})
