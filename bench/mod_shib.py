"""Apache with mod_shib, and shibd: what both take for a request with a session and for a whole acceptance.

It trusts the home organisation of the benchmark and sees the same eight attributes. CPU time of all their processes counts, the client's
does not; messages are signed beforehand.
"""

import re
import secrets
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Final, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import urllib3

from bench.demo_start import free_ports
from bench.measure import cpu_milliseconds
from bench.saml_messages import ATTRIBUTES, IDP, MADE, Home
from bench.served import Served, write_keys
from ostiary.saml.attribute_names import wire_name
from ostiary.saml.bindings import decode_redirect, encode_post, encode_written
from tests.shibboleth_server import ENTITY_ID, ShibbolethServer, documented, missing

TASKS: Final = ("request", "acceptance")
# As in Debian's attribute-map.xml, because its attribute-policy.xml looks at scopes by these names.
_SHORT: Final = {
    "eduPersonPrincipalName": "eppn",
    "eduPersonScopedAffiliation": "affiliation",
    "eduPersonEntitlement": "entitlement",
}
_SCOPED: Final = ("eppn", "affiliation")
_DECODER: Final = '><AttributeDecoder xsi:type="ScopedAttributeDecoder" caseSensitive="false"/></Attribute>'
_MAP: Final = """\
<Attributes xmlns="urn:mace:shibboleth:2.0:attribute-map" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
{}
</Attributes>
"""
_APACHE: Final = """\
<Location /secure/>
  AuthType shibboleth
  ShibRequestSetting requireSession 1
  Require shib-session
</Location>
<Directory "$directory/pages/secure/seen">
  Options +Includes
  SetOutputFilter INCLUDES
</Directory>
"""

Headers = Callable[[str], Mapping[str, str]]
"""From the cookies of this service to what a browser sends with them."""


def measure_mod_shib(home: Home, metadata: Path, headers: Headers, *, quick: bool) -> dict[str, float | str]:
    """``request``: microseconds of CPU beyond the same request for an unprotected page; ``acceptance``: milliseconds from the posted
    Response to the cookie of a session. Or why there is no figure. ``metadata``: that of ``home``."""
    gone = missing()
    if gone:
        return dict.fromkeys(TASKS, f"{gone[0]} is not installed")
    try:
        with ExitStack() as stack:
            server = ShibbolethServer(free_ports())
            stack.callback(server.remove)
            stack.callback(server.stop)
            _start(server, metadata)
            visitor = Visitor(server, home, headers)
            stack.callback(visitor.close)
            return _measured(server, visitor, quick=quick)
    except Exception as error:
        # A peer that fails takes nothing but its own figures with it.
        traceback.print_exc()
        return dict.fromkeys(TASKS, f"{type(error).__name__}: {error}".splitlines()[0][:200])


def _start(server: ShibbolethServer, metadata: Path) -> None:
    write_keys(server.keys)
    for folder in ("open", "secure"):
        server.page(folder, "hello\n")
    server.page("secure/seen", "\n".join(f'<!--#echo var="{name}" -->' for name in _names()))
    mapping = server.directory / "attribute-map.xml"
    mapping.write_text(attribute_map())
    source = f'    <MetadataProvider type="XML" validate="true" path="{metadata}"/>\n'
    text = re.sub(r"    <MetadataProvider.*?</MetadataProvider>\n", source, documented("xml"), flags=re.DOTALL)
    apache = Template(_APACHE).substitute(directory=server.directory)
    server.run(text, {'"attribute-map.xml"': f'"{mapping}"'}, apache, ("include",))


def _names() -> list[str]:
    """What the attributes are called in the environment of the application."""
    return [_SHORT.get(attribute.name, attribute.name) for attribute in MADE]


def attribute_map() -> str:
    """``attribute-map.xml`` for the eight attributes, of which Debian's knows three."""
    lines = [
        f'  <Attribute name="{wire_name(attribute.name)}" id="{name}"' + (_DECODER if name in _SCOPED else "/>")
        for attribute, name in zip(MADE, _names(), strict=True)
    ]
    return _MAP.format("\n".join(lines))


