"""What a person does about her second factors in the simulated federation: sets them up, and signs in with them."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import pyotp

from idp.factors.recovery import RecoveryCodes
from idp.factors.store import Factors
from ostiary import audit
from ostiary.command.demo.people import NORTHGATE
from ostiary.storage.engine import open_engine, reading
from tests.browser import Answer, Browser, Form, forms_of
from tests.simulator import Simulation, home_of
from tests.software_authenticator import SoftwareAuthenticator

PASSWORD_CLASS = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
MFA = "https://refeds.org/profile/mfa"


Simulate = Callable[..., Simulation]
"""Starts a federation whose second factors at Northgate are configured so."""


@dataclass
class Member:
    """Somebody of Northgate with one browser, an authenticator app and passkeys."""

    simulation: Simulation
    username: str = "alice"
    browser: Browser = field(init=False)
    passkeys: SoftwareAuthenticator = field(init=False)
    secret: str = ""
    codes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.browser = self.simulation.browser()
        self.passkeys = SoftwareAuthenticator(self.idp)

    @property
    def idp(self) -> str:
        return self.simulation.layout.idp_url(NORTHGATE)

    @property
    def principal(self) -> str:
        with self.simulation.directory(NORTHGATE) as directory:
            person = directory.find(self.username)
        if person is None:
            raise KeyError(self.username)
        return person.principal

    def elsewhere(self) -> "Member":
        """The same person, with the same factors, in a browser that nobody has used yet."""
        other = Member(self.simulation, self.username, self.secret, self.codes)
        other.passkeys = self.passkeys
        return other

    def give_password(self, page: Answer) -> Answer:
        password = home_of(self.username)[1]
        return self.browser.submit(page, {"username": self.username, "password": password}, having="password")

    def own_page(self) -> Answer:
        """The page of her factors, for which she signs in where that is asked."""
        page = self.browser.get(f"{self.idp}/account/factors")
        return self.give_password(page) if has_field(page, "password") else page

    def to_resource(self, resource: str = "library") -> Answer:
        """As far towards a resource as the password brings her."""
        page = self.simulation.to_login_page(self.browser, resource, NORTHGATE)
        return self.give_password(page) if has_field(page, "password") else page

    def code(self, after: timedelta = timedelta(0)) -> str:
        """What her app shows, now or later."""
        return pyotp.TOTP(self.secret).at(self.simulation.clock.at + after)

    def next_code(self) -> str:
        """What it shows after she waited for a new one."""
        self.simulation.clock.forward(seconds=30)
        return self.code()

    def set_up_app(self, page: Answer | None = None, **typed: str) -> Answer:
        """Sets up an app, on her own page unless that of a sign-on is given; returns the page after the first code."""
        if page is None:
            self.own_page()
            page = self.browser.get(f"{self.idp}/account/factors/totp")
        self.secret = secret_in(page)
        answer = self.browser.submit(page, {"code": self.code(), "label": "my phone", **typed}, having="code")
        self.codes = codes_in(answer) or self.codes
        return answer

    def set_up_passkey(self, page: Answer | None = None, **changes: Any) -> Answer:
        """The same for a passkey. ``changes``: of what her browser says."""
        page = page or self.own_page()
        form = passkey_form(page, "/account/factors/passkey")
        options = self.options(form, "/account/factors/passkey/options")
        answer = self.send(form, credential=self.passkeys.create(options, **changes), label="my key")
        self.codes = codes_in(answer) or self.codes
        return answer

    def options(self, form: Form, path: str) -> dict[str, Any]:
        """What the page's script asks for before it turns to the authenticator."""
        answer = self.browser.submit_without_following(f"{self.idp}{path}", form.fields)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.text}")
        options: dict[str, Any] = json.loads(answer.body)
        return options

    def send(self, form: Form, **fields: str) -> Answer:
        """Submits a form with these fields."""
        kept = [(name, value) for name, value in form.fields if name not in fields]
        return self.browser.post(urljoin(self.idp, form.action), [*kept, *fields.items()])

    def prove(self, page: Answer, kind: str, code: str, **more: str) -> Answer:
        """Types a code into the page that asks for a second factor."""
        return self.send(form_of_kind(page, kind), code=code, **more)

    def use_passkey(self, page: Answer, **changes: Any) -> Answer:
        """Uses her latest passkey there."""
        form = form_of_kind(page, "passkey")
        options = self.options(form, "/login/second-factor/passkey")
        return self.send(form, credential=self.passkeys.get(options, **changes))

    def sign_in_by_passkey(self, page: Answer, **changes: Any) -> Answer:
        """Uses it on the login page, without a password."""
        form = passkey_form(page, "/login/passkey")
        options = self.options(form, "/login/passkey/options")
        return self.send(form, credential=self.passkeys.get(options, **changes))

    def factors(self) -> list[str]:
        """The labels of what she has."""
        engine = open_engine(f"sqlite:///{self.simulation.layout.directory(NORTHGATE.key) / 'home.db'}")
        try:
            return [factor.label for factor in Factors(engine).of(self.principal)]
        finally:
            engine.dispose()

    def codes_left(self) -> int:
        engine = open_engine(f"sqlite:///{self.simulation.layout.directory(NORTHGATE.key) / 'home.db'}")
        try:
            return RecoveryCodes(engine).state(self.principal).left
        finally:
            engine.dispose()

    def events(self, action: str) -> list[audit.Event]:
        """What the audit has about her."""
        engine = open_engine(f"sqlite:///{self.simulation.layout.directory(NORTHGATE.key) / 'home.db'}")
        try:
            with reading(engine) as connection:
                return audit.events(connection, action=action, subject=self.principal, limit=1000)
        finally:
            engine.dispose()


def has_field(page: Answer, name: str) -> bool:
    return any(form.has(name) for form in forms_of(page))


def is_response(page: Answer) -> bool:
    """Whether this page carries the signed Response."""
    return has_field(page, "SAMLResponse")


def asks_for_factor(page: Answer) -> bool:
    return page.url.partition("?")[0].endswith("/login/second-factor") and has_field(page, "kind")


def form_of_kind(page: Answer, kind: str) -> Form:
    return next(form for form in forms_of(page) if ("kind", kind) in form.fields)


def passkey_form(page: Answer, path: str) -> Form:
    return next(form for form in forms_of(page) if form.action.endswith(path) and form.has("credential"))


def secret_in(page: Answer) -> str:
    """The secret that the page shows for typing it in."""
    found = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page.text)
    if found is None:
        raise RuntimeError(f"no secret in {page.url}: {page.text}")
    return found[1].replace(" ", "")


def codes_in(page: Answer) -> list[str]:
    """The recovery codes that the page shows."""
    return re.findall(r"<li><code>([A-Z2-7]{4}(?:-[A-Z2-7]{4}){3})</code></li>", page.text)
