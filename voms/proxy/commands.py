"""``ostiary proxy``: makes, prints, checks and removes a proxy, with the options and the output of ``voms-proxy-init`` and its sisters.

Options may be written with one hyphen or two. The passphrase is asked for on the terminal, never taken from an argument.
"""

from pathlib import Path
from typing import Any

import click

from ostiary.clock import Clock
from ostiary.web.one_line import one_line
from ostiary.x509.proxy import read_proxy
from voms.proxy.fetch_command import add_fetch
from voms.proxy.info_command import add_info
from voms.proxy.init_command import add_init
from voms.proxy.names import install_names
from voms.proxy.options import DIRECTORY, FILE, OriginalCommand, option, trust_options, version_and_usage
from voms.proxy.places import Places
from voms.proxy.proving import prove
from voms.proxy.removing import destroy_file


def proxy_commands(*, clock: Clock) -> click.Group:
    """The group of commands."""

    @click.group()
    def proxy() -> None:
        """Proxy certificates with what your VOs say about you."""

    add_init(proxy, clock=clock)
    add_info(proxy, clock=clock)
    add_fetch(proxy, clock=clock)

    @proxy.command("verify", cls=OriginalCommand)
    @option("file", type=FILE, help="The proxy file.")
    @trust_options
    @version_and_usage
    def verify_file(file: Path | None, certdir: Path | None, vomsdir: Path | None) -> None:
        """Check a proxy as a resource would: chain, CRLs, and what the VOs say."""
        places = Places.of_this_process()
        chain, proven = prove(read_proxy(file or places.proxy()), certdir, vomsdir, places, clock.now())
        said = "; ".join(f"{each.vo}: {', '.join(map(str, each.fqans))}" for each in proven) or "no VO says anything"
        click.echo(one_line(f"good: {chain.subject}; {said}"))

    @proxy.command("destroy", cls=OriginalCommand)
    @option("file", type=FILE, help="The proxy file.")
    @option("dry", is_flag=True, help="Only say what would be removed.")
    @option("debug", is_flag=True, expose_value=False, hidden=True)
    @option("quiet", "q", is_flag=True, help="Print nothing.")
    @version_and_usage
    def destroy(file: Path | None, dry: bool, quiet: bool) -> None:
        """Overwrite and remove a proxy."""
        path = file or Places.of_this_process().proxy()
        if not dry:
            destroy_file(path)
        if not quiet:
            click.echo(one_line(f"{'Would remove' if dry else 'Removed'} {path}"))

    @proxy.command("install-names")
    @click.argument("directory", type=DIRECTORY)
    def names(**given: Any) -> None:
        """Put voms-proxy-init, voms-proxy-info and voms-proxy-destroy into a DIRECTORY, to stand for these commands."""
        for made in install_names(given["directory"]):
            click.echo(one_line(str(made)))

    return proxy
