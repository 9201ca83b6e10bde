"""Reads an HTML page as a visitor does: its title, its words, its forms and what there is to choose. Submits nothing, runs no script.

Forms are told apart by what they hold, so that pages of foreign services are understood as far as plain HTML goes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, urljoin, urlsplit

import lxml.html
from lxml import etree

from ostiary.command.trace.browser import Answer

SAML_FIELDS: Final = ("SAMLRequest", "SAMLResponse")
MAXIMUM_LINES: Final = 60
MAXIMUM_LINE: Final = 400
_MAXIMUM_FORMS: Final = 50
_MAXIMUM_FIELDS: Final = 500
_SILENT: Final = frozenset({"script", "style", "template", "noscript", "head", "svg", "select"})
_INLINE: Final = frozenset(
    {"a", "abbr", "b", "bdi", "cite", "code", "em", "i", "kbd", "mark", "small", "span", "strong", "sub", "sup", "time"}
)
_USER_NAMES: Final = frozenset(
    {"username", "user", "login", "j_username", "uid", "userid", "email", "loginfmt", "identifier"}
)

# Buttons that mean "I agree", by name or by name and value: ours, Shibboleth's, SimpleSAMLphp's. No other button is ever pressed.
_AGREEING: Final = frozenset({("answer", "accept"), ("_eventId_proceed", None), ("yes", None)})
# Of the ways to remember an answer, the one that leaves the person's next visit as it was.
_FOR_THIS_TIME: Final = ("mode", "ask_always")

FieldKind = Literal["hidden", "text", "password", "submit", "choice", "other"]


@dataclass(frozen=True, slots=True)
class Field:
    """One control. ``choice`` are check boxes and radio buttons; ``sent``: a browser sends it unless somebody changes it."""

    name: str
    value: str
    kind: FieldKind
    sent: bool = True
    autocomplete: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """``action`` is absolute; ``method`` is GET or POST."""

    action: str
    method: str
    fields: tuple[Field, ...]

    def has(self, *names: str) -> bool:
        """Whether it has a control of one of these names."""
        return any(field.name in names for field in self.fields)

    def as_it_stands(self) -> list[tuple[str, str]]:
        """What a browser sends when nobody fills anything in, buttons left out."""
        return [
            (field.name, field.value) for field in self.fields if field.sent and field.kind != "submit" and field.name
        ]

    def password_field(self) -> Field | None:
        """The first field for a password."""
        return next((field for field in self.fields if field.kind == "password"), None)

    def user_field(self) -> Field | None:
        """Where the user name goes: what says so, else the last text field before the password."""
        texts = [field for field in self.fields if field.kind == "text"]
        for field in texts:
            if "username" in field.autocomplete or field.name.lower() in _USER_NAMES:
                return field
        password = self.password_field()
        if password is None:
            return None
        before = self.fields[: self.fields.index(password)]
        return next((field for field in reversed(before) if field.kind == "text"), None)

    def default_button(self) -> list[tuple[str, str]]:
        """The first submit button, as Enter presses it (HTML 4.10.22.2)."""
        return next(([(field.name, field.value)] for field in self.fields if field.kind == "submit" and field.name), [])


@dataclass(frozen=True, slots=True)
class Page:
    """``words`` are its lines of text, ``reference`` the number that one of our own pages carries, ``refresh`` where it moves on to by
    itself, ``links`` the absolute addresses of its links."""

    title: str = ""
    words: tuple[str, ...] = ()
    forms: tuple[Form, ...] = ()
    links: tuple[str, ...] = ()
    reference: str = ""
    refresh: str | None = None

    def saml_form(self) -> Form | None:
        """A form that carries a SAML message on (bindings 3.5.4)."""
        return next((form for form in self.forms if form.method == "POST" and form.has(*SAML_FIELDS)), None)

    def login_form(self) -> Form | None:
        """A form that asks for a password, else one that asks for nothing but a user name."""
        asking = next((form for form in self.forms if form.password_field() is not None), None)
        return asking or next((form for form in self.forms if form.user_field() is not None), None)

    def agreement(self) -> tuple[Form, tuple[tuple[str, str], ...]] | None:
        """A form that asks whether one agrees to something (terms of use, what is about to be sent), and what it sends when one does: with
        everything as the page suggests it, and for this time only where it offers that."""
        for form in self.forms:
            button = next((field for field in form.fields if field.kind == "submit" and _agrees(field)), None)
            if button is None or form.method != "POST" or form.password_field() is not None:
                continue
            once = any((field.name, field.value) == _FOR_THIS_TIME for field in form.fields if field.kind == "choice")
            fields = [pair for pair in form.as_it_stands() if not (once and pair[0] == _FOR_THIS_TIME[0])]
            return form, (*fields, *((_FOR_THIS_TIME,) if once else ()), (button.name, button.value))
        return None

    def choices(self) -> dict[str, tuple[Form, Field] | str]:
        """The home organisations that a discovery page offers, by entityID: a control of a form to use, or a link to follow."""
        found: dict[str, tuple[Form, Field] | str] = {}
        for form in self.forms:
            for field in form.fields:
                if field.kind in ("submit", "choice", "other") and _is_uri(field.value):
                    found.setdefault(field.value, (form, field))
        for link in self.links:
            for name, value in parse_qsl(urlsplit(link).query):
                if name == "entityID" and _is_uri(value):
                    found.setdefault(value, link)
        return found

    def search_form(self) -> tuple[Form, Field] | None:
        """A form with which a discovery page is searched."""
        for form in self.forms:
            texts = [field for field in form.fields if field.kind == "text"]
            if form.method == "GET" and len(texts) == 1 and form.password_field() is None:
                return form, texts[0]
        return None


def _agrees(button: Field) -> bool:
    return (button.name, button.value) in _AGREEING or (button.name, None) in _AGREEING


def read_page(answer: Answer) -> Page:
    """What is on the page; nothing where the answer is not HTML."""
    if "html" not in (answer.header("Content-Type") or "text/html").lower() or not answer.body.strip():
        return Page()
    parser = lxml.html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = lxml.html.document_fromstring(answer.body, parser=parser)
    except (etree.ParserError, ValueError):
        return Page()
    base = answer.url
    title = " ".join((root.findtext(".//title") or "").split())[:MAXIMUM_LINE]
    references = root.xpath("//*[contains(concat(' ', @class, ' '), ' reference ')]//code")
    return Page(
        title=title,
        words=tuple(_words(root)),
        forms=tuple(_form(element, base) for element in list(root.iter("form"))[:_MAXIMUM_FORMS]),
        links=tuple(_joined(base, href) for href in _hrefs(root))[:2000],
        reference=str(references[0].text or "")[:60] if isinstance(references, list) and references else "",
        refresh=_refresh(root, base),
    )


def _words(root: lxml.html.HtmlElement) -> list[str]:
    """The lines of text of the main part. No recursion: how deep a page is nested is its author's choice."""
    main = next(root.iter("main"), None)
    body = main if main is not None else root.find("body")
    lines: list[str] = []
    open_line: list[str] = []

    def end_line() -> None:
        line = " ".join("".join(open_line).split())
        open_line.clear()
        if line and len(lines) < MAXIMUM_LINES:
            lines.append(line if len(line) <= MAXIMUM_LINE else f"{line[:MAXIMUM_LINE]}…")

    silent = 0
    for event, element in etree.iterwalk(body if body is not None else root, events=("start", "end")):
        tag = str(element.tag)
        if tag in _SILENT:
            silent += 1 if event == "start" else -1
        if tag not in _INLINE:
            end_line()
        if not silent and (event == "start" or element is not body):
            open_line.append((element.text if event == "start" else element.tail) or "")
    end_line()
    return lines


