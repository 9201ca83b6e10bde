"""``/status``, for operators alone: everybody else is told that there is no such page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flask import Flask

from idp.operate.settings import MaintenanceSettings
from idp.operate.status import Status
from ostiary.config import networks
from ostiary.web.maintenance import Maintenance, add_maintenance
from ostiary.web.operators import StatusSettings, who_asks
from ostiary.web.service import page, public_url_for
from ostiary.web.status_page import add_status_page, asked_by, surroundings

GOES_ON: Final = (
    "artifact",
    "logout",
    "logout_answer",
    "logout_go",
    "logout_post",
    "logout_progress",
    "own_metadata",
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

    add_status_page(
        app,
        settings=operation.status_settings,
        token=operation.token,
        status=operation.status,
        answers=lambda found: isinstance(found, Status) and all(check.good for check in found.checks),
        show=lambda found, code: page(
            "status.html", status=code, home_url=public_url_for("home"), found=found, wide=True
        ),
        trusted_proxies=trusted_proxies,
    )

    def is_operator() -> bool:
        settings = operation.maintenance_settings()
        return who_asks(asked_by(), surroundings(trusted_proxies), networks(settings.operators)) is not None

    add_maintenance(app, operation.maintenance, goes_on=GOES_ON, is_operator=is_operator)
