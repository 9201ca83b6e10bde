"""How a browser is sent off to log in. Decides nothing."""

from datetime import datetime

from sp_shire.login.asking import Leaving
from sp_shire.messages import Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.snapshot import Snapshot


def leave(
    replies: Replies,
    request: Request,
    leaving: Leaving,
    snapshot: Snapshot,
    now: datetime,
    *,
    cookies: tuple[str, ...] = (),
) -> Reply:
    """By redirect, which after a form must be a GET, or by a form that submits itself; with more ``cookies`` to set."""
    way = leaving.way
    if way.fields:
        home = snapshot.registry.name_of(leaving.destination, now)
        return replies.departure(request, way, home, (*leaving.cookies, *cookies))
    status = 303 if request.method == "POST" else 302
    return replies.redirect(way.url, (*leaving.cookies, *cookies), status=status)
