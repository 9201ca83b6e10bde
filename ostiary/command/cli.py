"""The click groups of ``ostiary``: thin; they read options, call the roof's functions and print an error as what it is."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ostiary.errors import ConfigurationError, OstiaryError

_CONFIG = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Group(click.Group):
    """Prints what was wrong, expected and found, instead of a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        with _plain_errors():
            return super().invoke(ctx)


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except OstiaryError as error:
        from ostiary.command.wording import catalogue

        message, remedy = catalogue().error("en", error)
        click.echo(f"ostiary: {message}", err=True)
        if isinstance(error, ConfigurationError):
            place = error.file if error.line is None else f"{error.file}, line {error.line}"
            click.echo(f"  where:    {place}{f', {error.key}' if error.key else ''}", err=True)
        for label, text in (("expected", error.expected), ("found", error.found)):
            if text:
                click.echo(f"  {label}: {'' if label == 'expected' else '   '}{text}", err=True)
        click.echo(f"  remedy:   {remedy}", err=True)
        click.echo(f"  code:     {error.code}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in _EXTRAS:
            raise
        click.echo(
            f"ostiary: this command needs {error.name}; install it with: {_EXTRAS[error.name.split('.')[0]]}", err=True
        )
        sys.exit(1)


_EXTRAS = {
    "flask": "pip install 'ostiary[all]'",
    "granian": "pip install 'ostiary[all]'",
    "sqlalchemy": "pip install 'ostiary[idp,aa]'",
    "alembic": "pip install 'ostiary[idp,aa]'",
    "argon2": "pip install 'ostiary[idp]'",
}


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
def demo(state: Path, ready: Path | None, base_port: int, trust: tuple[str, ...]) -> None:
    """Start a whole federation on loopback, and say where to click."""
    from ostiary.command.demo.run import run_demo

    sys.exit(run_demo(state, ready, base_port, trust))


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
    from ostiary.command.serving import serve_made
    from ostiary.config import load_settings

    listen = load_settings(config, IdpSettings).listen
    serve_made("idp", partial(make_home_idp, config, authority, clock=SystemClock()), listen)


@serve.command("aa")
@click.option("--config", type=_CONFIG, required=True, help="aa.yaml")
def serve_aa(config: Path) -> None:
    """The Attribute Authority."""
    from functools import partial

    from attribute_authority.settings import AttributeAuthoritySettings
    from ostiary.clock import SystemClock
    from ostiary.command.home import make_home_authority
    from ostiary.command.serving import serve_made
    from ostiary.config import load_settings

    listen = load_settings(config, AttributeAuthoritySettings).listen
    serve_made("aa", partial(make_home_authority, config, clock=SystemClock()), listen)


@serve.command("wayf")
@click.option("--config", type=_CONFIG, required=True, help="wayf.yaml")
def serve_wayf(config: Path) -> None:
    """Where are you from: discovery, feed and metadata queries."""
    from functools import partial

    from ostiary.clock import SystemClock
    from ostiary.command.discovery import make_discovery
    from ostiary.command.serving import serve_made
    from ostiary.config import load_settings
    from wayf.settings import WayfSettings

    listen = load_settings(config, WayfSettings).listen
    serve_made("wayf", partial(make_discovery, config, clock=SystemClock()), listen)


@serve.command("sp")
@click.option("--config", type=_CONFIG, required=True, help="sp.yaml")
@click.option("--app", required=True, metavar="MODULE:ATTRIBUTE", help="The WSGI application to protect.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), required=True)
def serve_sp(config: Path, app: str, host: str, port: int) -> None:
    """A WSGI application behind the SHIRE."""
    from functools import partial

    from ostiary.command.resource import make_resource
    from ostiary.command.serving import serve_made
    from ostiary.config import ListenSettings, load_settings
    from sp_shire.settings import ShireSettings

    workers = load_settings(config, ShireSettings).workers
    serve_made("sp", partial(make_resource, config, app), ListenSettings(host=host, port=port, workers=workers))
