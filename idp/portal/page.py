"""The portal's page: for people of this organisation, with a search that needs no script."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from flask import Flask, Response

from idp.portal.catalogue import MAXIMUM_SHOWN, Entry, entries, grouped, search
from idp.portal.settings import PortalResource, PortalSettings
from idp.sign_on.endpoints import refuse_head
from idp.sign_on.sign_on import SignOn
from ostiary.config import Holder
from ostiary.web import incoming
from ostiary.web.forms import optional
from ostiary.web.service import page, public_url_for, shell

MAXIMUM_SEARCH: Final = 100

Described = tuple[tuple[PortalResource, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Portal:
    """The page and what it works with; ``described`` follows its file."""

    sign_on: SignOn
    settings: PortalSettings
    described: Holder[Described]


def make_portal(sign_on: SignOn, settings: PortalSettings) -> Portal:
    """Raises `ConfigurationError` where the file of resources can't be used."""
    return Portal(sign_on, settings, Holder(settings.described))


def add_portal(app: Flask, portal: Portal) -> None:
    """``/portal``."""
    app.add_url_rule("/portal", "portal", partial(_show, portal), methods=["GET"])


def _show(portal: Portal) -> Response:
    refuse_head()
    wanted = " ".join((optional(incoming.query(), "q", max_length=MAXIMUM_SEARCH) or "").split())
    session = portal.sign_on.require("portal")
    if isinstance(session, Response):
        return session
    now = portal.sign_on.now()
    problem = portal.described.poll(now)
    if problem is not None:
        # What was in force stays in force.
        shell().log.error("portal_resources_refused", problem=str(problem))
    language = incoming.language(shell().pages.catalogue)
    everything = entries(portal.settings, portal.described.value, portal.sign_on.registry().all(now), language)
    found = search(everything, wanted)
    return page(
        "portal.html",
        wide=True,
        home_url=public_url_for("home"),
        action=public_url_for("portal"),
        wanted=wanted,
        maximum=MAXIMUM_SEARCH,
        anything=bool(everything),
        count=len(found),
        left_out=max(0, len(found) - MAXIMUM_SHOWN),
        groups=[
            (group, [(entry, start_url(entry)) for entry in members])
            for group, members in grouped(found[:MAXIMUM_SHOWN]).items()
        ],
    )


def start_url(entry: Entry) -> str:
    """Where a sign-on to this resource begins at home; its own page, where the sign-on has to begin there."""
    if entry.is_plain and entry.target is not None:
        return entry.target
    target = {"target": entry.target} if entry.target is not None else {}
    return public_url_for("sso_unsolicited", providerId=entry.entity_id, **target)
