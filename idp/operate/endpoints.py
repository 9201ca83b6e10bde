"""``/status``, for operators alone: everybody else is told that there is no such page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, request

from idp.operate.settings import MaintenanceSettings
from idp.operate.status import Status
from ostiary.config import networks
from ostiary.errors import Missing, Refusal
from ostiary.web import incoming
from ostiary.web.forms import optional
from ostiary.web.maintenance import Maintenance, add_maintenance
from ostiary.web.operators import FORWARDING, Asked, StatusSettings, Surroundings, who_asks
from ostiary.web.service import any_host, page, prefers_json, public_url_for, shell
from ostiary.web.status import as_json

GOES_ON: Final = (
    "artifact",
    "logout",
    "logout_answer",
    "logout_go",
    "logout_post",
    "logout_progress",
    "signed_out",
    "slo_continue",
    "slo_post",
    "slo_redirect",
    "slo_soap",
    "status",
)
"""What goes on while the service rests: programs of partners finish what was begun, and people can still sign out."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What the operator's pages are made from, each of the moment: ``token`` is that of the status page, ``status`` makes the status."""

    status_settings: Callable[[], StatusSettings]
    maintenance_settings: Callable[[], MaintenanceSettings]
    token: Callable[[], bytes | None]
    maintenance: Callable[[], Maintenance | None]
    status: Callable[[], Status]


def add_operation(app: Flask, operation: Operation, *, trusted_proxies: int) -> None:
    """The status page, and the maintenance page in front of all others."""

    @app.get("/status")
    @any_host
    def status() -> Response:
        settings = operation.status_settings()
        asked = _asked()
        if who_asks(asked, _around(trusted_proxies), networks(settings.addresses), operation.token()) is None:
            # As for every address that is not there: whoever may not see it does not learn that it is.
            raise Missing(
                "http.not_found", expected="an operator's address or token", found=f"{request.method} {request.path}"
            )
        wanted = optional(incoming.query(), "format", max_length=10)
        if wanted not in (None, "json", "html"):
            raise Refusal("status.format", expected="json or html", found=wanted)
        found = operation.status()
        code = 200 if all(check.good for check in found.checks) else 503
        if wanted == "json" or (wanted is None and prefers_json()):
            answer = jsonify(as_json(found))
            answer.status_code = code
            return answer
        return page("status.html", status=code, home_url=public_url_for("home"), found=found, wide=True)

    def is_operator() -> bool:
        settings = operation.maintenance_settings()
        return who_asks(_asked(), _around(trusted_proxies), networks(settings.operators)) is not None

    add_maintenance(app, operation.maintenance, goes_on=GOES_ON, is_operator=is_operator)


def _asked() -> Asked:
    return Asked(
        request.remote_addr or "",
        request.environ.get("HTTP_HOST", "").lower(),
        any(name in request.headers for name in FORWARDING),
        request.headers.get("Authorization"),
    )


def _around(trusted_proxies: int) -> Surroundings:
    return Surroundings(urlsplit(shell().origin).netloc, shell().https, trusted_proxies)
