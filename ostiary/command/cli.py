"""The click groups of ``ostiary``: thin; they read options, call the roof's functions and print an error as what it is."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.command.explain_commands import explain
from ostiary.command.keys_commands import keys
from ostiary.command.maintenance_commands import maintenance
from ostiary.command.metadata_commands import metadata
from ostiary.command.metadata_service_commands import aggregate_command, serve_command, sign_command
from ostiary.command.plain_errors import errors_as_json, plain_errors
from ostiary.command.policy_commands import dry_run_command, history_command, lint_command
from ostiary.command.resource_policy_commands import policy_check
from ostiary.command.shibboleth_commands import attributes, import_filter_command
from ostiary.command.trace.commands import trace

if TYPE_CHECKING:
    from sp_shire.adapters.forward_auth import Server

_CONFIG = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Group(click.Group):
    """Prints what was wrong, expected and found, instead of a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        with plain_errors():
            return super().invoke(ctx)


@click.group(cls=_Group)
@click.version_option(package_name="ostiary")
def ostiary() -> None:
    """Attribute-based federated authorization: home organisation, discovery, protected resource."""


@ostiary.command()
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), default=Path(".demo"), show_default=True)
@click.option(
    "--ready", type=click.Path(dir_okay=False, path_type=Path), help="Write this JSON file once everything answers."
)
@click.option("--base-port", type=click.IntRange(1024, 65000), default=8400, show_default=True)
@click.option("--trust", multiple=True, metavar="FILE_OR_URL", help="Metadata of further IdPs or SPs; may be repeated.")
@click.option(
    "--listen",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where services listen; in containers 0.0.0.0.",
)
@click.option(
    "--postgresql",
    metavar="HOST:PORT",
    help="Keep people and the VO in databases there (made by --write-database-roles).",
)
@click.option(
    "--write-database-roles",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the SQL that makes those databases, and end.",
)
@click.option("--prepare-only", is_flag=True, help="Write the state directory and end; others start the services.")
def demo(
    state: Path,
    ready: Path | None,
    base_port: int,
    trust: tuple[str, ...],
    listen: str,
    postgresql: str | None,
    write_database_roles: Path | None,
    prepare_only: bool,
) -> None:
    """Start a whole federation on loopback, and say where to click."""
    from ostiary.command.demo.layout import Layout
    from ostiary.command.demo.run import prepare_databases, prepare_demo, run_demo

    if ready is not None and (prepare_only or write_database_roles is not None):
        raise click.UsageError("--ready waits for services, and these options start none.")
    layout = Layout(state.absolute(), base_port, listen, postgresql)
    if write_database_roles is not None:
        prepare_databases(layout, write_database_roles)
    elif prepare_only:
        prepare_demo(layout, trust)
    else:
        sys.exit(run_demo(layout, ready, trust))


@ostiary.group()
def serve() -> None:
    """Run one service, as its configuration says."""


@serve.command("idp")
@click.option("--config", type=_CONFIG, required=True, help="idp.yaml")
@click.option(
    "--authority", type=_CONFIG, required=True, help="aa.yaml of the Attribute Authority of the same organisation"
)
def serve_idp(config: Path, authority: Path) -> None:
    """The identity provider with its Handle Service."""
    from functools import partial

    from idp.settings import IdpSettings
    from ostiary.clock import SystemClock
    from ostiary.command.home import make_home_idp
    from ostiary.command.serving import serve_checked
    from ostiary.config import load_settings

    listen = load_settings(config, IdpSettings).listen
    serve_checked("idp", partial(make_home_idp, config, authority, clock=SystemClock()), listen)


@serve.command("idp-certificates")
@click.option("--config", type=_CONFIG, required=True, help="idp.yaml")
@click.option(
    "--authority", type=_CONFIG, required=True, help="aa.yaml of the Attribute Authority of the same organisation"
)
def serve_idp_certificates(config: Path, authority: Path) -> None:
    """The port of the identity provider that asks browsers for their certificates; it speaks TLS itself."""
    from idp.settings import IdpSettings
    from ostiary.clock import SystemClock
    from ostiary.command.certificate_port import required_port, serve_certificate_port
    from ostiary.command.serving import refuse_taken_port
    from ostiary.config import load_settings
    from ostiary.web.log import make_log

    clock = SystemClock()
    _, port = required_port(load_settings(config, IdpSettings), config)
    refuse_taken_port(port.listen)
    serve_certificate_port(config, authority, clock=clock, log=make_log(clock, service="idp-certificates"))


