"""``ostiary proxy info``: the options and the output of ``voms-proxy-info``. What a VO says is checked before it is printed."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from ostiary.clock import Clock
from ostiary.web.one_line import one_line
from ostiary.x509.proxy import find_attribute_certificates, included_in, read_proxy
from voms.proxy import report
from voms.proxy.options import FILE, OriginalCommand, duration, option, trust_options, version_and_usage
from voms.proxy.places import Places
from voms.proxy.proving import attribute_certificates, prove
from voms.proxy.report import Seen
from voms.proxy.report_text import certificate_text

# In the order in which the original prints them, whatever the order of the options.
_OF_THE_PROXY: Final = (
    ("subject", "The proxy's name."),
    ("issuer", "Who signed the proxy."),
    ("identity", "The name of the person behind it."),
    ("type", "The kind of proxy."),
    ("strength", "The size of its key."),
    ("path", "Where the file is."),
    ("timeleft", "Seconds that it lasts."),
)
_OF_THE_VOS: Final = (
    ("vo", "The VOs."),
    ("acsubject", "Whom the VOs speak of."),
    ("acissuer", "Who speaks for the VOs."),
    ("uri", "The servers that gave the attributes."),
    ("actimeleft", "Seconds that the attributes last."),
    ("targets", "The hosts that alone may use them."),
    ("fqan", "The groups and roles."),
    ("serial", "The attribute certificates' serial numbers."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoOptions:
    """What the command line says; ``facts`` are those to print alone."""

    file: Path | None
    whole: bool
    chain: bool
    text: bool
    keyusage: bool
    included: bool
    exists: bool
    valid: str | None
    hours: int | None
    bits: int
    acexists: tuple[str, ...]
    dont_verify_ac: bool
    certdir: Path | None
    vomsdir: Path | None
    as_json: bool
    debug: bool
    facts: frozenset[str]


def add_info(group: click.Group, *, clock: Clock) -> None:
    """Adds the command to a group."""

    @group.command("info", cls=OriginalCommand)
    @option("file", type=FILE, help="The proxy file.")
    @option("all", to="whole", is_flag=True, help="Everything, with what the VOs say.")
    @option("chain", is_flag=True, help="Every certificate of the chain.")
    @option("text", is_flag=True, help="The certificate itself, in words.")
    @option("keyusage", "k", is_flag=True, help="What its key may be used for, too.")
    @option("included", "included-file", is_flag=True, help="The file that was put in (init -include).")
    @option("exists", "e", is_flag=True, help="Print nothing; status 0 when the proxy is valid.")
    @option("valid", metavar="H:M", help="With -exists: valid for at least so long.")
    @option("hours", type=click.IntRange(0, 87_600), help="The same in hours.")
    @option("bits", "b", type=click.IntRange(0), default=0, help="With -exists: a key of at least this size.")
    @option("acexists", multiple=True, metavar="VO", help="Print nothing; status 0 when this VO says something.")
    @option("dont-verify-ac", "dont_verify_ac", is_flag=True, help="Print what nobody has checked.")
    @trust_options
    @click.option("--json", "as_json", is_flag=True, help="For programs.")
    @option("debug", is_flag=True, help="Show which files are used.")
    @version_and_usage
    @click.pass_context
    def info(context: click.Context, /, **given: Any) -> None:
        """Print what a proxy holds. What a VO says is checked first: an attribute certificate that fails is an error."""
        asked = frozenset(name for name, _ in (*_OF_THE_PROXY, *_OF_THE_VOS) if given.pop(name))
        context.exit(_run(InfoOptions(**given, facts=asked), Places.of_this_process(), clock))

    for name, meaning in reversed((*_OF_THE_PROXY, *_OF_THE_VOS)):
        info = option(*([name, "p"] if name == "path" else [name]), is_flag=True, help=meaning)(info)


def _run(options: InfoOptions, places: Places, clock: Clock) -> int:
    path = options.file or places.proxy()
    if options.debug:
        for title, used in (
            ("Proxy certificate file", path),
            ("Trusted certificates directory", options.certdir or places.ca_directory()),
            ("Trusted VO services directory", options.vomsdir or places.vomsdir()),
        ):
            click.echo(one_line(f" {title} : {used}"))
    made = read_proxy(path)
    if not options.dont_verify_ac and find_attribute_certificates(made.certificates):
        prove(made, options.certdir, options.vomsdir, places, clock.now())
    seen = Seen(path, made, attribute_certificates(made), clock.now())
    if options.exists or options.acexists:
        return 0 if _fulfils(seen, options) else 1
    if options.as_json:
        click.echo(json.dumps(report.as_data(seen), indent=2))
    else:
        click.echo("\n".join(map(one_line, _lines(seen, options))))
    return 0


def _fulfils(seen: Seen, options: InfoOptions) -> bool:
    needed = timedelta(seconds=1)
    if options.hours:
        needed = timedelta(hours=options.hours)
    if options.valid is not None:
        needed = duration(options.valid)
    there = {each.vo for each in seen.attribute_certificates}
    return seen.left >= needed and seen.strength >= options.bits and there.issuperset(options.acexists)


def _lines(seen: Seen, options: InfoOptions) -> list[str]:
    usage = options.whole or options.keyusage or options.text
    lines = [*report.chain_lines(seen, usage=usage), ""] if options.chain else []
    if options.chain and (options.whole or not options.facts):
        lines.append("=== Proxy Information ===")
    if options.whole:
        lines += report.everything(seen)
    elif not options.facts:
        lines += report.summary(seen, usage=usage)
    if options.text:
        lines += certificate_text(seen.proxy.certificate)
    if options.included and (included := included_in(seen.proxy.certificate)) is not None:
        lines.append(f"included  : {included.decode('utf-8', 'backslashreplace').rstrip()}")
    if not options.whole:
        lines += [report.fact(seen, name) for name, _ in _OF_THE_PROXY if name in options.facts]
    for certificate in seen.attribute_certificates:
        for name, _ in _OF_THE_VOS:
            if name in options.facts:
                lines += report.said(seen, certificate, name)
    return lines
