"""``ostiary proxy init``: the options and the output of ``voms-proxy-init``, and what is made of them."""

import os
import socket
import stat
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import click
from cryptography.hazmat.primitives.asymmetric import rsa

from ostiary.clock import Clock
from ostiary.errors import ConfigurationError, Refusal
from ostiary.web.one_line import one_line
from ostiary.x509 import oids
from ostiary.x509.attribute_certificate import read_attribute_certificate
from ostiary.x509.chain import verify_chain
from ostiary.x509.fqan import parse_fqan
from ostiary.x509.lsc import load_vomsdir
from ostiary.x509.proxy import PrivateKey, find_attribute_certificates, read_proxy, write_proxy
from ostiary.x509.trust import load_trust_directory
from ostiary.x509.vomses import VomsServer, load_vomses
from voms.proxy.client import Patience, Received
from voms.proxy.credential import Credential, load_credential
from voms.proxy.exchange import TIMEOUT
from voms.proxy.making import ProxyWish, VoWish, collect, joined, make, read_wish, servers_of, verify
from voms.proxy.options import (
    ANYTHING,
    FILE,
    OriginalCommand,
    duration,
    option,
    trust_options,
    version_and_usage,
    without_effect,
)
from voms.proxy.places import Places
from voms.proxy.progress import OnTerminal
from voms.proxy.separate import read_attribute_certificates, read_bounded, write_attribute_certificates

MAX_INCLUDED: Final = 32 * 1024
_MOST: Final = 1024 * 1024
_FULL: Final = frozenset({"IMPERSONATION_PROXY", "NORMAL", oids.INHERIT_ALL.dotted_string})
_LIMITED: Final = frozenset({"LIMITED_PROXY", oids.LIMITED.dotted_string})
# RFC 3820 proxies, as versions and as what was once the way to ask for them.
_PROXY_VERSION: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions:
    """What the command line says; `add_init` has the meaning of each."""

    voms: tuple[str, ...]
    valid: str
    hours: int | None
    vomslife: str | None
    list_only: bool
    order: tuple[str, ...]
    target: tuple[str, ...]
    limited: bool
    path_length: int | None
    bits: str
    cert: Path | None
    key: Path | None
    host: bool
    noregen: bool
    out: Path | None
    certdir: Path | None
    vomsdir: Path | None
    vomses: tuple[Path, ...]
    timeout: float
    tries: int
    include: Path | None
    includeac: tuple[Path, ...]
    separate: Path | None
    dont_verify_ac: bool
    verify: bool
    ignorewarn: bool
    failonwarn: bool
    pwstdin: bool
    policy_language: str | None
    policy: Path | None
    proxyver: int
    old: bool
    unless_valid: str | None
    debug: bool
    quiet: bool


def add_init(group: click.Group, *, clock: Clock) -> None:
    """Adds the command to a group."""

    @group.command("init", cls=OriginalCommand)
    @option("voms", multiple=True, metavar="VO[:FQAN]", help="Ask this VO; may be repeated, for several VOs, too.")
    @option("valid", default="12:00", show_default=True, metavar="H:M", help="Lifetime of proxy and attributes.")
    @option("hours", type=click.IntRange(1, 87_600), help="Lifetime of the proxy.")
    @option("vomslife", metavar="H:M", help="Lifetime of the attributes; 0: as long as the VO gives them.")
    @option("list", to="list_only", is_flag=True, help="Only show all that the VOs would state.")
    @option("order", multiple=True, metavar="FQAN", help="What to state first; may be repeated.")
    @option("target", multiple=True, metavar="HOST", help="Hosts that alone may use the attributes.")
    @option("limited", is_flag=True, help="A limited proxy.")
    @option(
        "path-length", "pathlength", "path_length", type=click.IntRange(0, 100), help="How many proxies may follow."
    )
    @option(
        "bits", "b", default="2048", show_default=True, metavar="2048|3072|4096|ec|0", help="The key; 0: as above it."
    )
    @option("cert", type=FILE, help="Your certificate (PEM or PKCS#12), or a proxy to start from.")
    @option("key", "k", type=FILE, help="Its private key.")
    @option("host", is_flag=True, help="The certificate of this host, for services.")
    @option("noregen", "n", is_flag=True, help="Start from the proxy that you have.")
    @option("out", type=FILE, help="Where to write the proxy.")
    @trust_options
    @option(
        "vomses",
        "userconf",
        "confile",
        multiple=True,
        type=ANYTHING,
        help="A file or directory that lists VO services.",
    )
    @option(
        "timeout", type=click.FloatRange(0.1, 3600), default=TIMEOUT, show_default=True, help="Seconds for each server."
    )
    @option("tries", type=click.IntRange(1, 20), default=2, show_default=True, help="Rounds through a VO's servers.")
    @option("include", type=FILE, help="Put the content of a file in.")
    @option("includeac", multiple=True, type=FILE, help="Put the attribute certificates of a file in.")
    @option("separate", type=FILE, help="Write the attribute certificates alone to a file, and no proxy.")
    @option("dont-verify-ac", "dont_verify_ac", is_flag=True, help="Write what the VO sent unchecked.")
    @option("verify", is_flag=True, help="First check your own certificate.")
    @option("ignorewarn", is_flag=True, help="Do not show warnings.")
    @option("failonwarn", "f", is_flag=True, help="End at a warning, without a proxy.")
    @option("pwstdin", is_flag=True, help="Read the key's passphrase from standard input.")
    @option("policy-language", "pl", metavar="OID", help="That of a full or of a limited proxy.")
    @option("policy", type=FILE, help="Refused: nobody enforces policies in proxies.")
    @option("proxyver", type=int, default=_PROXY_VERSION, help="4: RFC 3820. The older kinds are refused.")
    @option("old", is_flag=True, help="Refused: proxies from before RFC 3820 are accepted nowhere.")
    @option("unless-valid", metavar="H:M", help="Do nothing when the proxy, with these VOs, lasts so long still.")
    @option("debug", is_flag=True, help="Show which files are used.")
    @option("quiet", "q", is_flag=True, help="Print nothing but problems.")
    @without_effect("rfc", "r", why="RFC 3820 proxies are the only kind.")
    @without_effect("globus", takes=True, why="A version that once mattered.")
    @without_effect("enable_legacy_protocol", why="The service speaks REST.")
    @without_effect("skip_hostname_checks", why="Servers are known by the name in vomses.")
    @without_effect("skip_chain_integrity_checks", why="Proxies are of one kind.")
    @version_and_usage
    def init(**given: Any) -> None:
        """Make a proxy, with attribute certificates of the VOs named."""
        _run(InitOptions(**given), Places.of_this_process(), clock)


