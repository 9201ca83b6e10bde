"""Who is logged in, as the SP middleware found out and every page reads it. Decides nothing and logs nobody in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ostiary.attributes import Attributes

# The WSGI environ key under which ShireMiddleware puts a `Person`. No HTTP header can produce it: those are all ``HTTP_...``.
PERSON_KEY: Final = "ostiary.person"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has a session at this resource.

    ``issuer`` is the entityID of the home organisation, ``name_id`` the subject's name as that organisation sent it (usually a
    handle), ``attributes`` what the acceptance policy let through, ``authenticated_at`` (UTC) when she logged in there,
    ``session_index`` the home organisation's name for its session, ``authn_context`` how she logged in.
    """

    issuer: str
    name_id: str
    attributes: Attributes
    authenticated_at: datetime
    session_index: str | None = None
    authn_context: str | None = None


def person(environ: Mapping[str, object]) -> Person | None:
    """Who is logged in, from the WSGI ``environ``; None when nobody is, or when the application is not wrapped."""
    found = environ.get(PERSON_KEY)
    return found if isinstance(found, Person) else None
