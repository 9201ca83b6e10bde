"""Flask as every service here uses it: without its sessions and coroutines, and with ways that cost less for what comes often.

There are two. The short way (`ostiary.web.short_way`) passes Flask by. The straight way has Flask's request, and its pages for errors, but
not its routing, nor the checks that are idle for a request in which nothing is unusual.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from flask import Flask, Request, Response
from flask.ctx import AppContext, RequestContext
from flask.globals import _cv_app, _cv_request
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter, Rule

from ostiary.web.short_way import ShortWay

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ViewT = TypeVar("ViewT", bound=Callable[..., Any])

_NO_SESSION: Final = NullSession()


class _Rule(Rule):
    """Makes the function that writes its URLs when it is first asked for one: for each of a hundred routes at the start, that takes longer
    than all else there."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        make = cache(partial(super()._compile_builder, append_unknown))

        def build(rule: Rule, /, **values: object) -> tuple[str, str]:
            return make()(rule, **values)

        return build


class _NoSessions(SessionInterface):
    """None of Flask's own: nothing is opened and nothing saved."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """One for all: nothing can be put into it."""
        return _NO_SESSION


class _AdapterWhenNeeded:
    """What finds routes and writes URLs for one request, made when somebody asks: a sign-on that is answered at once writes none."""

    __slots__ = ("_app", "_request")

    def __init__(self, app: Flask, request: Request) -> None:
        self._app = app
        self._request = request

    def __getattr__(self, name: str) -> Any:
        return getattr(Flask.create_url_adapter(self._app, self._request), name)


class _StraightRequest(RequestContext):
    """A request whose route is known, as long as it stands in a ``with``.

    Comes and goes without what Flask does for extensions: signals, a session, functions to tear something down.
    """

    def __init__(self, app: "Application", environ: "WSGIEnvironment", rule: Rule) -> None:
        # Not populated: the environment would hold the request, which holds it.
        request = app.request_class(environ, populate_request=False)
        request.json_module = app.json
        request.url_rule, request.view_args = rule, {}
        super().__init__(app, environ, request, _NO_SESSION)

    def __enter__(self) -> "_StraightRequest":
        self._before = _cv_app.set(AppContext(self.app)), _cv_request.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        of_app, of_request = self._before
        _cv_request.reset(of_request)
        _cv_app.reset(of_app)


class Application(Flask):
    """One service. ``host`` is that of its public URL, as browsers write it; ``trusts_proxies`` whether reverse proxies are expected.

    Never asks at a call whether a function is a coroutine: none of ours is.
    """

    session_interface = _NoSessions()
    url_rule_class = _Rule
    host = ""
    trusts_proxies = False
    short_way: ShortWay | None = None

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name, static_folder=None, template_folder=None)
        self.url_map.merge_slashes = False
        self._straight: dict[str, Rule] = {}
        self._checks_of_shell = 0

    def shell_is_complete(self) -> None:
        """What was asked to run before each request until now is idle for requests that go straight; whatever comes after runs for
        these, too."""
        self._checks_of_shell = len(self.before_request_funcs.get(None, ()))

    def let_go_straight(self, endpoint: str) -> None:
        """Usual GET requests for a route without parameters take the straight way."""
        (rule,) = self.url_map.iter_rules(endpoint)
        if rule.arguments or "." in endpoint or "GET" not in (rule.methods or ()):
            raise ValueError(f"{rule} is no route for GET without parameters")
        self._straight[rule.rule] = rule

    def wsgi_app(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """The short and the straight way for what they take, Flask's for everything else."""
        rule = self._straight.get(environ.get("PATH_INFO", ""))
        if rule is not None and self._is_usual(environ):
            with _StraightRequest(self, environ, rule) as context:
                return self._straight_answer(context, rule)(environ, start_response)
        if self.short_way is not None:
            answer = self.short_way(environ)
            if answer is not None:
                start_response(answer.status, list(answer.headers))
                return [answer.body]
        return super().wsgi_app(environ, start_response)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What finds routes and writes URLs."""
        if request is not None and request.url_rule is not None:
            return _AdapterWhenNeeded(self, request)  # type: ignore[return-value]
        return super().create_url_adapter(request)

    def _straight_answer(self, context: _StraightRequest, rule: Rule) -> Response:
        """As Flask's own, step by step, but for signals, which nobody listens to. Errors are Flask's from where they are raised."""
        try:
            try:
                response = self._asked(rule)
            except Exception as error:
                return self.finalize_request(self.handle_user_exception(error))
            for finish in (*context._after_request_functions, *reversed(self.after_request_funcs[None])):
                response = finish(response)
            return response
        except Exception as error:
            return self.handle_exception(error)

    def _asked(self, rule: Rule) -> Response:
        answer: Any = None
        for check in self.before_request_funcs[None][self._checks_of_shell :]:
            answer = check()
            if answer is not None:
                break
        else:
            answer = self.view_functions[rule.endpoint]()
        return answer if isinstance(answer, Response) else self.make_response(answer)

    def _is_usual(self, environ: "WSGIEnvironment") -> bool:
        """Whether each check of the shell would let this pass and say nothing: a GET, which needs no token; of our host; without a body,
        whose length would be looked at; without the header that the log may have to warn of."""
        return (
            environ["REQUEST_METHOD"] == "GET"
            and environ.get("HTTP_HOST") == self.host
            and not environ.get("CONTENT_LENGTH")
            and "HTTP_TRANSFER_ENCODING" not in environ
            and (self.trusts_proxies or "HTTP_X_FORWARDED_FOR" not in environ)
        )

    def ensure_sync(self, func: ViewT) -> ViewT:
        """The function as it is."""
        return func
