"""Walks a login as a person with a browser would, and tells each hop. Gives a password only where it belongs; decides nothing else.

    the page --redirects--> discovery --choice--> the page's site --AuthnRequest--> home --login form--> Response --form--> the page

Everything that a page says is a stranger's word: hops, repetitions, addresses and forms are bounded and checked.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

from ostiary.clock import Clock
from ostiary.command.trace.browser import Answer, Browser, origin_of, web_address
from ostiary.command.trace.examine import Examiner
from ostiary.command.trace.messages import Message, carried_by, decoded, query_of
from ostiary.command.trace.pages import Field, Form, Page, read_page
from ostiary.command.trace.shown import shown_cookie, shown_url
from ostiary.config import is_loopback
from ostiary.errors import Refusal

MAXIMUM_HOPS: Final = 30
_MAXIMUM_SAME: Final = 2
_MAXIMUM_BODY: Final = 1_000_000
_REDIRECTS: Final = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who logs in. ``password`` is asked for once, with the host that wants it, when a form does; ``asks``: a person answers then and sees
    the host. ``login_hosts``: hosts that may have the password besides the home organisation's registered ones."""

    username: str
    password: Callable[[str], str]
    asks: bool
    home: str | None = None
    login_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Hop:
    """One request and its answer. ``does`` and ``answers`` are keys of the catalogue (``trace.does``, ``trace.answers``); ``fields`` the
    names of what a form sent, ``cookies`` the names of what was set."""

    number: int
    method: str
    url: str
    does: str
    status: int
    answers: str
    facts: Mapping[str, str]
    fields: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end. ``why`` is a key of the catalogue (``trace.outcome``); ``words`` what the last page says, ``reference`` its number."""

    reached: bool
    why: str
    status: int
    url: str
    title: str = ""
    words: tuple[str, ...] = ()
    reference: str = ""


@dataclass(frozen=True, slots=True)
class _Step:
    """The next request."""

    does: str
    method: str
    url: str
    fields: tuple[tuple[str, str], ...] = ()
    from_url: str | None = None


@dataclass(slots=True)
class _Progress:
    """What the walk has come to so far."""

    steps: Counter[tuple[str, str, tuple[tuple[str, str], ...]]] = field(default_factory=Counter)
    hops: int = 0
    messages: int = 0
    return_url: str = ""
    searched: bool = False
    offered: tuple[str, ...] = ()
    asked_at: str = ""
    answered: bool = False
    user_name_given: bool = False
    login_page: Page | None = None


class Walker:
    """One walk. Raises `Refusal` (``trace.*``) where a person could not or should not go on, and what the browser raises."""

    def __init__(self, browser: Browser, visitor: Visitor, examiner: Examiner, clock: Clock) -> None:
        self._browser = browser
        self._visitor = visitor
        self._examiner = examiner
        self._clock = clock
        self._progress = _Progress()
        self._start = ""

    def walk(self, url: str) -> Iterator[Hop | Outcome]:
        """Each hop as soon as it is taken, then the outcome."""
        self._start = web_address(url)
        step = _Step("asks_page", "GET", self._start)
        while True:
            answer, message = self._take(step)
            page = read_page(answer)
            following = self._following(step, answer, page)
            yield self._hop(step, answer, page, message, following)
            if isinstance(following, Refusal):
                raise following
            if isinstance(following, Outcome):
                yield following
                return
            step = following

    def _take(self, step: _Step) -> tuple[Answer, Message | None]:
        progress = self._progress
        progress.hops += 1
        if progress.hops > MAXIMUM_HOPS:
            raise Refusal(
                "trace.too_many_hops", expected=f"a page after {MAXIMUM_HOPS} hops", found=shown_url(step.url)
            )
        key = (step.method, step.url, step.fields)
        progress.steps[key] += 1
        if progress.steps[key] > _MAXIMUM_SAME:
            raise Refusal("trace.loop", expected="another page", found=f"{step.method} {shown_url(step.url)} once more")
        message = self._message(step)
        if step.method == "GET":
            return self._browser.get(step.url, from_url=step.from_url), message
        body = urlencode(step.fields).encode()
        if len(body) > _MAXIMUM_BODY:
            raise Refusal("trace.form_too_large", expected=f"at most {_MAXIMUM_BODY} bytes", found=len(body))
        return self._browser.post(step.url, body, from_url=step.from_url or step.url), message

    def _message(self, step: _Step) -> Message | None:
        """The SAML message that this request carries, examined as its receiver would at this moment."""
        carried = carried_by(step.method, step.url, step.fields)
        if carried is None:
            return None
        self._progress.messages += 1
        message = decoded(self._progress.messages, *carried, step.url, step.fields)
        if carried[1] == "SAMLRequest":
            self._progress.asked_at = message.sent_to
            self._progress.login_page = None
        else:
            self._progress.answered = True
        return self._examiner.examine(message, self._progress.hops, self._clock.now())

    def _hop(
        self, step: _Step, answer: Answer, page: Page, message: Message | None, following: "_Step | Outcome | Refusal"
    ) -> Hop:
        location = answer.header("Location") if answer.status in _REDIRECTS else None
        return Hop(
            number=self._progress.hops,
            method=step.method,
            url=shown_url(step.url),
            does=self._named(step, message),
            status=answer.status,
            answers=_answers(answer, page, following),
            facts={
                "host": urlsplit(step.url).netloc,
                "status": str(answer.status),
                "title": page.title,
                "to": shown_url(_joined(answer.url, location)) if location is not None else "",
                "home": self._visitor.home or "",
            },
            fields=tuple(name for name, _ in step.fields) if step.method == "POST" else (),
            cookies=tuple(shown_cookie(value) for name, value in answer.headers if name.lower() == "set-cookie"),
            message=message,
        )

    def _named(self, step: _Step, message: Message | None) -> str:
        """What this request is, in the terms of the login."""
        if message is not None:
            return {"AuthnRequest": "hands_request", "Response": "hands_response"}.get(message.kind, "hands_message")
        if step.does != "follows":
            return step.does
        if step.url == self._start:
            return "asks_page_again"
        if _is_discovery_request(step.url):
            return "asks_discovery"
        returned = self._progress.return_url.partition("?")[0]
        return "tells_choice" if returned and step.url.partition("?")[0] == returned else "follows"

    # -- where to go next ----------------------------------------------------------------------------------------------

    def _following(self, step: _Step, answer: Answer, page: Page) -> "_Step | Outcome | Refusal":
        """The next request, the end, or what stands in the way: the hop is told first."""
        try:
            return self._decide(step, answer, page)
        except Refusal as refusal:
            return refusal

    def _decide(self, step: _Step, answer: Answer, page: Page) -> _Step | Outcome:
        location = answer.header("Location")
        if answer.status in _REDIRECTS and location is not None:
            return _redirected(step, answer, location)
        if (form := page.saml_form()) is not None:
            return _Step("follows", "POST", form.action, tuple(_with_button(form)), answer.url)
        at_resource = origin_of(answer.url) == origin_of(self._start)
        if not self._progress.asked_at and self._is_discovery(answer, page):
            return self._choose(answer, page)
        if (login := page.login_form()) is not None and not (at_resource and answer.status < 400):
            again = self._progress.login_page
            if again is not None and login.password_field() is not None:
                return _end(answer, page, "wrong_password", words=_new_words(page, again))
            if self._progress.asked_at and (login.password_field() is not None or not self._progress.user_name_given):
                return self._log_in(answer, page, login)
        if answer.status >= 400:
            return _end(answer, page, "refused")
        agreement = page.agreement() if self._progress.asked_at and not self._progress.answered else None
        if agreement is not None and origin_of(web_address(agreement[0].action)) == origin_of(answer.url):
            return _Step("agrees", "POST", agreement[0].action, agreement[1], answer.url)
        if page.refresh is not None:
            return _Step("follows", "GET", page.refresh, from_url=answer.url)
        if at_resource and answer.status < 300:
            why = "reached" if self._progress.answered else "reached_without_login"
            return Outcome(True, why, answer.status, shown_url(answer.url), page.title)
        return _end(answer, page, "stuck")

    def _is_discovery(self, answer: Answer, page: Page) -> bool:
        return _is_discovery_request(answer.url) or self._visitor.home in page.choices()

    def _choose(self, answer: Answer, page: Page) -> _Step:
        """As somebody who looks for her organisation: on the page, then by its search; where a page can't be read, in the words of the
        discovery protocol (IdP discovery 2.4.3), as the service itself would answer."""
        progress, home = self._progress, self._visitor.home
        question = query_of(answer.url)
        # The resource that asks is named on the page, too.
        choices = {name: how for name, how in page.choices().items() if name != question.get("entityID")}
        progress.return_url = question.get("return") or progress.return_url
        progress.offered = progress.offered or tuple(choices)
        if home is None:
            raise Refusal(
                "trace.home_needed",
                expected="--home",
                found=_listed(progress.offered),
                choices=_listed(progress.offered),
            )
        if home in choices:
            chosen = choices[home]
            if isinstance(chosen, str):
                return _Step("chooses_home", "GET", chosen, from_url=answer.url)
            return _submitted("chooses_home", *chosen, answer.url)
        search = page.search_form()
        if search is not None and not progress.searched:
            progress.searched = True
            form, where = search
            words = self._search_words(home)
            fields = [(name, words if name == where.name else value) for name, value in form.as_it_stands()]
            return _Step("searches_home", "GET", _with_query(form.action, fields), from_url=answer.url)
        if progress.offered or not progress.return_url:
            raise Refusal(
                "trace.home_unknown",
                expected=_listed(progress.offered),
                found=home,
                home=home,
                choices=_listed(progress.offered),
            )
        parameter = question.get("returnIDParam") or "entityID"
        separator = "&" if "?" in progress.return_url else "?"
        url = f"{progress.return_url}{separator}{urlencode({parameter: home})}"
        return _Step("answers_discovery", "GET", url, from_url=answer.url)

    def _search_words(self, home: str) -> str:
        """The organisation's name where metadata tells it, else the host of its entityID."""
        registry = self._examiner.registry
        entity = registry.get(home, self._clock.now()) if registry is not None else None
        return entity.name() if entity is not None else urlsplit(home).hostname or home

    def _log_in(self, answer: Answer, page: Page, form: Form) -> _Step:
        """Fills the form in, once. Raises `Refusal` where the password should not be given."""
        password, user = form.password_field(), form.user_field()
        filled = {user.name: self._visitor.username} if user is not None else {}
        if password is None:
            self._progress.user_name_given = True
            fields = tuple((name, filled.get(name, value)) for name, value in _with_button(form))
            if form.method == "GET":
                return _Step("gives_user_name", "GET", _with_query(form.action, fields), from_url=answer.url)
            return _Step("gives_user_name", "POST", form.action, fields, answer.url)
        self._may_have_password(answer.url, form)
        filled[password.name] = self._visitor.password(urlsplit(answer.url).netloc)
        self._progress.login_page = page
        fields = tuple((name, filled.get(name, value)) for name, value in _with_button(form))
        return _Step("gives_password", "POST", form.action, fields, answer.url)

    def _may_have_password(self, url: str, form: Form) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if form.method != "POST":
            raise Refusal("trace.password_by_get", expected="a form with method post", found="get", host=host)
        if origin_of(web_address(form.action)) != origin_of(url):
            raise Refusal("trace.password_elsewhere", expected=origin_of(url), found=origin_of(form.action), host=host)
        if parts.scheme != "https" and not is_loopback(host):
            raise Refusal("trace.password_in_the_open", expected="https", found=origin_of(url), host=host)
        if host in self._visitor.login_hosts:
            return
        known = self._home_hosts()
        if known is None and self._visitor.asks:
            # The person who types it sees the host, as she would in a browser.
            return
        if known is None or host not in known:
            raise Refusal("trace.password_where", expected=_listed(known or ()), found=host, host=host)

    def _home_hosts(self) -> tuple[str, ...] | None:
        """The hosts where the home organisation that was asked signs people in; None without metadata."""
        registry, now = self._examiner.registry, self._clock.now()
        if registry is None:
            return None
        for entity in registry.all(now):
            locations = [e.location for e in entity.idp.single_sign_on] if entity.idp is not None else []
            if self._progress.asked_at in locations and self._visitor.home in (None, entity.entity_id):
                return tuple(dict.fromkeys(urlsplit(location).hostname or "" for location in locations))
        return ()


