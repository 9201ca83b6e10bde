"""What stands between a resource's core and a home organisation in these tests: logins that are under way, and back channels that answer
as a test wants."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit

from ostiary.command.demo.people import NORTHGATE
from ostiary.config import write_private_file
from ostiary.federation.keys import private_pem, self_signed
from ostiary.saml.ecp import PAOS_HEADER, PAOS_TYPE
from sp_shire.messages import Passage, Reply
from tests.browser import PAGE, Answer, Browser
from tests.flows.forging import Message, take_apart
from tests.saml.world import private_key
from tests.simulator import START, Simulation, home_of
from tests.sp_shire.conftest import BROWSER, Core, cookie_of, header

HERE = "http://127.0.0.1:20005/"
FORM = "application/x-www-form-urlencoded"
DECRYPTING = private_key("rsa", "library, to decrypt")
PROGRAM = {"accept": f"text/html, {PAOS_TYPE}", "paos": PAOS_HEADER}


class CameHere(Exception):
    """The browser was sent to the resource."""


class UpToHere(Browser):
    """A browser that stops when it is sent to the resource."""

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] = PAGE, body: bytes = b"", without_lax: bool = False
    ) -> Answer:
        if url.startswith(HERE):
            raise CameHere(url)
        return super().request(method, url, headers=headers, body=body, without_lax=without_lax)


@dataclass
class BackChannel:
    """Takes what is sent over SOAP, and answers with what ``answer`` makes of it."""

    answer: Callable[[str, bytes], bytes]
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.sent.append((url, body))
        return Answer(200, [("Content-Type", "text/xml")], self.answer(url, body), url)


@dataclass(frozen=True)
class UnderWay:
    """A login that began at ``core`` with the browser cookie ``cookie``; ``location`` is where the home organisation sends the browser."""

    core: Core
    cookie: str
    location: str

    @property
    def query(self) -> bytes:
        return urlsplit(self.location).query.encode()

    def finish(self, held: Reply | Passage, cookie: str | None = None) -> Reply:
        """The step after an assertion consumer."""
        return finish(self.core, held, self.cookie if cookie is None else cookie)


def finish(core: Core, held: Reply | Passage, cookie: str) -> Reply:
    """From the consumer's redirect to the answer of the step after it."""
    if not isinstance(held, Reply) or held.status != 303:
        raise AssertionError(f"no redirect: {core.log_lines()[-1]}"[:900])
    parts = urlsplit(header(held, "Location") or "")
    done = core.ask(parts.path, query=parts.query.encode(), cookie=cookie)
    if not isinstance(done, Reply):
        raise TypeError("the application was reached")
    return done


def begin(core: Core, username: str = "alice") -> tuple[str, Browser, Answer]:
    """A login at ``core`` up to the form for the password: the cookie of its browser, the browser, the page."""
    home, _ = home_of(username)
    begun = core.ask("/ostiary/login", query=f"entityID={quote_plus(home.entity_id)}".encode())
    if not isinstance(begun, Reply):
        raise TypeError("the application was reached")
    browser = UpToHere(core.federation.transport)
    return cookie_of(begun), browser, browser.get(header(begun, "Location") or "")


def sent_back(core: Core, username: str = "alice") -> UnderWay:
    """A whole login at the home organisation, which sends the browser back by redirect."""
    cookie, browser, page = begin(core, username)
    try:
        browser.submit(page, {"username": username, "password": home_of(username)[1]}, having="password")
    except CameHere as came:
        return UnderWay(core, cookie, str(came))
    raise AssertionError("the home organisation did not send the browser back")


def answered(core: Core, username: str = "alice") -> tuple[str, Message]:
    """A login whose Response comes by form: the cookie of its browser, and the Response taken apart."""
    cookie, browser, page = begin(core, username)
    home, password = home_of(username)
    page = browser.submit(page, {"username": username, "password": password}, having="password")
    return cookie, take_apart(core.federation, page, home)


def post(core: Core, encoded: str, path: str = "/ostiary/acs", **headers: str) -> Reply | Passage:
    """A Response in a form from another site."""
    body = f"SAMLResponse={quote_plus(encoded)}".encode()
    return core.ask(path, method="POST", body=body, **{"content_type": FORM, "origin": "null", **headers})


def logged_in(core: Core, done: Reply) -> bool:
    """Whether a step opened a session that lets its owner in."""
    return done.status == 303 and isinstance(core.ask("/library/", cookie=cookie_of(done)), Passage)


def keys_that_decrypt(simulation: Simulation, directory: Path) -> Path:
    """The key directory of the library with one key more, that of `DECRYPTING`, to encrypt to."""
    shutil.copytree(simulation.layout.directory("library") / "keys", directory)
    (directory / "encryption-current.crt").write_bytes(self_signed(DECRYPTING, "library.example", now=START))
    write_private_file(directory / "encryption-current.key", private_pem(DECRYPTING))
    return directory


def home_location(simulation: Simulation, path: str) -> str:
    """An address of the home organisation of `answered`."""
    return simulation.layout.idp_url(NORTHGATE) + path


def program(core: Core, path: str = "/library/", **headers: Any) -> Reply | Passage:
    """A program that speaks ECP asks for a page."""
    return core.ask(path, **{**BROWSER, **PROGRAM, **headers})