def _measured(server: ShibbolethServer, visitor: "Visitor", *, quick: bool) -> dict[str, float | str]:
    processes = [Served(process) for process in server.running]

    def cpu() -> float:
        return sum(one.cpu() for one in processes)

    must_refuse_and_accept(visitor)
    session = visitor.deliver(visitor.answered())
    visitor.must_be_let_in(session)
    best = cpu_milliseconds(
        {"bare": lambda: visitor.get("/open/", session), "protected": lambda: visitor.get("/secure/", session)},
        rounds=6 if quick else 20,
        loops=250 if quick else 500,
        clock=cpu,
    )
    accepted, loops = float("inf"), 50 if quick else 100
    for _ in range(4 if quick else 10):
        waiting = [visitor.answered() for _ in range(loops)]
        begin = cpu()
        for answer in waiting:
            visitor.deliver(answer)
        accepted = min(accepted, (cpu() - begin) / loops * 1000)
    return {"request": (best["protected"] - best["bare"]) * 1000, "acceptance": accepted}


def must_refuse_and_accept(visitor: "Delivers") -> None:
    """Whoever looks at less than both signatures does another task than the one that is measured."""
    for number in range(2):
        answer = visitor.answered(broken=number)
        try:
            visitor.deliver(answer)
        except RefusedResponse:
            continue
        raise RuntimeError("it accepts a Response with a broken signature")
    visitor.deliver(visitor.answered())


class RefusedResponse(RuntimeError):
    """No session began."""


@dataclass(frozen=True)
class Answer:
    """What a browser brings back from the home organisation: its cookies, and the body of the form that it posts."""

    cookies: str
    form: bytes


class Delivers(Protocol):
    def answered(self, *, broken: int | None = None) -> Answer: ...

    def deliver(self, answer: Answer) -> str: ...


class Visitor:
    """Browsers, one after the other, on one connection."""

    def __init__(self, server: ShibbolethServer, home: Home, headers: Headers) -> None:
        self._origin = server.origin
        self._acs = f"{server.origin}/Shibboleth.sso/SAML2/POST"
        self._home = replace(home, sp=ENTITY_ID, acs=self._acs)
        self._headers = headers
        self._pool = urllib3.PoolManager(retries=False, timeout=20)

    def close(self) -> None:
        self._pool.clear()

    def get(self, path: str, cookies: str) -> bytes:
        answer = self._ask("GET", f"{self._origin}{path}?page=3", cookies)
        if answer.status != 200:
            raise RuntimeError(f"{path} answers {answer.status}")
        return answer.data

    def must_be_let_in(self, session: str) -> None:
        """Only with the session, and then with all attributes."""
        if self._ask("GET", f"{self._origin}/secure/", "").status == 200:
            raise RuntimeError("it lets in whoever has no session")
        seen = self.get("/secure/seen/", session).decode().splitlines()
        if seen != [";".join(values) for values in ATTRIBUTES.values()]:
            raise RuntimeError(f"the application does not see the attributes: {seen}")

    def answered(self, *, broken: int | None = None) -> Answer:
        """A login begun, and the home organisation's answer; ``broken``: with which of its signatures not right."""
        target = urlencode({"entityID": IDP, "target": f"{self._origin}/secure/"})
        begun = self._ask("GET", f"{self._origin}/Shibboleth.sso/Login?{target}", "")
        if begun.status != 302:
            raise RuntimeError(f"a login does not begin, the answer is {begun.status}")
        query = urlsplit(begun.headers["Location"]).query
        request = decode_redirect(query.encode(), "SAMLRequest").element.attrib["ID"]
        now, handle = datetime.now(UTC).replace(microsecond=0), secrets.token_urlsafe(105)
        home = replace(self._home, request=request, now=now, handle=handle)
        message = encode_written(home.build()) if broken is None else encode_post(home.broken()[broken])
        form = {"SAMLResponse": message, "RelayState": parse_qs(query)["RelayState"][0]}
        return Answer("; ".join(_cookies(begun)), urlencode(form).encode())

    def deliver(self, answer: Answer) -> str:
        """The cookie of the session that began, or ``RefusedResponse``."""
        accepted = self._ask("POST", self._acs, answer.cookies, answer.form)
        sessions = [cookie for cookie in _cookies(accepted) if cookie.startswith("_shibsession_")]
        if accepted.status not in (302, 303) or len(sessions) != 1:
            raise RefusedResponse(f"a Response was answered {accepted.status}")
        return sessions[0]

    def _ask(self, method: str, url: str, cookies: str, body: bytes | None = None) -> urllib3.BaseHTTPResponse:
        headers = dict(self._headers(cookies))
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self._pool.request(method, url, headers=headers, body=body, redirect=False)


def _cookies(answer: urllib3.BaseHTTPResponse) -> list[str]:
    return [header.partition(";")[0] for header in answer.headers.getlist("Set-Cookie")]
