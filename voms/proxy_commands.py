"""``ostiary proxy``: makes, prints, checks and removes a proxy, with the options and the output of ``voms-proxy-init`` and its sisters.

Options may be written with one hyphen or two. The passphrase is asked for on the terminal, never taken from an argument.
"""

import json
import os
import re
import socket
import stat
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

import click

from ostiary.clock import Clock
from ostiary.errors import Missing, Refusal
from ostiary.web.log import one_line
from ostiary.x509.attribute_certificate import AttributeCertificate, read_attribute_certificate
from ostiary.x509.chain import verify_chain
from ostiary.x509.lsc import load_vomsdir
from ostiary.x509.proxy import Proxy, find_attribute_certificates, read_proxy, write_proxy
from ostiary.x509.trust import load_trust_directory
from ostiary.x509.verify import verify_attribute_certificates
from ostiary.x509.vomses import load_vomses
from voms import proxy_report
from voms.places import Places
from voms.proxy_making import ProxyWish, VoWish, collect, joined, load_credential, make, read_wish, verify
from voms.proxy_report import Seen

_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_DIRECTORY: Final = click.Path(file_okay=False, path_type=Path)
_ANYTHING: Final = click.Path(path_type=Path)
_TIME: Final = re.compile(r"([0-9]{1,5}):([0-9]{1,2})")