@serve.command("aa")
@click.option("--config", type=_CONFIG, required=True, help="aa.yaml")
def serve_aa(config: Path) -> None:
    """The Attribute Authority."""
    from functools import partial

    from attribute_authority.settings import AttributeAuthoritySettings
    from ostiary.clock import SystemClock
    from ostiary.command.home import make_home_authority
    from ostiary.command.serving import serve_checked
    from ostiary.config import load_settings

    listen = load_settings(config, AttributeAuthoritySettings).listen
    serve_checked("aa", partial(make_home_authority, config, clock=SystemClock()), listen)


@serve.command("aa-back-channel")
@click.option("--config", type=_CONFIG, required=True, help="aa.yaml")
def serve_aa_back_channel(config: Path) -> None:
    """The port on which resources ask the Attribute Authority over TLS; it speaks TLS itself, and takes any client certificate."""
    from attribute_authority.settings import AttributeAuthoritySettings
    from ostiary.clock import SystemClock
    from ostiary.command.back_channel import required_listen, serve_back_channel
    from ostiary.command.serving import refuse_taken_port
    from ostiary.config import load_settings
    from ostiary.web.log import make_log

    clock = SystemClock()
    refuse_taken_port(required_listen(load_settings(config, AttributeAuthoritySettings), config))
    serve_back_channel(config, clock=clock, log=make_log(clock, service="aa-back-channel"))


@serve.command("wayf")
@click.option("--config", type=_CONFIG, required=True, help="wayf.yaml")
def serve_wayf(config: Path) -> None:
    """Where are you from: discovery, feed and metadata queries."""
    from functools import partial

    from ostiary.clock import SystemClock
    from ostiary.command.discovery import make_discovery
    from ostiary.command.serving import serve_checked
    from ostiary.config import load_settings
    from wayf.settings import WayfSettings

    listen = load_settings(config, WayfSettings).listen
    serve_checked("wayf", partial(make_discovery, config, clock=SystemClock()), listen)


