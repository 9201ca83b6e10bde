"""The consent page as a step of a sign-on: whether she has to be asked, what she is shown, and what she answers."""

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, NamedTuple

from flask import Flask, Response

from idp.consent.offer import Required, fingerprint, logo_of, offered_by, required_by
from idp.consent.settings import ConsentPageSettings
from idp.sessions.session import SsoSession
from idp.sign_on.endpoints import refuse_head
from idp.sign_on.sign_on import SignOn, see_other
from idp.sign_on.steps import Visit
from ostiary.config.derived import Derived
from ostiary.consent.choices import (
    Answer,
    Choice,
    Mode,
    Offered,
    Purpose,
    Reason,
    Why,
    askable,
    must_ask,
    refused_though_required,
)
from ostiary.consent.personal import PrecedenceAt, asks_herself
from ostiary.consent.purpose import purpose_of
from ostiary.consent.store import Choices
from ostiary.errors import Refusal
from ostiary.federation.model import Entity
from ostiary.policy.release.precedence import DEFAULT_PRECEDENCE
from ostiary.ports import Release
from ostiary.saml import names
from ostiary.saml.protocol import Status
from ostiary.web import incoming
from ostiary.web.forms import Fields, one, optional
from ostiary.web.service import page, public_url_for, shell

PATH: Final = "/saml/sso/consent"
MAXIMUM_NAME: Final = 256
MAXIMUM_WORD: Final = 64

MODES: Final = (Mode.ASK_WHEN_CHANGED, Mode.REMEMBER, Mode.ASK_ALWAYS)
"""In the order of the page; the first is suggested."""


class _Here(NamedTuple):
    """What holds for everybody at one resource: `ConsentPageSettings` and its metadata say so."""

    spares: bool
    asks: bool
    binds: bool
    always: bool
    purpose: Purpose
    required: Required


def _at(settings: ConsentPageSettings, sp: Entity) -> _Here:
    name, categories = sp.entity_id, sp.entity_categories
    return _Here(
        settings.spares(name, categories),
        settings.concerns(name, categories),
        settings.binds(name, categories),
        settings.asks_always(name, categories),
        purpose_of(sp),
        required_by(sp),
    )


class _NothingToAsk(NamedTuple):
    """That there was nothing to ask about an answer of the Attribute Authority, what it follows from beside that answer, and what was
    ``offered``."""

    here: _Here
    stored: Choice
    offered: tuple[Offered, ...]


class Question(NamedTuple):
    """What one person is asked about one resource; ``reason`` None: nothing. ``informs``: she is told, and leaves nothing out."""

    session: SsoSession
    sp: Entity
    offered: tuple[Offered, ...]
    purpose: Purpose
    stored: Choice | None
    reason: Reason | None
    informs: bool = False

    @property
    def fingerprint(self) -> str:
        """Of what is shown, and to whom."""
        return fingerprint(self.session.principal, self.offered)


