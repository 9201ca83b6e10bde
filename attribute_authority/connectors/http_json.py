"""What an HTTP service says about a person: one request, one JSON document. Follows no redirect, and trusts no answer but 200 and 404."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import urllib3

from attribute_authority.connectors.json_values import Path as JsonPath
from attribute_authority.connectors.json_values import read_json, values_at
from attribute_authority.connectors.protocol import Found, given
from attribute_authority.connectors.url_template import PRINCIPAL, UrlTemplate, fill_body
from ostiary.errors import Unavailable
from ostiary.saml.limited_pool import close_pool, limited_pool, read_limited

_NOBODY: Final = 404


@dataclass(frozen=True, slots=True)
class HttpQuestion:
    """What is asked, and what of the answer counts.

    With a ``body`` it is a POST of that JSON object, else a GET. ``parameters``: names of places in ``url`` and ``body``, and what earlier
    connectors call their values. ``values``: name to the path of its values. ``about``: where the document says whom it is about, if it
    does: exactly the principal, or the first parameter's value where there are parameters.
    """

    url: UrlTemplate
    values: Mapping[str, JsonPath]
    body: Mapping[str, str] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    about: JsonPath | None = None
    authorization: str | None = field(default=None, repr=False)


class HttpConnector:
    """Implements both protocols of connectors. ``timeout`` is for connecting, and again for the whole answer; ``authorities`` is a PEM
    file, the system's when None; ``max_bytes`` bounds the answer."""

    def __init__(
        self, question: HttpQuestion, *, timeout: timedelta, authorities: Path | None = None, max_bytes: int = 262_144
    ) -> None:
        self._question = question
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._pool = limited_pool(timeout, authorities)
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "ostiary"}
        if question.authorization is not None:
            self._headers["Authorization"] = question.authorization

    def attributes(self, principal: str, at: datetime) -> Found:
        return self.attributes_given(principal, {}, at)

    def attributes_given(self, principal: str, found: Found, at: datetime) -> Found:
        """What it knows; nothing where an earlier connector found no value of a parameter."""
        question = self._question
        parameters = given(question.parameters, found)
        if parameters is None:
            return {}
        values = {PRINCIPAL: principal, **parameters}
        url = question.url.fill(values)
        if url is None:
            return {}
        status, data = self._answer(url, fill_body(question.body, values) if question.body is not None else None)
        if status == _NOBODY:
            return {}
        document = read_json(data)
        picked = {name: texts for name, path in question.values.items() if (texts := values_at(document, path))}
        if picked and question.about is not None:
            whom = next(iter(parameters.values()), principal)
            # Some services leave out what they do not understand of a question, and tell of everybody.
            if values_at(document, question.about) != (whom,):
                raise Unavailable("aa.connector_json", expected="an answer about the person asked for", found="others")
        return picked

    def close(self) -> None:
        """Close the connections."""
        close_pool(self._pool)

    def _answer(self, url: str, body: Mapping[str, str] | None) -> tuple[int, bytes]:
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        origin = self._question.url.origin
        try:
            response = self._pool.request(
                "GET" if body is None else "POST",
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            data = read_limited(response, self._max_bytes)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # Their words hold the address, which names the person.
            raise Unavailable("aa.connector_http", expected=f"an answer of {origin}", found=_plainly(error)) from None
        if data is None:
            raise Unavailable("aa.connector_http", expected=f"at most {self._max_bytes} bytes", found="more")
        if response.status == _NOBODY:
            return response.status, b""
        if response.status != 200:
            raise Unavailable("aa.connector_http", expected=f"200 of {origin}", found=f"HTTP {response.status}")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise Unavailable("aa.connector_http", expected="application/json", found=kind[:100] or "no content type")
        return response.status, data


def _plainly(error: Exception) -> str:
    """What kind of trouble it was."""
    cause = getattr(error, "reason", None) or error
    return type(cause).__name__
