"""The application around all pages: which VO a request is about, who sent it, what stands above each page. Decides no right.

A piece of the pages is a Flask blueprint whose paths are those below ``/voms/NAME``: `make_pages` puts them there. Its views take no VO;
they call `visit`, and answer with `show` or `go_to`. Links are made by `url`, which stays in the same VO.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Flask, Response, current_app, g, request

from ostiary.clock import Clock
from ostiary.errors import Missing, OstiaryError
from ostiary.storage.engine import reading
from ostiary.web import incoming
from ostiary.web.forms import optional
from ostiary.web.log import Log
from ostiary.web.pages import Pages
from ostiary.web.service import HOME, make_service, page, public_url_for, shell
from ostiary.web.texts import Catalogue
from voms.administration.callers import Caller
from voms.administration.desk import Desk
from voms.administration.permissions import SINGLE, Permission
from voms.administration.rights import Rights
from voms.details import Details
from voms.pages.settings import HANDLER_PATH, PAGES_PATH
from voms.pages.visitors import ServedVo, Visitor, WhoIsThere
from voms.rows import vo_number
from voms.service import TEXTS

TEMPLATES: Final = Path(__file__).parents[1] / "templates"
MAXIMUM_BODY: Final = 2 * 1024 * 1024
_DONE: Final = "done"
_AROUND: Final = "ostiary.vo_pages"
_NAVIGATION: Final = (
    ("overview.start", "vo.nav.start", None),
    ("requests.mine", "vo.nav.mine", None),
    ("groups.all_groups", "vo.nav.groups", Permission.CONTAINER_READ),
    ("members.found", "vo.nav.members", Permission.MEMBERSHIP_READ),
    ("desk.requests", "vo.nav.requests", Permission.REQUESTS_READ),
    ("history.questions", "vo.nav.history", Permission.MEMBERSHIP_READ),
)
"""Endpoints, each with its text, and what somebody has to be allowed somewhere to be shown the way there."""


@dataclass(frozen=True, slots=True, eq=False)
class _Around:
    vos: Mapping[str, ServedVo]
    who: WhoIsThere
    sign_out: bool


@dataclass(frozen=True, eq=False)
class Visit:
    """One request: about which VO, by whom, when. ``details``: what her home organisation tells of her, to fill in forms with."""

    vo: ServedVo
    caller: Caller
    details: Details
    now: datetime

    @cached_property
    def number(self) -> int:
        """The number of the VO in its database. Raises `Missing` (``voms.no_vo``)."""
        with reading(self.vo.engine) as connection:
            return vo_number(connection, self.vo.name)

    @cached_property
    def desk(self) -> Desk:
        """Where the caller asks for changes."""
        return Desk(self.vo.engine, self.vo.name, self.caller, self.now)

    @cached_property
    def sees(self) -> frozenset[str]:
        """The endpoints of the navigation behind which there is something for the caller."""
        with self.rights() as rights:
            return frozenset(
                endpoint
                for endpoint, _, needed in _NAVIGATION
                if needed is None or rights.allows(needed, self.root) or rights.anywhere(needed)
            )

    @property
    def root(self) -> str:
        """The root group."""
        return f"/{self.vo.name}"

    @contextmanager
    def rights(self) -> Iterator[Rights]:
        """What the caller may do, with a connection that reads, for as long as the block lasts."""
        with self.desk.looking() as rights:
            yield rights


def make_pages(
    vos: Sequence[ServedVo],
    who: WhoIsThere,
    blueprints: Iterable[Blueprint],
    *,
    service_name: str,
    public_url: str,
    secret: bytes | Callable[[], Sequence[bytes]],
    log: Log,
    clock: Clock,
    entity_id: str | None = None,
    trusted_proxies: int = 0,
    sign_out: bool = True,
) -> Flask:
    """The application for these VOs. ``sign_out``: there is a session to end, by the SP middleware in front. Other parameters and errors as
    `make_service` has them."""
    app = make_service(
        __name__,
        service_name=service_name,
        pages=Pages(Catalogue.load(TEXTS), [TEMPLATES]),
        public_url=public_url,
        log=log,
        clock=clock,
        secret=secret,
        entity_id=entity_id,
        max_body=MAXIMUM_BODY,
        trusted_proxies=trusted_proxies,
    )
    app.extensions[_AROUND] = _Around({vo.name: vo for vo in vos}, who, sign_out)
    app.url_value_preprocessor(_take_vo)
    app.url_defaults(_put_vo)
    app.add_url_rule("/", HOME, _begin)
    app.add_url_rule(f"{PAGES_PATH}/", "vos", _choose_vo)
    for blueprint in blueprints:
        app.register_blueprint(blueprint, url_prefix=f"{PAGES_PATH}/<vo>")
    return app


def visit() -> Visit:
    """The request at hand: found out once. Raises `Missing` (``voms.no_vo``), and what `WhoIsThere` raises."""
    if "vo_visit" not in g:
        around, now = _around(), shell().clock.now()
        name = g.get("vo_name", "")
        vo = around.vos.get(name)
        if vo is None:
            raise Missing("voms.no_vo", expected="a VO that is served here", found=name[:80], vo=name[:80])
        visitor: Visitor = around.who(vo, request.environ, now)
        g.vo_visit = Visit(vo, visitor.caller, visitor.details, now)
    found: Visit = g.vo_visit
    return found


def show(
    template: str, here: str, *, status: int = 200, problem: OstiaryError | None = None, **values: Any
) -> Response:
    """A page ``templates/vo/<template>`` within the frame; ``here``: the endpoint of the navigation to which it belongs; ``problem``: what
    was wrong with the form that was sent. What `go_to` says was done is told at the top."""
    around = _around()
    here_now = visit()
    done = optional(incoming.query(), _DONE, max_length=64) or ""
    return page(
        f"vo/{template}",
        status=status,
        wide=True,
        vo=here_now.vo.name,
        url=url,
        done=words(f"vo.done.{done}") if shell().pages.catalogue.has(f"vo.done.{done}") else "",
        problem=_told(problem) if problem is not None else None,
        label_of=_label_of,
        links=[(url(endpoint), key, endpoint == here) for endpoint, key, _ in _NAVIGATION if endpoint in here_now.sees],
        home_url=public_url_for(HOME),
        sign_out_url=f"{shell().public_url}{HANDLER_PATH}/logout" if around.sign_out else None,
        **values,
    )


def url(endpoint: str, **values: str | None) -> str:
    """The absolute URL of a page of the same VO; what is None or empty is left out of the query."""
    return public_url_for(endpoint, **{name: value for name, value in values.items() if value})


def go_to(endpoint: str, **values: str | None) -> Response:
    """Answers a form that was sent: the browser shows that page next (303), and a reload sends nothing again. ``done`` names what to tell
    there (a text below ``vo.done``)."""
    return Response(status=303, headers={"Location": url(endpoint, **values)})


def names_of(permissions: Permission) -> frozenset[str]:
    """The names of single permissions, for templates."""
    return frozenset(str(each.name) for each in SINGLE if permissions & each)


def words(key: str, **params: object) -> str:
    """The text under ``key`` in the language of the answer."""
    catalogue = shell().pages.catalogue
    return catalogue.text(incoming.language(catalogue), key, **params)


def problem_text(problem: OstiaryError) -> str:
    """What to tell a person beside the field that she filled in."""
    return _told(problem)[0]


def _label_of(kind: str, name: str) -> str:
    """What people call an action or a fact of the history; its own name where the texts have none."""
    key = f"vo.{kind}.{name.removeprefix('vo.')}"
    return words(key) if shell().pages.catalogue.has(key) else name


def _told(problem: OstiaryError) -> tuple[str, str]:
    catalogue = shell().pages.catalogue
    return catalogue.error(incoming.language(catalogue), problem)


def _around() -> _Around:
    found: _Around = current_app.extensions[_AROUND]
    return found


def _take_vo(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    if values is not None and "vo" in values:
        g.vo_name = values.pop("vo")


def _put_vo(endpoint: str, values: dict[str, Any]) -> None:
    if "vo" not in values and "vo_name" in g and current_app.url_map.is_endpoint_expecting(endpoint, "vo"):
        values["vo"] = g.vo_name


def _begin() -> Response:
    """With one VO there is nothing to choose."""
    names = list(_around().vos)
    there = public_url_for("overview.start", vo=names[0]) if len(names) == 1 else public_url_for("vos")
    return Response(status=303, headers={"Location": there})


def _choose_vo() -> Response:
    choices = [(name, public_url_for("overview.start", vo=name)) for name in sorted(_around().vos)]
    return page("vo/vos.html", choices=choices, home_url=public_url_for(HOME))
