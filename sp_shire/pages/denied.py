"""The page for somebody who is signed in and not let in: which rule, what it asks for, what we know, whom to ask. Decides nothing."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from ostiary.federation.error_url import ErrorCode, Happening
from ostiary.federation.registry import Registry
from ostiary.policy.access import Check, Decision, Reason
from ostiary.saml import names
from ostiary.web.log import reference
from sp_shire.login.step_up import step_up
from sp_shire.messages import Reply, Request
from sp_shire.pages.about import about, home_of
from sp_shire.pages.page import Page, facts_of, prefers_json
from sp_shire.sessions.visitor import Visitor


class Denied:
    """Replies to those who are not let in."""

    def __init__(self, page: Page) -> None:
        self._page: Final = page

    def denied(
        self,
        request: Request,
        visitor: Visitor,
        decision: Decision,
        registry: Registry,
        target: str,
        now: datetime,
    ) -> Reply:
        """Logged in, and not allowed: which rule, what it asks for, what we know, whom to ask. ``target`` is the page at hand, for another
        account or a better login."""
        number = reference()
        reason = decision.reasons[0]
        self._page.log.info(
            "denied",
            reference=number,
            status=403,
            rule=reason.rule,
            reason=reason.code,
            missing=[
                f"{'not ' if check.negated else ''}{check.kind} {check.name} {check.expected}".strip()
                for check in reason.checks
                if not check.met
            ],
            idp=visitor.person.issuer,
            **facts_of(request),
        )
        if prefers_json(request):
            why = f"sp.denied_because.{reason.code.removeprefix('access.')}"
            message = reason.because or self._page.text(request, why)
            return self._page.json(
                {"error": {"code": "sp.denied", "message": message, "rule": reason.rule, "reference": number}}, 403
            )
        return self._page.show(
            request,
            403,
            "sp_denied.html",
            leads_away=True,
            switch=self._page.addresses.handler("switch"),
            again=self._again(visitor, decision),
            target=target,
            because=reason.because,
            reason=reason.code.removeprefix("access."),
            rule=reason.rule,
            one_is_enough=reason.one_is_enough and len(reason.checks) > 1,
            checks=[self._needed(request, check, visitor, registry, now) for check in reason.checks],
            missing=sorted({check.kind for check in reason.checks if not check.met and not check.negated}),
            error_page=self._error_page(reason, visitor, registry, number, now),
            entity_id=self._page.settings.entity_id,
            page=request.path[:200],
            reference=number,
            at=now,
            **about(self._page, visitor.person, visitor.withheld, registry, now),
        )

    def _again(self, visitor: Visitor, decision: Decision) -> str:
        """Where a login begins that would help; empty where none does: whoever came with a certificate has no home organisation that could
        ask anew."""
        helps = visitor.session is not None and step_up(decision, self._page.settings.login) is not None
        return self._page.addresses.handler("again") if helps else ""

    def _needed(
        self, request: Request, check: Check, visitor: Visitor, registry: Registry, now: datetime
    ) -> dict[str, object]:
        """One thing that the rule asks for, and what was said about it."""
        told = "values" if check.found else "nothing"
        if told == "values" and not self._page.settings.show_attribute_values:
            told = "count"
        if told == "nothing" and any(name == check.name for name, _, _ in visitor.withheld):
            told = "not_believed"
        from_attribute = check.kind in FROM_ATTRIBUTES
        expected, found = expected_in_words(check.expected), check.found
        if check.kind == "issuer":
            expected = ", ".join(registry.name_of(issuer, now) for issuer in check.expected.split(" | "))
            found = tuple(registry.name_of(issuer, now) for issuer in check.found)
        elif check.kind == "weekday":
            expected = ", ".join(self._weekday(request, day) for day in check.expected.split(" | "))
            found = tuple(self._weekday(request, day) for day in check.found)
        elif check.kind == "date":
            expected = self._dates(request, check.expected)
        elif check.kind == "authn_context":
            expected = ", ".join(self._way_of_signing_in(request, one) for one in check.expected.split(" | "))
            found = tuple(self._way_of_signing_in(request, one) for one in check.found)
        return {
            "kind": check.kind,
            "name": check.name,
            "from_attribute": from_attribute,
            "can_be_told": check.kind not in _CIRCUMSTANCES,
            "expected": expected,
            "as_written": expected_in_words(check.expected),
            "in_words": check.kind in _SAID_IN_WORDS,
            "found": found if told == "values" or not from_attribute else (),
            "count": len(check.found),
            "told": told,
            "met": check.met,
            "negated": check.negated,
        }

    def _weekday(self, request: Request, day: str) -> str:
        return self._page.text(request, f"sp.weekday.{day}")

    def _dates(self, request: Request, span: str) -> str:
        first, _, end = span.partition("/")
        part = "both" if first and end else "from" if first else "until"
        return self._page.text(request, f"sp.dates.{part}", first=first, end=end)

    def _way_of_signing_in(self, request: Request, context_class: str) -> str:
        known = _WAYS_OF_SIGNING_IN.get(context_class)
        return context_class if known is None else self._page.text(request, f"sp.signed_in_by.{known}")

    def _error_page(self, reason: Reason, visitor: Visitor, registry: Registry, number: str, now: datetime) -> str:
        """Where her home organisation explains what it can do about it; empty where it can do nothing, or has no such page."""
        unmet = [check for check in reason.checks if not check.met and not check.negated]
        attributes = [check.name for check in unmet if check.kind == "attribute"]
        contexts = [check.expected for check in unmet if check.kind == "authn_context"]
        code: ErrorCode = "AUTHORIZATION_FAILURE" if attributes else "AUTHENTICATION_FAILURE"
        if not attributes and not contexts:
            return ""
        context = " ".join(dict.fromkeys(attributes or contexts)).replace(" | ", " ")
        happening = Happening(code, now, self._page.settings.entity_id, number, context)
        return home_of(visitor.person.issuer, registry, now).error_page(happening)


FROM_ATTRIBUTES: Final = frozenset({"attribute", "fqan"})
"""Kinds of checks that look at what was told about a person."""

_CIRCUMSTANCES: Final = frozenset({"issuer", "time", "weekday", "date", "network"})
_SAID_IN_WORDS: Final = frozenset({"issuer", "weekday", "date", "authn_context"})
_WAYS_OF_SIGNING_IN: Final[Mapping[str, str]] = MappingProxyType(
    {
        names.PASSWORD: "password",
        names.PASSWORD_PROTECTED_TRANSPORT: "password",
        names.KERBEROS: "kerberos",
        names.TLS_CLIENT: "certificate",
        names.REFEDS_SFA: "one_factor",
        names.REFEDS_MFA: "two_factors",
    }
)


def expected_in_words(expected: str) -> str:
    """What an access rule wants of an attribute, without the policy language's own word for a plain comparison."""
    plain = expected.removeprefix("value: ").removeprefix("left: ")
    # A pattern may hold the bar itself.
    return plain if "pattern: " in plain else plain.replace(" | ", " or ")