@dataclass(frozen=True, slots=True, eq=False)
class ConsentStep:
    """The last `Step`: nothing but the answer comes after it. ``precedence`` says what the organisation leaves to people."""

    sign_on: SignOn
    choices: Choices
    settings: ConsentPageSettings
    precedence: PrecedenceAt = lambda at: DEFAULT_PRECEDENCE
    _here: Derived[_Here] = field(default_factory=lambda: Derived(_at), init=False)

    def is_due(self, visit: Visit) -> bool:
        """Whether she has to be asked. Raises `Unavailable`, and `Missing` when nobody may speak of her."""
        question = self.question(visit)
        return question is not None and question.reason is not None

    def show(self, visit: Visit) -> Response:
        """The redirect to the page."""
        return see_other("consent", ticket=visit.ticket or "")

    def question(self, visit: Visit) -> Question | None:
        """What she is asked at this visit; None where nobody is ever asked. Raises as `is_due`."""
        session, sp = visit.session, visit.sp
        if session is None or sp is None:
            return None
        here = self._here(self.settings, sp)
        if here.spares:
            return None
        wants = not here.binds and self._wants_to_be_asked(visit, session, sp)
        if not here.asks and not wants:
            return None
        informs = not self.precedence(visit.now).may_withhold() or (self.settings.mode == "inform" and not wants)
        release = visit.release()
        settled = self._settled(visit, session, release, here, informs=informs)
        if settled is not None:
            return Question(session, sp, settled.offered, here.purpose, settled.stored, None, informs)
        offered = offered_by(release, here.required.at(visit.asked.attribute_index))
        if informs:
            # She is told, and leaves nothing out: what is required makes no difference.
            offered = tuple([Offered(one.attribute) for one in offered])
        stored, digests = None, None
        if offered:
            stored, digests = self.choices.latest_after(release.wish, session.principal, sp.entity_id)
        offered, visit_id = askable(stored, offered, digests), _visit_id(visit)
        reason = must_ask(
            stored,
            offered,
            here.purpose,
            visit.now,
            lifetime=self.settings.lifetime,
            always=here.always,
            visit=visit_id,
            digests=digests,
        )
        if (
            release.conclusions is not None
            and reason is None
            and stored is not None
            # What she said in this very sign-on leaves nothing to ask in it, and maybe something in the next.
            and (not visit_id or visit_id != stored.visit)
        ):
            release.conclusions.keep(_about(visit, informs=informs), _NothingToAsk(here, stored, offered))
        return Question(session, sp, offered, here.purpose, stored, reason, informs)

    def _settled(
        self, visit: Visit, session: SsoSession, release: Release, here: _Here, *, informs: bool
    ) -> _NothingToAsk | None:
        """That there was nothing to ask about this very answer, if that is still so."""
        kept: _NothingToAsk | None = None
        if release.conclusions is not None:
            kept = release.conclusions.get(_about(visit, informs=informs))
        if kept is None or kept.here is not here or not kept.stored.holds_at(visit.now, self.settings.lifetime):
            return None
        stored, _ = self.choices.latest_after(release.wish, session.principal, kept.stored.entity_id)
        return kept if stored == kept.stored else None

    def _wants_to_be_asked(self, visit: Visit, session: SsoSession, sp: Entity) -> bool:
        """Whether she is asked because she wants to be. Costs nothing where what leaves is found out anyway and she never set anything."""
        if self.sign_on.settings().sends_attributes_to(sp) and not visit.release().has_her_say:
            return False
        return asks_herself(self.choices.personal(session.principal, sp.entity_id), self.precedence(visit.now))


def add_consent_page(app: Flask, step: ConsentStep) -> None:
    """The page, and where its form goes."""
    app.add_url_rule(PATH, "consent", partial(_show, step), methods=["GET"])
    app.add_url_rule(PATH, "consent_post", partial(_answered, step), methods=["POST"])


def _show(step: ConsentStep) -> Response:
    """The page, or straight on when she answered meanwhile in another window."""
    refuse_head()
    visit = step.sign_on.visit(incoming.query())
    question = step.question(visit) if step.sign_on.has_reached(step, visit) else None
    if question is None or question.reason is None:
        return step.sign_on.onward(visit)
    return _page(step, visit, question, question.reason)


def _answered(step: ConsentStep) -> Response:
    """Keeps the answer and goes on. What is about to go may have changed since she saw it: then she is asked about that."""
    form = incoming.form()
    visit = step.sign_on.visit(form, submitted=True)
    accepts = _answer(form)
    question = step.question(visit) if step.sign_on.has_reached(step, visit) else None
    if question is None or question.reason is None:
        return step.sign_on.onward(visit)
    if not accepts:
        return _refused(step, visit, question)
    mode, allowed = mode_of(form), names_in(form, "release")
    if one(form, "shown", max_length=MAXIMUM_WORD) != question.fingerprint:
        return _page(step, visit, question, question.reason, notice="changed_meanwhile")
    told = Answer(
        principal=question.session.principal,
        entity_id=question.sp.entity_id,
        mode=mode,
        shown=question.offered,
        allowed=_allowed(question, allowed),
        purpose=question.purpose.read_in(incoming.language(shell().pages.catalogue)),
        visit=_visit_id(visit),
    )
    if refused_though_required(told):
        return _page(step, visit, question, question.reason, notice="required")
    step.choices.give(told, at=visit.now, by=question.session.principal)
    # Asked for anew: what may leave depends on what she just said.
    return step.sign_on.onward(step.sign_on.visit(form, submitted=True))


