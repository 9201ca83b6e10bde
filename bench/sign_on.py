"""One whole single sign-on with a session, over HTTP, at one worker of the identity provider, beside two bare RSA-2048 signatures.

A signed AuthnRequest comes in by HTTP-Redirect; the session is looked up, the attributes are resolved (from the cache) and go through
the release policies and the consent that was given, the doubly signed Response goes out in its page, with its audit row. CPU seconds of
the service's processes, client excluded.
"""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bench.demo_start import free_ports
from bench.measure import Row, cpu_milliseconds
from bench.plain_client import PlainClient
from bench.served import Served, configured, served, write_keys
from ostiary.command.demo.federation import prepare
from ostiary.command.demo.layout import RESOURCES, Layout
from ostiary.command.demo.people import INSTRUMENT, NORTHGATE
from ostiary.federation.keys import load_key_ring
from ostiary.saml import names
from ostiary.saml.bindings import encode_redirect
from ostiary.saml.protocol import AuthnRequest, new_id
from tests.browser import Answer, Browser, HttpTransport, forms_of

GOAL = 2.5
LOGINS = 25
"""In each round: short enough to fit between what the machine's host does for others."""


def rows(*, quick: bool) -> list[Row]:
    """One row."""
    with tempfile.TemporaryDirectory() as name:
        layout = Layout(Path(name), free_ports())
        for part in (NORTHGATE.key, "instrument"):
            write_keys(layout.directory(part) / "keys")
        prepare(layout, [], now=datetime.now(UTC))
        _one_worker_with_consent(layout)
        directory = layout.directory(NORTHGATE.key)
        command = ["idp", "--config", str(directory / "idp.yaml"), "--authority", str(directory / "aa.yaml")]
        with served(command, f"{layout.idp_url(NORTHGATE)}/health") as service:
            value, limit = _milliseconds(layout, service, rounds=20 if quick else 400)
    return [Row("single sign-on with a session, one HTTP request", value, "ms CPU", limit, GOAL)]


def _two_signatures(key: rsa.RSAPrivateKey) -> None:
    for _ in range(2):
        key.sign(b"x" * 400, padding.PKCS1v15(), hashes.SHA256())


def _milliseconds(layout: Layout, service: Served, *, rounds: int) -> tuple[float, float]:
    """For one sign-on, and for two signatures: the best of ``rounds``, in which they take turns."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    browser = Browser(HttpTransport())
    url = _request(layout)
    answer = browser.get(url)
    person = NORTHGATE.people[0]
    while not _carries_response(answer):
        if any(form.has("password") for form in forms_of(answer)):
            answer = browser.submit(
                answer, {"username": person.username, "password": person.password}, having="password"
            )
        else:
            answer = _agree(browser, answer)
    site = urlsplit(url).hostname
    cookie = "; ".join(f"{name}={value}" for (host, name), value in browser.cookies.items() if host == site)
    headers = {"Cookie": cookie, "Accept": "text/html", "Accept-Language": "en"}
    best = bare = float("inf")
    with PlainClient(url, headers) as client:
        for _ in range(rounds):
            requests = [client.written(_request(layout)) for _ in range(LOGINS)]
            before = service.cpu()
            answers = [client.send(request) for request in requests]
            best = min(best, (service.cpu() - before) / LOGINS * 1000)
            for plain in answers:
                if b'name="SAMLResponse"' not in plain.body:
                    raise RuntimeError(f"no Response came: {plain.status}")
            bare = min(bare, cpu_milliseconds({"two": lambda: _two_signatures(key)}, rounds=1, loops=10)["two"])
    return best, bare


def _agree(browser: Browser, answer: Answer) -> Answer:
    """Says yes to everything that the consent page has ticked, to be remembered until something changes."""
    form = next(form for form in forms_of(answer) if form.has("shown"))
    fields = [*(pair for pair in form.fields if pair[0] != "mode"), *form.ticked]
    return browser.post(form.action, [*fields, ("mode", "ask_when_changed"), ("answer", "accept")])


def _request(layout: Layout) -> str:
    location = f"{layout.idp_url(NORTHGATE)}/saml/sso/redirect"
    resource = next(resource for resource in RESOURCES if resource.entity_id == INSTRUMENT)
    request = AuthnRequest(
        id=new_id(),
        issuer=INSTRUMENT,
        issue_instant=datetime.now(UTC).replace(microsecond=0),
        destination=location,
        acs_url=f"{layout.resource_url(resource)}/ostiary/acs",
        protocol_binding=names.HTTP_POST,
    )
    signer = load_key_ring(layout.directory("instrument") / "keys").signer
    return encode_redirect(location, "SAMLRequest", request.to_xml(), relay_state="state", signer=signer)


def _carries_response(answer: Answer) -> bool:
    return any(form.has("SAMLResponse") for form in forms_of(answer))


def _one_worker_with_consent(layout: Layout) -> None:
    """Both halves of the home organisation ask people about the resource, which the demo's first one does not."""
    for name in ("idp.yaml", "aa.yaml"):
        configured(layout.directory(NORTHGATE.key) / name, listen={"workers": 1}, consent={"mode": "required"})
