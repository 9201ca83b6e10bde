"""The request at hand as the pages may see it: its query, its form, its language. Reads Flask's request and nothing else."""

from typing import Final

from flask import g, request

from ostiary.errors import TooLarge
from ostiary.web.at_hand import current_request, kept
from ostiary.web.forms import Fields, FormLimits, parse_form, parse_query
from ostiary.web.texts import Catalogue

LANGUAGE_PARAMETER: Final = "ui_locales"
_QUERY_LIMITS: Final = FormLimits()


def query() -> Fields:
    """The query string, strictly parsed once per request. Raises as `ostiary.web.forms.parse_query`."""
    known = kept()
    fields: Fields | None = known.get("query_fields")
    if fields is None:
        fields = known["query_fields"] = parse_query(current_request().query_string, _QUERY_LIMITS)
    return fields


def body() -> bytes:
    """The octets of the body, read once. Raises `TooLarge` (``http.too_large``) when it does not end within the service's limit.

    A body that tells its length was measured before it got here; one that does not is silently cut by Werkzeug at the limit.
    """
    octets: bytes = request.get_data(cache=True)
    limit = request.max_content_length
    if limit is not None and len(octets) >= limit and request.content_length != len(octets):
        raise TooLarge("http.too_large", expected=f"less than {limit} bytes", found="more")
    return octets


def form() -> Fields:
    """The body of a form's POST, strictly parsed once per request, bounded by the service's body limit.

    Raises as `ostiary.web.forms.parse_form`.
    """
    fields: Fields | None = g.get("form_fields")
    if fields is None:
        limits = FormLimits(total=request.max_content_length or _QUERY_LIMITS.total)
        fields = g.form_fields = parse_form(request.content_type, body(), limits)
    return fields


def language(catalogue: Catalogue) -> str:
    """The language of the answer: ``ui_locales`` in the query, else the one that is remembered, else ``Accept-Language``, else English."""
    known = kept()
    before: tuple[Catalogue, str] | None = known.get("language")
    if before is not None and before[0] is catalogue:
        return before[1]
    wanted, remembered = _wanted_languages(known.get("query_fields")), known.get("remembered_language")
    if remembered:
        wanted = f"{wanted} {remembered}" if wanted else remembered
    chosen = catalogue.choose(wanted=wanted or None, accept=current_request().environ.get("HTTP_ACCEPT_LANGUAGE"))
    known["language"] = (catalogue, chosen)
    return chosen


def remember_language(tag: str | None) -> None:
    """For this request: a language (BCP 47) that the person chose earlier; any text will do, since only languages that there are count."""
    g.remembered_language = tag
    g.pop("language", None)


def _wanted_languages(parsed: Fields | None) -> str | None:
    if parsed is not None and LANGUAGE_PARAMETER not in parsed:
        return None
    # Werkzeug decodes a whole query, a signed message too; most speak of no language.
    names = [part.partition(b"=")[0] for part in request.query_string.split(b"&")]
    if any(name == LANGUAGE_PARAMETER.encode() or b"%" in name for name in names):
        return request.args.get(LANGUAGE_PARAMETER)
    return None