def _refused(step: ConsentStep, visit: Visit, question: Question) -> Response:
    facts = {"for": question.sp.entity_id}
    step.sign_on.record("consent.refused", visit.now, question.session.principal, facts)
    return step.sign_on.refuse(visit, Status(names.RESPONDER, names.REQUEST_DENIED))


def _allowed(question: Question, ticked: frozenset[str]) -> frozenset[str]:
    """The names that may go. Required ones have no box to tick; a name that the page does not have is forged."""
    offered = question.offered
    known = frozenset(one.name for one in offered)
    if not ticked <= known:
        raise Refusal(
            "consent.attribute", expected="attributes of the page", found=", ".join(sorted(ticked - known))[:300]
        )
    if question.informs:
        return known
    return ticked | {one.name for one in offered if one.required}


def mode_of(form: Fields) -> Mode:
    """When to ask again. Raises `Refusal` (``consent.mode``)."""
    given = one(form, "mode", max_length=MAXIMUM_WORD)
    if given not in [mode.value for mode in Mode]:
        raise Refusal("consent.mode", expected=", ".join(mode.value for mode in Mode), found=given)
    return Mode(given)


def names_in(form: Fields, field: str) -> frozenset[str]:
    """The names of the boxes that are ticked; the only field that may stand there more than once. Raises `Refusal`."""
    found = [given.value for given in form if given.name == field]
    if any(not 0 < len(name) <= MAXIMUM_NAME for name in found):
        raise Refusal("consent.attribute", expected=f"1 to {MAXIMUM_NAME} characters", found="another length")
    return frozenset(found)


def _answer(form: Fields) -> bool:
    given = optional(form, "answer", max_length=MAXIMUM_WORD)
    match given:
        case "accept":
            return True
        case "refuse":
            return False
    raise Refusal("consent.answer", expected="accept or refuse", found=given or "nothing")


def _about(visit: Visit, *, informs: bool) -> tuple[int | None, bool]:
    """What makes another question of the same answer: what is required, and whether that counts."""
    return visit.asked.attribute_index, informs


def _visit_id(visit: Visit) -> str:
    """Names this sign-on in what is kept; empty while nothing has stood in its way."""
    return hashlib.sha256(visit.asked.turn.encode()).hexdigest() if visit.asked.turn else ""


_Notice = Literal["", "changed_meanwhile", "required"]


def _page(step: ConsentStep, visit: Visit, question: Question, reason: Reason, notice: _Notice = "") -> Response:
    language = incoming.language(shell().pages.catalogue)
    sp, stored = question.sp, question.stored
    logo = logo_of(sp, language, step.settings.logos)
    read = question.purpose.read_in(language)
    withheld = stored.names(allowed=False) if stored is not None and stored.revoked_at is None else ()
    informs = question.informs
    return page(
        "consent.html",
        images=logo.origin if logo is not None else "",
        home_url=public_url_for("home"),
        action=public_url_for("consent_post"),
        list_url=public_url_for("account_consents"),
        ticket=visit.ticket,
        shown=question.fingerprint,
        resource=sp.name(language),
        description=read.text,
        description_language=read.text_language,
        privacy_url=read.url,
        logo=logo,
        reason=reason.why.value if reason.why is not Why.FIRST_VISIT else "",
        about=reason.attributes,
        notice=notice,
        informs=informs,
        needed=[one.attribute for one in question.offered if one.required or informs],
        optional=[
            (one.attribute, one.name not in withheld) for one in question.offered if not (one.required or informs)
        ],
        modes=[mode.value for mode in MODES],
        mode=(stored.mode if stored is not None else MODES[0]).value,
        always=step.settings.asks_always(sp.entity_id, sp.entity_categories),
    )
