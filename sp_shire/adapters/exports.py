"""Attributes on their way into the application's environment, and forged ones on their way out of it."""

import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

from ostiary.attributes import Attributes, texts_of
from ostiary.web.identity import PERSON_KEY
from sp_shire.sessions.records import Session
from sp_shire.settings import ShireSettings, folded_name

DECISION_KEY: Final = "ostiary.decision"
SESSION_KEY: Final = "ostiary.session"
# What the application is told besides attributes, under names of its own.
ISSUER_NAME: Final = "OSTIARY_IDP"
AUTHENTICATED_NAME: Final = "OSTIARY_AUTHENTICATED_AT"
CONTEXT_NAME: Final = "OSTIARY_AUTHN_CONTEXT"
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_OWN: Final = (ISSUER_NAME, AUTHENTICATED_NAME, CONTEXT_NAME, "REMOTE_USER", "AUTH_TYPE")


def exports_of(settings: ShireSettings, session: Session) -> Mapping[str, str]:
    """Names and values for the environment. Several values are joined by ``;``, a ``;`` inside a value is written ``\\;``.

    Values are ordinary (Unicode) text. A value with a control character (CR, LF, NUL among them) is left out: an application may
    copy it into a header, a log or a query.
    """
    found = {AUTHENTICATED_NAME: session.login.authenticated_at.isoformat()}
    for name, text in ((ISSUER_NAME, session.login.issuer), (CONTEXT_NAME, session.login.authn_context or "")):
        if not _CONTROL.search(text):
            found[name] = text
    for attribute, name in settings.environ.items():
        joined = _joined(session.knowledge.attributes, attribute)
        if joined:
            found[name] = joined
    for attribute in settings.remote_user:
        values = _clean(session.knowledge.attributes, attribute)
        if len(values) == 1:
            found["REMOTE_USER"] = values[0]
            found["AUTH_TYPE"] = "ostiary"
            break
    return found


def exported_names(settings: ShireSettings) -> tuple[str, ...]:
    """Every name that `exports_of` may set."""
    return (*_OWN, *settings.environ.values())


def forged_headers(settings: ShireSettings) -> Callable[[str], bool]:
    """Tells of a client's header whether some server or application takes its name for one that `exports_of` may set, in any spelling."""
    folded = {folded_name(name) for name in exported_names(settings)}
    return lambda name: folded_name(name) in folded


def remove_forged(settings: ShireSettings, environ: MutableMapping[str, Any]) -> None:
    """Takes out of a WSGI environment everything under a name that `exports_of` may set, also as a client's header in any spelling
    that some server or application takes for the same name."""
    forged = forged_headers(settings)
    for key in [key for key in environ if key.startswith("HTTP_") and forged(key[5:])]:
        del environ[key]
    for name in exported_names(settings):
        environ.pop(name, None)
    for key in (PERSON_KEY, DECISION_KEY, SESSION_KEY):
        environ.pop(key, None)


def _joined(attributes: Attributes, name: str) -> str:
    return ";".join(value.replace("\\", "\\\\").replace(";", "\\;") for value in _clean(attributes, name))


def _clean(attributes: Attributes, name: str) -> tuple[str, ...]:
    return tuple(text for text in texts_of(attributes, name) if not _CONTROL.search(text))