@serve.command("sp")
@click.option("--config", type=_CONFIG, required=True, help="sp.yaml")
@click.option("--app", required=True, metavar="MODULE:ATTRIBUTE", help="The WSGI application to protect.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), required=True)
def serve_sp(config: Path, app: str, host: str, port: int) -> None:
    """A WSGI application behind the SHIRE; over TLS with client certificates where sp.yaml says so (certificates.tls)."""
    from functools import partial

    from ostiary.command.resource import make_resource
    from ostiary.command.serving import refuse_taken_port, serve_checked
    from ostiary.config import ListenSettings, load_settings
    from sp_shire.settings import ShireSettings

    settings = load_settings(config, ShireSettings)
    listen = ListenSettings(host=host, port=port, workers=settings.workers)
    if settings.certificates is None or settings.certificates.tls is None:
        serve_checked("sp", partial(make_resource, config, app), listen)
        return
    from ostiary.clock import SystemClock
    from ostiary.command.resource_over_tls import serve_resource_over_tls
    from ostiary.web.log import make_log

    clock = SystemClock()
    refuse_taken_port(listen)
    serve_resource_over_tls(
        config, app, settings.certificates.tls, listen, clock=clock, log=make_log(clock, service="sp")
    )


@serve.command("forward-auth")
@click.option("--config", type=_CONFIG, required=True, help="sp.yaml")
@click.option(
    "--server",
    type=click.Choice(["nginx", "caddy", "traefik"]),
    required=True,
    help="The web server that asks; it says how it tells about the original request.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), required=True)
def serve_forward_auth(config: Path, server: "Server", host: str, port: int) -> None:
    """Answer a web server that asks whether a request may pass, and as whom."""
    from functools import partial

    from ostiary.command.resource import make_forward_auth
    from ostiary.command.serving import serve_checked
    from ostiary.config import ListenSettings, load_settings
    from sp_shire.settings import ShireSettings

    workers = load_settings(config, ShireSettings).workers
    listen = ListenSettings(host=host, port=port, workers=workers)
    serve_checked("forward-auth", partial(make_forward_auth, config, server), listen, asgi=True)


@serve.command("proxy")
@click.option("--config", type=_CONFIG, required=True, help="sp.yaml")
@click.option("--to", required=True, metavar="ADDRESS", help="The application: http://HOST:PORT, or unix:/PATH.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), required=True)
def serve_proxy(config: Path, to: str, host: str, port: int) -> None:
    """A reverse proxy before an application that can't be changed."""
    from functools import partial

    from ostiary.command.resource import make_proxy
    from ostiary.command.serving import serve_checked
    from ostiary.config import ListenSettings, load_settings
    from sp_shire.proxy.backend import read_address
    from sp_shire.settings import ShireSettings

    workers = load_settings(config, ShireSettings).workers
    listen = ListenSettings(host=host, port=port, workers=workers)
    serve_checked("proxy", partial(make_proxy, config, read_address(to)), listen, asgi=True)


@serve.command("voms")
@click.option("--config", type=_CONFIG, required=True, help="voms.yaml")
def serve_voms(config: Path) -> None:
    """The VO service, which speaks TLS itself: clients are known by their certificates."""
    from ostiary.clock import SystemClock
    from ostiary.command.serving import refuse_taken_port
    from ostiary.command.vo_service import serve_vo
    from ostiary.web.log import make_log
    from voms.several import load_vos

    clock = SystemClock()
    for settings in load_vos(config):
        refuse_taken_port(settings.listen)
    serve_vo(config, clock=clock, log=make_log(clock, service="voms"))


@serve.command("vo-pages")
@click.option("--config", type=_CONFIG, required=True, help="voms.yaml")
def serve_vo_pages(config: Path) -> None:
    """Serve the pages of virtual organisations to people who log in through a federation."""
    from functools import partial

    from ostiary.clock import SystemClock
    from ostiary.command.serving import serve_checked
    from ostiary.command.vo_pages import make_vo_pages, pages_settings
    from ostiary.command.vo_service import upgrade_vo

    listen = pages_settings(config).listen
    serve_checked("vo-pages", partial(make_vo_pages, config, upgrade=upgrade_vo, clock=SystemClock()), listen)


@ostiary.command()
@click.argument("url")
@click.option("--ca", type=_CONFIG, help="Certificates, PEM, that TLS must chain to.")
@click.option("--certificate", type=_CONFIG, help="A client certificate, PEM, for services that ask for one.")
@click.option("--key", type=_CONFIG, help="Its private key, PEM.")
def healthy(url: str, ca: Path | None, certificate: Path | None, key: Path | None) -> None:
    """Ask a service (http, https or ldap URL) whether it serves; says so by its exit status, for health checks of containers."""
    from ostiary.command.healthy import ask

    ask(url, ca=ca, certificate=certificate, key=key)


@ostiary.group("policy")
def policy() -> None:
    """Policy documents."""


policy.add_command(policy_check)
policy.add_command(lint_command)
policy.add_command(dry_run_command)
policy.add_command(history_command)
policy.add_command(import_filter_command)


@ostiary.command()
@click.option("--write", type=click.Path(dir_okay=False, path_type=Path), help="Write the list into this file.")
def errors(write: Path | None) -> None:
    """List every error code, what it tells and what to do."""
    from ostiary.command.wording import catalogue
    from ostiary.web.error_list import error_list

    text = error_list(catalogue())
    if write is None:
        click.echo(text, nl=False)
    else:
        write.write_text(text)


@ostiary.command("people", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def people(arguments: tuple[str, ...]) -> None:
    """The embedded directory: add, disable, change people (see `ostiary people --help`)."""
    from functools import partial

    from idp.accounts.commands import people_commands
    from idp.factors.commands import factor_commands
    from idp.identifiers.commands import persistent_id_commands
    from ostiary.clock import SystemClock
    from ostiary.command.home import login_names, upgrade_home
    from ostiary.web.log import make_log

    clock = SystemClock()
    names = partial(login_names, log=make_log(clock, service="people", style="console", level="warning"))
    commands = people_commands(prepare=upgrade_home, clock=clock)
    commands.add_command(persistent_id_commands(prepare=upgrade_home, login_names=names, clock=clock))
    commands.add_command(factor_commands(prepare=upgrade_home, login_names=names, clock=clock))
    commands.main(list(arguments), prog_name="ostiary people", standalone_mode=False)


@ostiary.command("proxy", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def proxy(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Proxy certificates with what your VOs say about you (see `ostiary proxy --help`)."""
    from ostiary.command.proxy_program import proxy_status

    context.exit(proxy_status(list(arguments)))


@ostiary.command("vo", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def vo(arguments: tuple[str, ...]) -> None:
    """A virtual organisation: its members, groups and roles (see `ostiary vo --help`)."""
    from ostiary.clock import SystemClock
    from ostiary.command.vo_service import upgrade_vo
    from voms.commands.group import vo_commands

    commands = vo_commands(prepare=upgrade_vo, clock=SystemClock())
    with errors_as_json() if "--json" in arguments else nullcontext():
        commands.main(list(arguments), prog_name="ostiary vo", standalone_mode=False)


ostiary.add_command(explain)
ostiary.add_command(attributes)
ostiary.add_command(trace)
ostiary.add_command(keys)
ostiary.add_command(maintenance)
for metadata_command in (sign_command, aggregate_command, serve_command):
    metadata.add_command(metadata_command)
ostiary.add_command(metadata)