def _redirected(step: _Step, answer: Answer, location: str) -> _Step:
    """RFC 9110 15.4: 307 and 308 repeat the request, which a form's content does only within its own site."""
    target = _joined(answer.url, location)
    if answer.status in (307, 308) and step.method == "POST":
        if origin_of(web_address(target)) != origin_of(step.url):
            raise Refusal("trace.repeated_elsewhere", expected=origin_of(step.url), found=origin_of(target))
        return _Step(step.does, "POST", target, step.fields, step.from_url)
    return _Step("follows", "GET", web_address(target), from_url=answer.url)


def _joined(base: str, location: str) -> str:
    try:
        return urljoin(base, location)
    except ValueError:
        return location


def _submitted(does: str, form: Form, chosen: Field, from_url: str) -> _Step:
    """The form with this control pressed, marked or selected."""
    fields = [pair for pair in form.as_it_stands() if pair[0] != chosen.name]
    fields.append((chosen.name, chosen.value))
    if chosen.kind != "submit":
        fields += form.default_button()
    if form.method == "GET":
        return _Step(does, "GET", _with_query(form.action, fields), from_url=from_url)
    return _Step(does, "POST", form.action, tuple(fields), from_url)


def _with_button(form: Form) -> list[tuple[str, str]]:
    return [*form.as_it_stands(), *form.default_button()]


