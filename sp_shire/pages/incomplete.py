"""The page for somebody who signed in and about whom something is not known that this resource needs: what, from whom, whom to ask.

Decides nothing.
"""

from datetime import datetime
from typing import Final

from ostiary.federation.error_url import Happening
from ostiary.federation.registry import Registry
from ostiary.policy.acceptance_changes import Requirement
from ostiary.saml.attribute_names import wire_name
from ostiary.web.log import reference
from sp_shire.messages import Reply, Request
from sp_shire.pages.about import about_home, about_knowledge, home_of
from sp_shire.pages.page import Page, facts_of, prefers_json
from sp_shire.sessions.incomplete import AttributesMissing
from sp_shire.sessions.records import Withheld


class Incomplete:
    """Replies to those about whom too little is known."""

    def __init__(self, page: Page) -> None:
        self._page: Final = page

    def incomplete(self, request: Request, error: AttributesMissing, registry: Registry, now: datetime) -> Reply:
        """Signed in, and no session: which attributes are missing."""
        number = reference()
        known = error.known
        lacking = [list(requirement.any_of) for requirement in error.missing]
        self._page.log.info(
            "attributes_missing",
            reference=number,
            status=403,
            idp=error.issuer,
            missing=lacking,
            accepted=[f"{name}: {rule}" for name, rule in known.rules],
            withheld=sorted({f"{name}: {reason}" for name, _, reason in known.withheld}),
            asked_for=known.queried,
            **facts_of(request),
        )
        if prefers_json(request):
            message, remedy = self._page.error_texts(request, error)
            content = {"code": error.code, "message": message, "remedy": remedy, "reference": number}
            return self._page.json({"error": {**content, "missing": lacking}}, error.status)
        home = home_of(error.issuer, registry, now)
        names = list(dict.fromkeys(name for requirement in error.missing for name in requirement.any_of))
        entity_id = self._page.settings.entity_id
        happening = Happening("IDENTIFICATION_FAILURE", now, entity_id, number, " ".join(names))
        return self._page.show(
            request,
            error.status,
            "sp_incomplete.html",
            leads_away=True,
            switch=self._page.addresses.handler("switch"),
            target=error.target,
            needs=[_need(requirement, known.withheld) for requirement in error.missing],
            names=[(name, wire_name(name)) for name in names],
            error_page=home.error_page(happening),
            entity_id=entity_id,
            reference=number,
            at=now,
            wide=True,
            **about_home(self._page, home),
            **about_knowledge(self._page, known.attributes, known.withheld),
        )


def _need(requirement: Requirement, withheld: Withheld) -> dict[str, object]:
    told = any(name in requirement.any_of for name, _, _ in withheld)
    return {
        "names": requirement.any_of,
        "because": requirement.because,
        "told": "not_believed" if told else "nothing",
    }