def _run(options: InitOptions, places: Places, clock: Clock) -> None:
    _refuse_what_is_gone(options)
    say = OnTerminal(quiet=options.quiet)
    now, out = clock.now(), options.out or places.proxy()
    wish, wishes = _proxy_wish(options), joined([read_wish(text) for text in options.voms])
    known = _known(options, places) if wishes else ()
    if options.unless_valid is not None and _lasts(out, duration(options.unless_valid), wishes, known, now):
        say.tell(f"The proxy in {out} lasts long enough.")
        return
    if options.list_only:
        wishes = tuple(VoWish(each.alias, ("all",)) for each in wishes)
    credential = _credential(options, places)
    credential.check_dates(now)
    wish = replace(wish, key_size=_key_size(options.bits, credential.private_key))
    trust = load_trust_directory(options.certdir or places.ca_directory())
    if options.debug:
        _tell_files(options, places, credential, out, say)
    say.tell(f"Your identity: {credential.subject}")
    if options.verify:
        verify_chain(credential.ders, trust, now)
        say.tell("verify OK")
    patience = Patience(options.timeout, options.tries)
    received = collect(credential, wishes, wish, known, trust, say, patience)
    _warn(received, options)
    attributes = tuple(each.certificate for each in received)
    if options.list_only:
        say.tell("Available attributes:")
        for der in attributes:
            click.echo("\n".join(one_line(fqan) for fqan in read_attribute_certificate(der).fqans))
    elif options.separate is not None:
        write_attribute_certificates(options.separate, attributes)
        say.tell(f"Wrote ACs to {options.separate}")
    else:
        attributes += tuple(der for file in options.includeac for der in read_attribute_certificates(file))
        # The answers took their time.
        now = clock.now()
        with say.step("Creating proxy "):
            made = make(credential, attributes, wish, now=now)
            if attributes and not options.dont_verify_ac:
                listed = load_vomsdir(options.vomsdir or places.vomsdir())
                verify(made, trust, listed, now=now, host_names=wish.targets or _host_names())
            write_proxy(out, made)
        _tell_end(made.certificate.not_valid_after_utc, now + wish.lifetime, out, options, say)


def _tell_end(end: datetime, wanted: datetime, out: Path, options: InitOptions, say: OnTerminal) -> None:
    if end < wanted.replace(microsecond=0) and not options.ignorewarn:
        click.echo("WARNING: the proxy ends with your certificate, sooner than you asked for.", err=True)
    say.tell()
    say.tell(f"Created proxy in {out}.")
    say.tell()
    say.tell(f"Your proxy is valid until {end:%a %b %d %H:%M:%S %Y} UTC")


def _refuse_what_is_gone(options: InitOptions) -> None:
    if options.old or options.proxyver != _PROXY_VERSION:
        raise Refusal(
            "voms.old_proxy", expected="-rfc", found="-old" if options.old else f"-proxyver {options.proxyver}"
        )
    language = options.policy_language
    if options.policy is not None or (language is not None and language not in _FULL | _LIMITED):
        raise Refusal("voms.proxy_policy", expected="a full or a limited proxy", found=language or options.policy)