def _with_query(action: str, fields: Sequence[tuple[str, str]]) -> str:
    """A form with method get replaces the query of its action (HTML 4.10.22.3)."""
    return f"{action.partition('#')[0].partition('?')[0]}?{urlencode(fields)}"


def _is_discovery_request(url: str) -> bool:
    question = query_of(url)
    return "entityID" in question and "return" in question


def _answers(answer: Answer, page: Page, following: _Step | Outcome | Refusal) -> str:
    """What came back, in the terms of the login."""
    if answer.status in _REDIRECTS and answer.header("Location") is not None:
        to = _joined(answer.url, answer.header("Location") or "")
        if carried_by("GET", to, ()) is not None:
            return "sends_with_message"
        return "sends_to_discovery" if _is_discovery_request(to) else "sends_on"
    if page.saml_form() is not None:
        return "form_with_message"
    if isinstance(following, Outcome):
        return {"reached": "page", "reached_without_login": "page", "wrong_password": "login_form"}.get(
            following.why, "refusal" if answer.status >= 400 else "other_page"
        )
    if isinstance(following, Refusal):
        if _is_discovery_request(answer.url):
            return "discovery_page"
        if any(form.password_field() is not None for form in page.forms):
            return "login_form"
        return "refusal" if answer.status >= 400 else "other_page"
    named = {"chooses_home": "discovery_page", "searches_home": "discovery_page", "answers_discovery": "discovery_page"}
    named |= {"gives_password": "login_form", "gives_user_name": "user_name_form", "agrees": "agreement"}
    return named.get(following.does, "moves_on")


def _end(answer: Answer, page: Page, why: str, *, words: tuple[str, ...] | None = None) -> Outcome:
    shown = page.words if words is None else words
    return Outcome(False, why, answer.status, shown_url(answer.url), page.title, shown, page.reference)


def _new_words(page: Page, before: Page) -> tuple[str, ...]:
    """What the form says now that it did not say at first."""
    return tuple(line for line in page.words if line not in before.words) or page.words


def _listed(items: Sequence[str]) -> str:
    return ", ".join(items[:50])[:3000] or "-"
