"""The terms of use as a step of a sign-on, and as a page that anybody may read."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from flask import Flask, Response

from idp.sign_on.endpoints import refuse_head
from idp.sign_on.sign_on import SignOn, see_other
from idp.sign_on.steps import Visit
from idp.terms.settings import Terms, digest_of, parts_of
from idp.terms.store import Acceptances
from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.protocol import Status
from ostiary.web import incoming
from ostiary.web.forms import one, optional
from ostiary.web.service import page, public_url_for, shell

PATH: Final = "/saml/sso/terms"
MAXIMUM_WORD: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class TermsStep:
    """Due for everybody who has not accepted the present version, wherever she is going."""

    sign_on: SignOn
    acceptances: Acceptances
    terms: Terms

    def is_due(self, visit: Visit) -> bool:
        """Whether she has to be asked. Raises `Unavailable`."""
        session = visit.session
        return session is not None and not self.acceptances.has_accepted(session.principal, self.terms.version)

    def show(self, visit: Visit) -> Response:
        """The redirect to the page."""
        return see_other("terms", ticket=visit.ticket or "")


def add_terms_pages(app: Flask, step: TermsStep) -> None:
    """The page that asks, where its form goes, and the page that only shows."""
    app.add_url_rule(PATH, "terms", partial(_show, step), methods=["GET"])
    app.add_url_rule(PATH, "terms_post", partial(_answered, step), methods=["POST"])
    app.add_url_rule("/terms", "terms_text", partial(_read, step), methods=["GET"])


def _show(step: TermsStep) -> Response:
    refuse_head()
    visit = step.sign_on.visit(incoming.query())
    return _page(step, visit) if _is_asked(step, visit) else step.sign_on.onward(visit)


def _read(step: TermsStep) -> Response:
    return _page(step, None)


def _answered(step: TermsStep) -> Response:
    form = incoming.form()
    visit = step.sign_on.visit(form, submitted=True)
    given = optional(form, "answer", max_length=MAXIMUM_WORD)
    if given not in ("accept", "refuse"):
        raise Refusal("consent.answer", expected="accept or refuse", found=given or "nothing")
    shown = one(form, "shown", max_length=MAXIMUM_WORD)
    if visit.session is None or not _is_asked(step, visit):
        return step.sign_on.onward(visit)
    principal = visit.session.principal
    if given == "refuse":
        step.sign_on.record("terms.refused", visit.now, principal, {"version": step.terms.version})
        return step.sign_on.refuse(visit, Status(names.RESPONDER, names.REQUEST_DENIED))
    # In whichever language she read them, but only a text of this version.
    read = next((language for language, text in step.terms.texts.items() if digest_of(text) == shown), None)
    if read is None:
        return _page(step, visit, notice="changed_meanwhile")
    step.acceptances.accept(principal, step.terms.version, language=read, digest=shown, at=visit.now)
    return step.sign_on.onward(visit)


def _is_asked(step: TermsStep, visit: Visit) -> bool:
    return step.sign_on.has_reached(step, visit) and step.is_due(visit)


def _page(step: TermsStep, visit: Visit | None, notice: str = "") -> Response:
    language, text = step.terms.in_language(incoming.language(shell().pages.catalogue))
    return page(
        "terms.html",
        home_url=public_url_for("home"),
        action=public_url_for("terms_post"),
        asks=visit is not None,
        ticket=visit.ticket if visit is not None else "",
        shown=digest_of(text),
        version=step.terms.version,
        text_language=language,
        parts_of_text=parts_of(text),
        notice=notice,
    )