def proxy_commands(*, clock: Clock) -> click.Group:
    """The group of commands."""

    @click.group()
    def proxy() -> None:
        """Proxy certificates with what your VOs say about you."""

    @proxy.command("init")
    @click.option("-voms", "--voms", "vos", multiple=True, metavar="VO[:FQAN]", help="Ask this VO; may be repeated.")
    @click.option(
        "-valid", "--valid", default="12:00", show_default=True, metavar="H:M", help="Lifetime of proxy and attributes."
    )
    @click.option("-hours", "--hours", type=click.IntRange(1, 87_600), help="Lifetime of the proxy.")
    @click.option("-vomslife", "--vomslife", metavar="H:M", help="Lifetime of the attributes; the VO may give less.")
    @click.option("-list", "--list", "list_only", is_flag=True, help="Only show all that the VOs would state.")
    @click.option("-order", "--order", multiple=True, metavar="FQAN", help="What to state first; may be repeated.")
    @click.option("-target", "--target", multiple=True, metavar="HOST", help="Hosts that alone may use the attributes.")
    @click.option("-limited", "--limited", is_flag=True, help="A limited proxy.")
    @click.option(
        "-pathlength", "--pathlength", "path_length", type=click.IntRange(0, 100), help="How many proxies may follow."
    )
    @click.option(
        "-bits", "--bits", type=click.Choice(["2048", "3072", "4096", "ec"]), default="2048", show_default=True
    )
    @click.option("-cert", "--cert", type=_FILE, help="Your certificate, or a proxy to start from.")
    @click.option("-key", "--key", type=_FILE, help="Its private key.")
    @click.option("-noregen", "--noregen", is_flag=True, help="Start from the proxy that you have.")
    @click.option("-out", "--out", type=_FILE, help="Where to write the proxy.")
    @click.option("-certdir", "--certdir", type=_DIRECTORY, help="The directory of trusted CAs.")
    @click.option("-vomsdir", "--vomsdir", type=_DIRECTORY, help="The directory of trusted VO services (LSC files).")
    @click.option("-vomses", "--vomses", type=_ANYTHING, help="The file or directory that lists VO services.")
    @click.option(
        "-dont-verify-ac", "--dont-verify-ac", "unverified", is_flag=True, help="Write what the VO sent unchecked."
    )
    @click.option("-rfc", "--rfc", is_flag=True, help="Has no effect: RFC 3820 proxies are the only kind.")
    @click.option("-quiet", "--quiet", "-q", is_flag=True, help="Print nothing but problems.")
    def init(
        vos: tuple[str, ...],
        valid: str,
        hours: int | None,
        vomslife: str | None,
        list_only: bool,
        order: tuple[str, ...],
        target: tuple[str, ...],
        limited: bool,
        path_length: int | None,
        bits: str,
        cert: Path | None,
        key: Path | None,
        noregen: bool,
        out: Path | None,
        certdir: Path | None,
        vomsdir: Path | None,
        vomses: Path | None,
        unverified: bool,
        rfc: bool,
        quiet: bool,
    ) -> None:
        """Make a proxy, with attribute certificates of the VOs named."""
        places = Places.of_this_process()
        certificate = cert or (places.proxy() if noregen else places.certificate())
        holds_both = (cert is None and noregen) or (cert is not None and key is None and _holds_key(cert))
        credential = load_credential(
            certificate, certificate if holds_both else key or places.key(), lambda: _passphrase(certificate)
        )
        wish = ProxyWish(
            lifetime=timedelta(hours=hours) if hours is not None else _duration(valid),
            attributes_for=_duration(vomslife) if vomslife is not None else _duration(valid),
            limited=limited,
            path_length=path_length,
            key_size=_key_size(bits),
            order=order,
            targets=tuple(host for text in target for host in text.split(",") if host),
        )
        wishes = joined([read_wish(text) for text in vos])
        if list_only:
            wishes = tuple(VoWish(each.alias, ("all",)) for each in wishes)
        trust = load_trust_directory(certdir or places.ca_directory())
        known = load_vomses(vomses or places.vomses()) if wishes else ()

        def tell(line: str) -> None:
            if not quiet:
                click.echo(line)

        received = collect(credential, wishes, wish, known, trust, tell)
        for each in received:
            for warning in each.warnings:
                click.echo(f"WARNING: {one_line(warning)}", err=True)
        if list_only:
            for each in received:
                click.echo("\n".join(one_line(fqan) for fqan in read_attribute_certificate(each.certificate).fqans))
            return
        made = make(credential, received, wish, now=clock.now())
        if received and not unverified:
            listed = load_vomsdir(vomsdir or places.vomsdir())
            verify(made, trust, listed, now=clock.now(), host_names=wish.targets or _host_names())
        path = out or places.proxy()
        write_proxy(path, made)
        tell(f"\nCreated proxy in {path}.\n")
        tell(f"Your proxy is valid until {made.certificate.not_valid_after_utc:%a %b %d %H:%M:%S %Y} UTC")

    @proxy.command("info")
    @click.option("-file", "--file", type=_FILE, help="The proxy file.")
    @click.option("-all", "--all", "whole", is_flag=True, help="Everything, with what the VOs say.")
    @click.option("-chain", "--chain", is_flag=True, help="Every certificate of the chain.")
    @click.option("-fqan", "--fqan", "one", flag_value="fqan", help="The groups and roles.")
    @click.option("-vo", "--vo", "one", flag_value="vo", help="The VOs.")
    @click.option("-acsubject", "--acsubject", "one", flag_value="acsubject", help="Whom the VOs speak of.")
    @click.option("-acissuer", "--acissuer", "one", flag_value="acissuer", help="Who speaks for the VOs.")
    @click.option(
        "-actimeleft", "--actimeleft", "one", flag_value="actimeleft", help="Seconds that the attributes last."
    )
    @click.option("-serial", "--serial", "one", flag_value="serial", help="The attribute certificates' serial numbers.")
    @click.option("-uri", "--uri", "one", flag_value="uri", help="The servers that gave them.")
    @click.option("-subject", "--subject", "one", flag_value="subject", help="The proxy's name.")
    @click.option("-issuer", "--issuer", "one", flag_value="issuer", help="Who signed the proxy.")
    @click.option("-identity", "--identity", "one", flag_value="identity", help="The name of the person behind it.")
    @click.option("-type", "--type", "one", flag_value="type", help="The kind of proxy.")
    @click.option("-strength", "--strength", "one", flag_value="strength", help="The size of its key.")
    @click.option("-path", "--path", "one", flag_value="path", help="Where the file is.")
    @click.option("-timeleft", "--timeleft", "one", flag_value="timeleft", help="Seconds that it lasts.")
    @click.option(
        "-exists", "--exists", is_flag=True, help="Print nothing; status 0 when the proxy is valid (see -valid)."
    )
    @click.option("-valid", "--valid", metavar="H:M", help="With -exists: valid for at least so long.")
    @click.option("-acexists", "--acexists", metavar="VO", help="Print nothing; status 0 when this VO says something.")
    @click.option(
        "-dont-verify-ac", "--dont-verify-ac", "unverified", is_flag=True, help="Print what nobody has checked."
    )
    @click.option("-certdir", "--certdir", type=_DIRECTORY, help="The directory of trusted CAs.")
    @click.option("-vomsdir", "--vomsdir", type=_DIRECTORY, help="The directory of trusted VO services (LSC files).")
    @click.option("--json", "as_json", is_flag=True, help="For programs.")
    @click.pass_context
    def info(
        context: click.Context,
        file: Path | None,
        whole: bool,
        chain: bool,
        one: str | None,
        exists: bool,
        valid: str | None,
        acexists: str | None,
        unverified: bool,
        certdir: Path | None,
        vomsdir: Path | None,
        as_json: bool,
    ) -> None:
        """Print what a proxy holds. What a VO says is checked first: an attribute certificate that fails is an error."""
        path = file or Places.of_this_process().proxy()
        made = read_proxy(path)
        if not unverified and find_attribute_certificates(made.certificates):
            _prove(made, certdir, vomsdir)
        seen = Seen(path, made, _attribute_certificates(made), clock.now())
        if exists or acexists is not None:
            enough = seen.left >= (_duration(valid) if valid is not None else timedelta(seconds=1))
            said = acexists is None or any(each.vo == acexists for each in seen.attribute_certificates)
            context.exit(0 if enough and said else 1)
        if as_json:
            click.echo(json.dumps(proxy_report.as_data(seen), indent=2))
        elif one is not None:
            click.echo("\n".join(map(one_line, _one(seen, one))))
        else:
            lines = proxy_report.chain_lines(seen) if chain else []
            lines += proxy_report.everything(seen) if whole else proxy_report.summary(seen)
            click.echo("\n".join(map(one_line, lines)))

    @proxy.command("verify")
    @click.option("-file", "--file", type=_FILE, help="The proxy file.")
    @click.option("-certdir", "--certdir", type=_DIRECTORY, help="The directory of trusted CAs.")
    @click.option("-vomsdir", "--vomsdir", type=_DIRECTORY, help="The directory of trusted VO services (LSC files).")
    def verify_file(file: Path | None, certdir: Path | None, vomsdir: Path | None) -> None:
        """Check a proxy as a resource would: chain, CRLs, and what the VOs say."""
        made = read_proxy(file or Places.of_this_process().proxy())
        proven = _prove(made, certdir, vomsdir)
        click.echo(f"good: {proven}")

    @proxy.command("destroy")
    @click.option("-file", "--file", type=_FILE, help="The proxy file.")
    @click.option("-dry", "--dry", is_flag=True, help="Only say what would be removed.")
    @click.option("-quiet", "--quiet", "-q", is_flag=True, help="Print nothing.")
    def destroy(file: Path | None, dry: bool, quiet: bool) -> None:
        """Overwrite and remove a proxy."""
        path = file or Places.of_this_process().proxy()
        if dry:
            click.echo(f"Would remove {path}")
            return
        _destroy(path)
        if not quiet:
            click.echo(f"Removed {path}")

    def _prove(made: Proxy, certdir: Path | None, vomsdir: Path | None) -> str:
        places = Places.of_this_process()
        trust = load_trust_directory(certdir or places.ca_directory())
        chain = verify_chain(made.ders, trust, clock.now())
        if not find_attribute_certificates(chain.certificates):
            return f"{chain.subject}; no VO says anything"
        listed = load_vomsdir(vomsdir or places.vomsdir())
        targets = tuple(target for each in _attribute_certificates(made) for target in each.targets)
        proven = verify_attribute_certificates(chain, listed, trust, clock.now(), host_names=targets)
        return f"{chain.subject}; " + "; ".join(f"{each.vo}: {', '.join(map(str, each.fqans))}" for each in proven)

    return proxy