def _form(element: lxml.html.HtmlElement, base: str) -> Form:
    action = str(element.get("action") or base)
    method = "POST" if str(element.get("method") or "").lower() == "post" else "GET"
    fields = (field for control in element.iter("input", "button", "select", "textarea") for field in _fields(control))
    return Form(_joined(base, action), method, tuple(_first(fields, _MAXIMUM_FIELDS)))


def _fields(control: lxml.html.HtmlElement) -> Iterator[Field]:
    name, value = str(control.get("name") or ""), str(control.get("value") or "")
    autocomplete = str(control.get("autocomplete") or "").lower()
    if control.get("disabled") is not None:
        return
    if control.tag == "select":
        options = list(control.iter("option"))
        chosen = next(
            (option for option in options if option.get("selected") is not None), options[0] if options else None
        )
        for option in options:
            shown = option.get("value")
            yield Field(name, str(shown if shown is not None else option.text or ""), "other", option is chosen)
        return
    if control.tag == "textarea":
        yield Field(name, control.text or "", "other")
        return
    kind = str(control.get("type") or ("submit" if control.tag == "button" else "text")).lower()
    if kind in ("submit", "image"):
        yield Field(name, value, "submit", sent=False)
    elif kind in ("checkbox", "radio"):
        yield Field(name, value or "on", "choice", control.get("checked") is not None)
    elif kind == "hidden":
        yield Field(name, value, "hidden")
    elif kind == "password":
        yield Field(name, value, "password")
    elif kind in ("text", "email", "search", "tel", "url"):
        yield Field(name, value, "text", autocomplete=autocomplete)
    elif kind not in ("button", "reset", "file"):
        yield Field(name, value, "other")


def _hrefs(root: lxml.html.HtmlElement) -> Iterator[str]:
    """Where links lead, those within the page left out."""
    for link in root.iter("a"):
        href = str(link.get("href") or "").strip()
        if href and not href.startswith("#"):
            yield href


def _refresh(root: lxml.html.HtmlElement, base: str) -> str | None:
    """``<meta http-equiv="refresh" content="0; url=...">`` that is due within ten seconds."""
    for meta in root.iter("meta"):
        if str(meta.get("http-equiv") or "").lower() == "refresh":
            seconds, _, address = str(meta.get("content") or "").partition(";")
            _, equals, url = address.partition("=")
            if seconds.strip().isdecimal() and int(seconds) <= 10 and equals:
                return _joined(base, url.strip().strip("'\""))
    return None


def _joined(base: str, url: str) -> str:
    try:
        return urljoin(base, url.strip())
    except ValueError:
        return url


def _is_uri(text: str) -> bool:
    return text.startswith(("http://", "https://", "urn:")) and not any(character.isspace() for character in text)


def _first(items: Iterable[Field], maximum: int) -> Iterator[Field]:
    for number, item in enumerate(items):
        if number == maximum:
            return
        yield item