def _proxy_wish(options: InitOptions) -> ProxyWish:
    lifetime = timedelta(hours=options.hours) if options.hours is not None else duration(options.valid)
    wanted = options.vomslife or options.valid
    no_limit = options.vomslife is not None and not options.vomslife.strip("0:")
    included = options.include
    return ProxyWish(
        lifetime=lifetime,
        attributes_for=None if no_limit else duration(wanted),
        limited=options.limited or options.policy_language in _LIMITED,
        path_length=options.path_length,
        order=tuple(_fqan(text) for text in options.order),
        targets=tuple(host for text in options.target for host in text.split(",") if host),
        included=None if included is None else read_bounded(included, MAX_INCLUDED, "voms.included_file"),
    )


def _fqan(text: str) -> str:
    """``/vo/group:role`` is an older way to write a role."""
    group, colon, role = text.partition(":")
    return f"{group}/Role={role}" if colon and role else group


def _key_size(bits: str, above: PrivateKey) -> int | Literal["ec"]:
    """Raises `Refusal` (``voms.key_size``)."""
    if bits == "ec" or (bits == "0" and not isinstance(above, rsa.RSAPrivateKey)):
        return "ec"
    if bits == "0":
        return above.key_size
    if bits not in ("2048", "3072", "4096"):
        raise Refusal("voms.key_size", expected="2048, 3072, 4096 or ec", found=bits)
    return int(bits)


def _credential(options: InitOptions, places: Places) -> Credential:
    certificate, key = places.host_credential() if options.host else places.credential()
    if options.noregen and options.cert is None:
        certificate = key = places.proxy()
    certificate = options.cert or certificate
    if _is_store(certificate) or (options.cert is not None and _holds_key(certificate)):
        key = certificate
    ask = _from_standard_input if options.pwstdin else lambda: _from_terminal(certificate)
    return load_credential(certificate, options.key or key, ask)


def _holds_key(path: Path) -> bool:
    """Whether a certificate file is one that has its key in it, as a proxy file does."""
    return b"PRIVATE KEY-----" in _content(path)


def _is_store(path: Path) -> bool:
    """Whether it is PKCS#12, as far as can be told without a passphrase."""
    content = _content(path)
    return bool(content) and b"-----BEGIN" not in content


def _content(path: Path) -> bytes:
    """What is in an ordinary file; nothing of any other: where all may write, somebody may have put a FIFO that is waited for."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY)) as file:
            return file.read(_MOST) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return b""


def _from_terminal(certificate: Path) -> str:
    try:
        return str(click.prompt(f"Passphrase of the key of {certificate}", hide_input=True, err=True))
    except click.Abort:
        if sys.stdin.isatty():
            raise
        # A timer or a service manager.
        raise Refusal(
            "voms.no_terminal", expected="a key without a passphrase, or -pwstdin", found="nobody to ask"
        ) from None


def _from_standard_input() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _known(options: InitOptions, places: Places) -> tuple[VomsServer, ...]:
    files = options.vomses or (places.vomses(),)
    return tuple(server for file in files for server in load_vomses(file))


def _warn(received: tuple[Received, ...], options: InitOptions) -> None:
    warnings = [warning for each in received for warning in each.warnings]
    if options.failonwarn and warnings:
        raise Refusal("voms.warned", expected="no warning", found="; ".join(warnings))
    if not options.ignorewarn:
        for warning in warnings:
            click.echo(f"WARNING: {one_line(warning)}", err=True)


def _lasts(
    file: Path, wanted: timedelta, wishes: tuple[VoWish, ...], known: tuple[VomsServer, ...], now: datetime
) -> bool:
    """Whether a proxy is there that holds for so long, with an attribute certificate of each of the VOs that states what is wished."""
    try:
        there = read_proxy(file)
        stated = [read_attribute_certificate(der) for der in find_attribute_certificates(there.certificates)]
    except (ConfigurationError, Refusal):
        return False
    if min(one.not_valid_after_utc for one in there.certificates) - now < wanted:
        return False
    names = {
        each.vo: {parse_fqan(fqan).short() for fqan in each.fqans} for each in stated if each.not_after - now >= wanted
    }
    return all(
        # Whether "all" or a role anywhere was fulfilled, only the VO knows.
        (held := names.get(servers_of(each.alias, known)[0].vo)) is not None
        and held.issuperset(fqan for fqan in each.fqans if fqan != "all" and not fqan.startswith("/Role="))
        for each in wishes
    )


def _tell_files(options: InitOptions, places: Places, credential: Credential, out: Path, say: OnTerminal) -> None:
    say.tell("Files being used:")
    say.tell(f" Trusted certificates directory : {options.certdir or places.ca_directory()}")
    say.tell(f" Trusted VO services directory : {options.vomsdir or places.vomsdir()}")
    say.tell(f" Proxy certificate file : {out}")
    say.tell(f" User certificate file: {credential.certificate_file}")
    say.tell(f" User key file: {credential.key_file}")


def _host_names() -> tuple[str, ...]:
    return tuple(dict.fromkeys((socket.gethostname(), socket.getfqdn())))
