"""Attributes on their way into the application's environment, and forged ones on their way out of it."""

import re
from collections.abc import Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from ostiary.attributes import Attributes, texts_of
from ostiary.web.identity import PERSON_KEY, Person
from sp_shire.adapters.doorkeeper import OSTIARY_KEY
from sp_shire.header_names import (
    AUTHENTICATED_NAME,
    CONTEXT_NAME,
    ENDS_NAME,
    IDLE_NAME,
    ISSUER_NAME,
    OWN_NAMES,
    folded_name,
)
from sp_shire.sessions.records import Session
from sp_shire.settings import ShireSettings

DECISION_KEY: Final = "ostiary.decision"
SESSION_KEY: Final = "ostiary.session"
OBJECT_KEYS: Final = (PERSON_KEY, DECISION_KEY, SESSION_KEY, OSTIARY_KEY)
"""Where objects stand, not texts."""
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MAXIMUM_HEADER: Final = 8000
"""Characters of a header's value; servers of applications take some 8 kB."""
# What a header's value may hold as it is (RFC 9110 5.5), but for the sign of escapes; and at neither end a space, which readers take away.
_PLAIN: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_PLAIN_VALUE: Final = re.compile(r"[!-$&-~](?:[ -$&-~]*[!-$&-~])?")


def exports_of(settings: ShireSettings, person: Person, session: Session | None = None) -> Mapping[str, str]:
    """Names and values for the environment. Several values are joined by ``;``, a ``;`` inside a value is written ``\\;``.

    Values are ordinary (Unicode) text. A value with a control character (CR, LF, NUL among them) is left out: an application may
    copy it into a header, a log or a query.
    """
    found = {AUTHENTICATED_NAME: person.authenticated_at.isoformat()}
    for name, text in ((ISSUER_NAME, person.issuer), (CONTEXT_NAME, person.authn_context or "")):
        if not _CONTROL.search(text):
            found[name] = text
    if session is not None:
        found[ENDS_NAME] = session.ends.isoformat()
        found[IDLE_NAME] = session.idle_until(settings.sessions.idle).isoformat()
    for attribute, name in settings.environ.items():
        joined = _joined(person.attributes, attribute)
        if joined:
            found[name] = joined
    for attribute in settings.remote_user:
        values = _clean(person.attributes, attribute)
        if len(values) == 1:
            found["REMOTE_USER"] = values[0]
            found["AUTH_TYPE"] = "ostiary"
            break
    return found


def exported_names(settings: ShireSettings) -> tuple[str, ...]:
    """Every name that `exports_of` may set."""
    return (*OWN_NAMES, *settings.environ.values())


@lru_cache(maxsize=256)
def header_name(name: str) -> str:
    """The header for a name of the environment: ``-`` for whatever servers would not pass on."""
    return folded_name(name).replace("_", "-").title()


def header_value(text: str) -> str:
    """A text as a header's value: what is not printable ASCII, ``%``, and a space at either end, percent-encoded (UTF-8)."""
    if _PLAIN_VALUE.fullmatch(text):
        return text
    inner = text.strip(" ")
    before = len(text) - len(text.lstrip(" "))
    after = len(text) - before - len(inner)
    return "%20" * before + quote(inner, safe=_PLAIN) + "%20" * after


def headers_of(exports: Mapping[str, str]) -> dict[str, str]:
    """The same names and values as headers, by `header_name` and `header_value`. One that is longer than `MAXIMUM_HEADER` is left out
    whole: half a list of values would say something else."""
    written = ((header_name(name), header_value(text)) for name, text in exports.items() if len(text) <= MAXIMUM_HEADER)
    return {name: value for name, value in written if len(value) <= MAXIMUM_HEADER}


def forged_headers(settings: ShireSettings) -> Callable[[str], bool]:
    """Tells of a client's header whether some server or application takes its name for one that only the resource may set, in any
    spelling."""
    folded = {folded_name(name) for name in exported_names(settings)}
    if settings.jwt is not None:
        folded.add(folded_name(settings.jwt.header))
    if settings.certificates is not None and settings.certificates.front_end is not None:
        # Between the web server in front and the resource alone: a secret is among them.
        folded |= {folded_name(name) for name in settings.certificates.front_end.headers()}

    # Browsers send the same few names again and again.
    @lru_cache(maxsize=512)
    def forged(name: str) -> bool:
        return folded_name(name) in folded

    return forged


class Cleaning:
    """Takes out of a WSGI environment everything under a name that only the resource may set, also as a client's header in any spelling
    that some server or application takes for the same name."""

    def __init__(self, settings: ShireSettings) -> None:
        forged = forged_headers(settings)
        names = frozenset((*exported_names(settings), *OBJECT_KEYS))

        # Nearly all requests bring the same few sets of names.
        @lru_cache(maxsize=128)
        def unwanted(keys: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(key for key in keys if key in names or (key.startswith("HTTP_") and forged(key[5:])))

        self._unwanted = unwanted

    def __call__(self, environ: MutableMapping[str, Any]) -> None:
        for key in self._unwanted(tuple(environ)):
            del environ[key]


def _joined(attributes: Attributes, name: str) -> str:
    return ";".join(value.replace("\\", "\\\\").replace(";", "\\;") for value in _clean(attributes, name))


def _clean(attributes: Attributes, name: str) -> tuple[str, ...]:
    return tuple(text for text in texts_of(attributes, name) if not _CONTROL.search(text))