def _attribute_certificates(made: Proxy) -> tuple[AttributeCertificate, ...]:
    return tuple(read_attribute_certificate(der) for der in find_attribute_certificates(made.certificates))


def _one(seen: Seen, what: str) -> list[str]:
    """One fact, as the original's single options print it."""
    own = {
        "subject": seen.subject,
        "issuer": seen.issuer,
        "identity": seen.identity,
        "type": seen.type,
        "strength": str(seen.strength),
        "path": str(seen.path),
        "timeleft": str(int(seen.left.total_seconds())),
    }
    if what in own:
        return [own[what]]
    certificates = seen.attribute_certificates
    if what == "fqan":
        return [fqan for each in certificates for fqan in each.fqans]
    if what == "vo":
        return [each.vo for each in certificates]
    data = proxy_report.as_data(seen)["attribute_certificates"]
    if what == "acsubject":
        return [seen.identity for _ in certificates]
    if what == "actimeleft":
        return [str(max(int((each.not_after - seen.now).total_seconds()), 0)) for each in certificates]
    key = {"acissuer": "issuer", "serial": "serial", "uri": "uri"}[what]
    return [str(each[key]) for each in data] if isinstance(data, list) else []


def _duration(text: str) -> timedelta:
    """``H:M``. Raises `Refusal` (``voms.duration``)."""
    matched = _TIME.fullmatch(text)
    if matched is None or int(matched[2]) > 59 or text.strip("0:") == "":
        raise Refusal("voms.duration", expected="hours:minutes, for instance 12:00", found=text)
    return timedelta(hours=int(matched[1]), minutes=int(matched[2]))


def _key_size(bits: str) -> int | Literal["ec"]:
    return "ec" if bits == "ec" else int(bits)


def _holds_key(path: Path) -> bool:
    """Whether a certificate file is one that has its key in it, as a proxy file does."""
    try:
        return b"PRIVATE KEY-----" in path.read_bytes()
    except OSError:
        return False


def _passphrase(certificate: Path) -> str:
    return str(click.prompt(f"Passphrase of the key of {certificate}", hide_input=True, err=True))


def _host_names() -> tuple[str, ...]:
    return tuple(dict.fromkeys((socket.gethostname(), socket.getfqdn())))


def _destroy(path: Path) -> None:
    """Overwrites the file in place, then removes it. Raises `Missing` (``voms.no_proxy``), also for what is not an ordinary file of this
    user alone: in a directory that all may write to, anybody could have put a FIFO or a second name of another file there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Missing("voms.no_proxy", expected="a proxy file", found=error.strerror, path=path) from None
    with os.fdopen(descriptor, "wb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_nlink != 1:
            raise Missing("voms.no_proxy", expected="a file of yours with one name", found="another", path=path)
        file.write(bytes(status.st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
