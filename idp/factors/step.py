"""The second factor as a step of a sign-on: whether one is due, the page that asks for it, and what is typed in there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from flask import Flask, Response, jsonify, request

from idp.factors.passkeys import MAXIMUM_CREDENTIAL, read_presented
from idp.factors.rules import IF_ENROLLED, Due, Facts, Rule, decide, due
from idp.factors.second_factors import SecondFactors
from idp.login.contexts import PRIMARY, SECOND, achieved, choose, counted
from idp.sessions.session import LoginProof, SsoSession
from idp.sign_on.endpoints import refuse_head
from idp.sign_on.sign_on import see_other
from idp.sign_on.steps import Visit
from ostiary.config.derived import Once
from ostiary.errors import Denied, NotAuthenticated, Refusal
from ostiary.saml import names
from ostiary.saml.protocol import Status
from ostiary.web import incoming
from ostiary.web.forms import Fields, one, optional
from ostiary.web.log import reference
from ostiary.web.service import asset_url, page, public_url_for, shell

MAXIMUM_CODE: Final = 64
FRESH: Final = timedelta(minutes=10)
"""How long ago she may have signed in, to change her factors or set up her first."""


class Verdict(NamedTuple):
    """What is due by which rule. ``requested``: because the SP asked for it, not because a rule wants it."""

    due: Due
    rule: Rule
    requested: bool = False


_NOTHING: Final = Verdict("nothing", Rule("never"))


@dataclass(frozen=True, slots=True, eq=False)
class SecondFactorStep:
    """The `Step` after the login."""

    second: SecondFactors

    def is_due(self, visit: Visit) -> bool:
        """Whether she has to prove a second factor, or to set one up. Raises `Unavailable`."""
        return self.verdict(visit).due != "nothing"

    def show(self, visit: Visit) -> Response:
        """The redirect to the page; the refusal where she has none and may not set one up now.

        Raises `Denied` (``factor.required``).
        """
        verdict = self.verdict(visit)
        match verdict.due:
            case "ask":
                return see_other("second_factor", ticket=visit.ticket or "")
            case "enrol" if self.may_enrol(visit):
                return see_other("factor_enrol", ticket=visit.ticket or "")
            case "enrol":
                return self._log_in_first(visit)
        if verdict.requested:
            return self.second.sign_on.refuse(visit, Status(names.RESPONDER, names.NO_AUTHN_CONTEXT))
        raise Denied("factor.required", expected="a second factor", found="none that is set up")

    def verdict(self, visit: Visit) -> Verdict:
        """What has to come before the answer, and by which rule."""
        session, asked, now = visit.session, visit.asked, visit.now
        if session is None:
            return _NOTHING
        ids = Once(partial(self.second.factors.ids, session.principal))
        proven = max([proof.at for proof in counted(session, asked) if proof.method in SECOND], default=None)
        rule = self._rule(visit, session)
        requested = self._is_requested(visit, session)
        if requested:
            rule, proven = replace(rule, ask="required", remember=False), None

        def remembered() -> datetime | None:
            # Who must prove anew who she is, must do it altogether.
            if _must_be_new(visit):
                return None
            mark = self.second.mark(session.principal, ids, now)
            return mark.at if mark is not None and self.second.is_spared(mark, now) else None

        what = due(rule, proven=proven, remembered=remembered, enrolled=lambda: bool(ids()), now=now)
        return Verdict(what, rule, requested)

    def may_enrol(self, visit: Visit) -> bool:
        """Whether she logged in lately enough to set up her first factor: a computer that she left must not do for that."""
        proofs = visit.session.proofs if visit.session is not None else ()
        return any(proof.method in PRIMARY and visit.now - proof.at <= FRESH for proof in proofs)

    def _log_in_first(self, visit: Visit) -> Response:
        """To the login page: from now on this sign-on wants a fresh login."""
        sign_on = self.second.sign_on
        asked = visit.asked._replace(fresh_since=visit.now - FRESH)
        ticket = sign_on.tickets.issue_to_browser(asked, sign_on.cookies.keep_browser_token(), visit.now)
        return see_other("sso_login", ticket=ticket)

    def may_be_spared(self, visit: Visit, rule: Rule) -> bool:
        """Whether to offer that this browser is spared."""
        return rule.remember and not _must_be_new(visit) and self.second.spared_for is not None

    def _rule(self, visit: Visit, session: SsoSession) -> Rule:
        rules = self.second.rules
        # Nothing has to be known where there is nothing to choose from.
        rule = self._decided(rules, visit, session) if rules else IF_ENROLLED
        if rule.ask == "never" and visit.sp is None and visit.asked.fresh_since is not None:
            # A page on which an account can be taken over: whoever has a second factor is protected by it.
            return replace(rule, ask="if_enrolled")
        return rule

    def _decided(self, rules: Sequence[Rule], visit: Visit, session: SsoSession) -> Rule:
        person = Once(partial(self.second.own_attributes, session.principal))
        entity = visit.sp
        known_browser = any(rule.new_browser is not None for rule in rules) and (
            self.second.mark(session.principal, partial(self.second.factors.ids, session.principal), visit.now)
            is not None
        )
        facts = Facts(
            sp=entity.entity_id if entity is not None else None,
            entity_attributes=entity.entity_attributes if entity is not None else (),
            entity_categories=entity.entity_categories if entity is not None else (),
            known_browser=known_browser,
            address=request.remote_addr or "",
        )
        return decide(rules, facts, person)

    def _is_requested(self, visit: Visit, session: SsoSession) -> bool:
        """Whether the SP asked for what a second factor would add to this session."""
        requested = visit.asked.requested_context
        if requested is None:
            return False
        assurance = self.second.sign_on.rules.assurance
        proofs = counted(session, visit.asked)
        with_factor = (*proofs, LoginProof("totp", visit.now))
        return (
            choose(requested, achieved(proofs, assurance)) is None
            and choose(requested, achieved(with_factor, assurance)) is not None
        )


def add_second_factor(app: Flask, step: SecondFactorStep) -> None:
    """The page that asks for a second factor, and where it goes."""
    add = app.add_url_rule
    add("/login/second-factor", "second_factor", partial(_show, step), methods=["GET"])
    add("/login/second-factor", "second_factor_post", partial(_prove, step), methods=["POST"])
    add("/login/second-factor/passkey", "second_factor_options", partial(_options, step), methods=["POST"])


def _show(step: SecondFactorStep) -> Response:
    """The page, or straight on when she proved it meanwhile in another window."""
    refuse_head()
    visit = step.second.sign_on.visit(incoming.query())
    verdict = step.verdict(visit)
    if visit.session is None or verdict.due != "ask":
        return step.second.sign_on.onward(visit)
    return _form(step, visit, visit.session, verdict.rule)


def _options(step: SecondFactorStep) -> Response:
    """What the browser needs for a passkey of this person, as JSON."""
    second = step.second
    visit = second.sign_on.visit(incoming.form(), submitted=True)
    if visit.session is None:
        raise NotAuthenticated("factor.no_session", expected="somebody who logged in", found="nobody")
    challenge = second.challenges.issue("second_factor", _bound(visit), visit.now)
    return jsonify(second.party.request_options(second.factors.passkeys(visit.session.principal), challenge))


def _prove(step: SecondFactorStep) -> Response:
    """Checks what was typed in, or what a passkey answered. A wrong one shows the page again."""
    form = incoming.form()
    visit = step.second.sign_on.visit(form, submitted=True)
    verdict = step.verdict(visit)
    if visit.session is None or verdict.due != "ask":
        # The other half of a double click, or a window that was overtaken.
        return step.second.sign_on.onward(visit)
    kind = one(form, "kind", max_length=16)
    if kind not in _CHECKS:
        raise Refusal("factor.kind", expected=", ".join(_CHECKS), found=kind)
    try:
        _CHECKS[kind](step.second, visit, visit.session, form)
    except NotAuthenticated as error:
        return _rejected(step, visit, visit.session, verdict.rule, kind, error)
    wanted = optional(form, "remember", max_length=8) == "yes"
    spared = wanted and step.may_be_spared(visit, verdict.rule)
    step.second.leave_mark(visit.session.principal, spared=spared, now=visit.now)
    return step.second.sign_on.logged_in(visit, visit.session.principal, kind)


def _check_totp(second: SecondFactors, visit: Visit, session: SsoSession, form: Fields) -> None:
    code = one(form, "code", max_length=MAXIMUM_CODE)
    attempt = second.attempt(session.principal, visit.now)
    second.attempts.count(attempt, visit.now)
    outcome = second.factors.use_totp(session.principal, code, now=visit.now)
    if outcome != "right":
        code_text = "factor.code_used" if outcome == "replayed" else "factor.wrong_code"
        raise NotAuthenticated(code_text, expected="the present code, once", found=outcome)
    second.attempts.succeeded(attempt, visit.now)


def _check_recovery_code(second: SecondFactors, visit: Visit, session: SsoSession, form: Fields) -> None:
    code = one(form, "code", max_length=MAXIMUM_CODE)
    attempt = second.attempt(session.principal, visit.now)
    second.attempts.count(attempt, visit.now)
    if second.codes.use(session.principal, code, at=visit.now) is None:
        raise NotAuthenticated("factor.wrong_recovery_code", expected="an unused recovery code", found="none of hers")
    second.attempts.succeeded(attempt, visit.now)
    second.tell("recovery_code_used", session.principal)


def _check_passkey(second: SecondFactors, visit: Visit, session: SsoSession, form: Fields) -> None:
    text = one(form, "credential", max_length=MAXIMUM_CREDENTIAL)
    try:
        check_passkey(
            second, text, second.challenges.take("second_factor", _bound(visit), visit.now), session.principal
        )
    except Refusal as error:
        raise _not_accepted(error) from error


def check_passkey(second: SecondFactors, text: str, challenge: bytes, principal: str | None) -> str:
    """Whose passkey answered this challenge: ``principal``'s, if given. Notes its use.

    Raises `Refusal` (``passkey.*``) for anything that is not a good answer of a passkey that is registered here.
    """
    presented = read_presented(text)
    stored = second.factors.passkey(presented.credential_id)
    if stored is None or (principal is not None and stored.principal != principal):
        raise Refusal("passkey.unknown", expected="a passkey of this person", found="another")
    if principal is None and presented.user_handle is None:
        # WebAuthn 7.2, step 6: who was not identified before is identified by the authenticator.
        raise Refusal("passkey.unknown", expected="a user handle", found="none")
    now = second.sign_on.now()
    if not second.factors.use_passkey(stored, second.party.asserted(presented, challenge, stored), at=now):
        raise Refusal("passkey.fell_behind", expected="a counter that rises", found=f"not above {stored.sign_count}")
    return stored.principal


_CHECKS: Final = {"totp": _check_totp, "recovery_code": _check_recovery_code, "passkey": _check_passkey}


def _not_accepted(error: Refusal) -> NotAuthenticated:
    return NotAuthenticated(error.code, expected=error.expected, found=error.found)


def _rejected(
    step: SecondFactorStep, visit: Visit, session: SsoSession, rule: Rule, kind: str, error: NotAuthenticated
) -> Response:
    number = reference()
    facts = {"by": kind, "reason": error.code, "for": visit.asked.sp or visit.asked.then}
    step.second.sign_on.record("login.failed", visit.now, session.principal, facts, number=number)
    shell().log.info(
        "second_factor_failed",
        reference=number,
        code=error.code,
        expected=error.expected,
        found=error.found,
        client=request.remote_addr,
    )
    return _form(step, visit, session, rule, kind=kind, error=error, number=number)


def _form(
    step: SecondFactorStep,
    visit: Visit,
    session: SsoSession,
    rule: Rule,
    *,
    kind: str = "",
    error: NotAuthenticated | None = None,
    number: str | None = None,
) -> Response:
    second = step.second
    catalogue = shell().pages.catalogue
    language = incoming.language(catalogue)
    message, remedy = catalogue.error(language, error) if error is not None else ("", "")
    kinds = {known.kind for known in second.factors.of(session.principal)}
    spared = second.spared_for if step.may_be_spared(visit, rule) else None
    return page(
        "factors/second_factor.html",
        status=error.status if error is not None else 200,
        own_scripts=True,
        home_url=public_url_for("home"),
        action=public_url_for("second_factor_post"),
        script=asset_url(second.script),
        options=public_url_for("second_factor_options"),
        ticket=visit.ticket,
        resource=visit.sp.name(language) if visit.sp is not None else shell().service_name,
        has_totp="totp" in kinds,
        has_passkey="passkey" in kinds,
        has_codes=second.codes.state(session.principal).left > 0,
        spared_days=max(1, spared.days) if spared is not None else None,
        kind=kind,
        message=message,
        remedy=remedy,
        reference=number,
        at=visit.now if number is not None else None,
    )


def _must_be_new(visit: Visit) -> bool:
    return visit.asked.force_authn or visit.asked.fresh_since is not None


def _bound(visit: Visit) -> str:
    return visit.ticket or ""
