"""``ostiary proxy fetch``: one request to a service with the user's proxy, after the service was proven and VOs say of it what is
required."""

import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from ostiary.clock import Clock
from ostiary.errors import Refusal
from ostiary.web.one_line import one_line
from ostiary.x509.lsc import load_vomsdir
from ostiary.x509.trust import load_trust_directory
from voms.proxy.credential import load_credential
from voms.proxy.exchange import TIMEOUT, Server, exchange, is_success, make_client_context
from voms.proxy.mutual import ProvenService, read_required, verify_service
from voms.proxy.options import FILE, option, trust_options
from voms.proxy.places import Places

MAXIMUM: Final = 64 * 1024 * 1024
_HTTPS: Final = 443
_PRINTABLE: Final = frozenset(range(0x21, 0x7F))


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of which server."""

    server: Server
    path: str


def add_fetch(group: click.Group, *, clock: Clock) -> None:
    """Adds the command to a group."""

    @group.command("fetch")
    @click.argument("url")
    @option(
        "require",
        multiple=True,
        metavar="FQAN",
        help="A VO states this of the service: /vo/group, /vo/group/Role=r, vo:name=value.",
    )
    @option("file", type=FILE, help="The proxy file.")
    @option("out", type=FILE, help="Where to write the answer.")
    @trust_options
    @option("timeout", type=click.FloatRange(1, 3600), default=TIMEOUT, show_default=True, help="Seconds for it all.")
    @option("quiet", "q", is_flag=True, help="Print nothing but the answer.")
    @click.pass_context
    def fetch(context: click.Context, /, **given: Any) -> None:
        """Get URL from a service with your proxy, once it has proven who it is and what it may."""
        context.exit(_run(Places.of_this_process(), clock, **given))


def _run(
    places: Places,
    clock: Clock,
    *,
    url: str,
    require: tuple[str, ...],
    file: Path | None,
    out: Path | None,
    certdir: Path | None,
    vomsdir: Path | None,
    timeout: float,
    quiet: bool,
) -> int:
    target, required = read_url(url), [read_required(text) for text in require]
    proxy = file or places.proxy()
    credential = load_credential(proxy, proxy, str)
    credential.check_dates(clock.now())
    trust = load_trust_directory(certdir or places.ca_directory())
    listed = load_vomsdir(vomsdir or places.vomsdir())
    proven: list[ProvenService] = []

    def check(chain: tuple[bytes, ...]) -> None:
        own = tuple(dict.fromkeys((socket.gethostname(), socket.getfqdn())))
        proven.append(verify_service(chain, target.server.host, required, trust, listed, clock.now(), own_names=own))

    context = make_client_context(credential, trust.certificates())
    request = f"GET {target.path} HTTP/1.1\r\nHost: {target.server}\r\nUser-Agent: ostiary\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    answer = exchange(target.server, request.encode(), context, check, seconds=timeout, most=MAXIMUM)
    if not quiet:
        for each in proven:
            stated = ", ".join(str(fqan) for one in each.statements for fqan in one.fqans) or "no VO says anything"
            click.echo(one_line(f"Service: {each.chain.subject}; {stated}"), err=True)
        click.echo(f"Status: {answer.status}", err=True)
    if out is not None:
        out.write_bytes(answer.body)
    elif sys.stdout.isatty():
        # What a service says is no command for a terminal.
        click.echo("\n".join(map(one_line, answer.body.decode("utf-8", "backslashreplace").splitlines())))
    else:
        click.echo(answer.body, nl=False)
    return 0 if is_success(answer.status) else 1


def read_url(url: str) -> Target:
    """An https address. Raises `Refusal` (``voms.url``)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refusal("voms.url", expected="https://host/path", found=error) from None
    plain = url.isascii() and _PRINTABLE.issuperset(url.encode())
    if not plain or parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise Refusal("voms.url", expected="https://host/path", found=url[:200])
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(Server(parts.hostname, port or _HTTPS), path)
