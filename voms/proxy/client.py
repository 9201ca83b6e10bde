"""Asks a VO's servers for an attribute certificate, as ``voms-proxy-init`` does: REST over TLS with the user's own certificate.

Trusts a server by the CA directory and by the name that the ``vomses`` file gives it. Writes nothing.
"""

import base64
import binascii
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from cryptography import x509

from ostiary.errors import Denied, NotAuthenticated, OstiaryError, Refusal, Unavailable
from ostiary.saml.xml import MESSAGE, Element, parse_xml
from ostiary.x509.names import slash_form
from ostiary.x509.vomses import VomsServer
from voms.proxy.exchange import TIMEOUT, Answer, Server, exchange
from voms.proxy.progress import Progress

# The numbers are those of services which grew from another root.
_DENIED: Final = {
    "NoSuchUser": "voms.answered_unknown",
    "1001": "voms.answered_unknown",
    "SuspendedUser": "voms.answered_not_active",
    "1004": "voms.answered_not_active",
}
_TROUBLE: Final = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to ask for: names (``/vo/group``, ``/vo/group/Role=r``, ``all``), their order, seconds (None: as many as the VO gives), host
    names."""

    fqans: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    lifetime: int | None = None
    targets: tuple[str, ...] = ()

    def path(self) -> str:
        """The path and query of the request; what clients leave unescaped stays so."""
        pairs = [("fqans", ",".join(self.fqans)), ("order", ",".join(self.order)), ("targets", ",".join(self.targets))]
        if self.lifetime is not None:
            pairs.insert(1, ("lifetime", str(self.lifetime)))
        query = "&".join(f"{name}={quote(value, safe='/=,.:-_')}" for name, value in pairs if value)
        return f"/generate-ac?{query}" if query else "/generate-ac"


@dataclass(frozen=True, slots=True)
class Patience:
    """``seconds`` for each server, ``rounds`` through all that gave no answer, ``pause`` seconds between two rounds."""

    seconds: float = TIMEOUT
    rounds: int = 2
    pause: float = 1.0


@dataclass(frozen=True, slots=True)
class Received:
    """An attribute certificate, DER, not yet verified, and what the server remarks."""

    certificate: bytes
    warnings: tuple[str, ...]


def ask(
    servers: Sequence[VomsServer],
    wanted: Wanted,
    context: ssl.SSLContext,
    progress: Progress,
    patience: Patience,
    *,
    wait: Callable[[float], object] = time.sleep,
) -> Received:
    """The answer of the first server that gives one, in their order: a refusal is an answer; a server that can't be reached, is in trouble
    or is not the one of ``vomses`` is not. ``progress`` hears of each attempt.

    Raises `Denied` (``voms.answered_unknown``, ``voms.answered_not_active``), `Refusal` (``voms.answered``); what was wrong with the one
    server there is: `Unavailable` (``voms.unreachable``, ``voms.untrusted_server``, ``voms.refused_certificate``, ``voms.trouble``),
    `NotAuthenticated` (``voms.other_server``); or `Unavailable` (``voms.no_answer``) of all.
    """
    problems: dict[VomsServer, OstiaryError] = {}
    for turn in range(patience.rounds):
        # Whom the name of another was shown to is not asked again.
        due = [each for each in servers if not isinstance(problems.get(each), NotAuthenticated)]
        if turn and due:
            wait(patience.pause)
        for server in due:
            progress.begin(f'Contacting  {_where(server)} [{server.subject}] "{server.vo}"')
            try:
                received = _ask(server, wanted, context, patience.seconds)
            except (Unavailable, NotAuthenticated) as problem:
                progress.end(f"Failed ({problem.found})")
                problems[server] = problem
            except Refusal:
                progress.end("Refused")
                raise
            else:
                progress.end("Done")
                return received
    raise _none_answered(problems)


def _ask(server: VomsServer, wanted: Wanted, context: ssl.SSLContext, seconds: float) -> Received:
    where = _where(server)
    request = f"GET {wanted.path()} HTTP/1.1\r\nHost: {where}\r\nUser-Agent: ostiary\r\nAccept: */*\r\nConnection: close\r\n\r\n"

    def check(chain: tuple[bytes, ...]) -> None:
        found = slash_form(x509.load_der_x509_certificate(chain[0]).subject) if chain else "nobody"
        if server.subject and found != server.subject:
            raise NotAuthenticated("voms.other_server", expected=server.subject, found=found, server=where)

    answer = exchange(Server(server.host, server.port), request.encode(), context, check, seconds=seconds)
    return _read(answer, where)


def _read(answer: Answer, where: str) -> Received:
    try:
        root = parse_xml(answer.body, MESSAGE)
    except OstiaryError as problem:
        raise _unreachable(where, f"status {answer.status}, {problem}") from problem
    # A certificate counts whatever the status: the original service answers 500 when it has warnings.
    if root.find("ac") is None:
        error = root.find("error")
        if error is None:
            raise _unreachable(where, "an answer without a certificate")
        raise _refused(_text(error, "code"), _text(error, "message"), answer.status, where)
    try:
        certificate = base64.b64decode("".join(_text(root, "ac").split()), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise _unreachable(where, problem) from problem
    if not certificate:
        raise _unreachable(where, "an answer without a certificate")
    return Received(certificate, tuple(element.text or "" for element in root.findall("warning")))


def _refused(code: str, message: str, status: int, where: str) -> OstiaryError:
    if code in _DENIED:
        return Denied(_DENIED[code], message=message, server=where)
    if status >= _TROUBLE:
        return Unavailable("voms.trouble", expected="an answer", found=message, message=message, server=where)
    return Refusal("voms.answered", message=message, server=where)


def _none_answered(problems: Mapping[VomsServer, OstiaryError]) -> OstiaryError:
    if len(problems) == 1:
        return next(iter(problems.values()))
    found = "; ".join(f"{_where(server)}: {problem.found}" for server, problem in problems.items())
    return Unavailable("voms.no_answer", expected="an answer of one server", found=found, count=len(problems))


def _text(parent: Element, name: str) -> str:
    return parent.findtext(name) or ""


def _where(server: VomsServer) -> str:
    return str(Server(server.host, server.port))


def _unreachable(where: str, cause: object) -> Unavailable:
    return Unavailable("voms.unreachable", expected="an answer", found=cause, server=where)
