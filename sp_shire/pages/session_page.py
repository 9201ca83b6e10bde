"""What a person's session looks like, for her and for programs. Values are shown only where the settings allow it."""

from datetime import datetime
from typing import Final

from ostiary.attributes import Attributes
from ostiary.federation.registry import Registry
from sp_shire.messages import Reply, Request
from sp_shire.pages.about import about, by_name
from sp_shire.pages.page import Page
from sp_shire.sessions.records import Session, Withheld
from sp_shire.sessions.visitor import Visitor
from sp_shire.shar.knowing import sources_of


class SessionPage:
    """Replies about a session."""

    def __init__(self, page: Page) -> None:
        self._page: Final = page

    def session_json(self, session: Session | None) -> Reply:
        """The session as JSON; 401 when there is none. Values are shown where the settings allow it, else how many there are."""
        if session is None:
            return self._page.json({"authenticated": False}, 401)
        known = session.knowledge
        content = {
            "authenticated": True,
            "idp": session.login.issuer,
            "authenticated_at": session.login.authenticated_at.isoformat(),
            "authn_context": session.login.authn_context,
            "started": session.started.isoformat(),
            "ends": session.ends.isoformat(),
            "idle_until": session.idle_until(self._page.settings.sessions.idle).isoformat(),
            "attributes": self._shown(known.attributes),
            "attributes_from": "query" if known.queried else "response",
            "attributes_at": known.at.isoformat(),
            "sources": [
                {
                    "authority": source.authority,
                    "way": source.way,
                    "attributes": sorted({attribute.name for attribute in source.attributes}),
                    "said_at": source.at.isoformat() if source.at is not None else None,
                    "asked_again_at": source.ask_again.isoformat() if source.ask_again is not None else None,
                    "problem": source.problem,
                }
                for source in sources_of(session.login, known)
            ],
            "not_accepted": _not_accepted(known.withheld),
        }
        return self._page.json(content, 200)

    def certificate_json(self, visitor: Visitor) -> Reply:
        """Who shows a certificate, and what is believed of it. Values as for a session."""
        person = visitor.person
        content = {
            "authenticated": True,
            "issuer": person.issuer,
            "subject": person.name_id,
            "authenticated_at": person.authenticated_at.isoformat(),
            "authn_context": person.authn_context,
            "attributes": self._shown(person.attributes),
            "not_accepted": _not_accepted(visitor.withheld),
        }
        return self._page.json(content, 200)

    def session_page(self, request: Request, session: Session, registry: Registry, now: datetime) -> Reply:
        """The same for people."""
        values = about(self._page, session.person(), session.knowledge.withheld, registry, now)
        sources = [
            {"said": source, "authority": registry.name_of(source.authority, now)}
            for source in sources_of(session.login, session.knowledge)
        ]
        refresh = self._page.addresses.handler("refresh") if session.knowledge.queried else ""
        return self._page.show(
            request,
            200,
            "sp_session.html",
            session=session,
            idle_until=session.idle_until(self._page.settings.sessions.idle),
            expiring=self._page.addresses.handler("expiring"),
            sources=sources,
            refresh=refresh,
            **values,
        )

    def _shown(self, attributes: Attributes) -> dict[str, object]:
        values = self._page.settings.show_attribute_values
        return {name: list(texts) if values else len(texts) for name, texts in by_name(attributes)}


def _not_accepted(withheld: Withheld) -> list[str]:
    return sorted({f"{name}: {reason}" for name, _, reason in withheld})
