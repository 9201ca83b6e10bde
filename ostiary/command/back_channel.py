"""Composition of the Attribute Authority's back channel: the same application behind our own TLS listener, which takes any client
certificate and leaves it to metadata whose key it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attribute_authority.queries.back_channel import BackChannelPort
from attribute_authority.settings import AttributeAuthoritySettings
from ostiary.clock import Clock
from ostiary.command.home import make_home_authority
from ostiary.command.watched import LOOK_EVERY, watched
from ostiary.config import Holder, ListenSettings, Sources, load_settings
from ostiary.errors import ConfigurationError
from ostiary.saml.soap_transport import SoapTransport
from ostiary.saml.xml import MESSAGE
from ostiary.web.listener import ListenerLimits, serve_tls
from ostiary.web.log import Log

if TYPE_CHECKING:
    from ostiary.web.any_peer import AnyPeerContext

LIMITS: Final = ListenerLimits(body_bytes=MESSAGE.max_bytes)


@dataclass(frozen=True, slots=True)
class BackChannelServing:
    """Everything that a listener needs."""

    application: BackChannelPort
    listen: ListenSettings
    context: "Callable[[], AnyPeerContext]"


def serve_back_channel(config: Path, *, clock: Clock, log: Log) -> None:
    """Serves the back channel of ``aa.yaml`` until SIGTERM or SIGINT. Raises as `make_back_channel`."""
    made = make_back_channel(config, clock=clock, log=log)
    serve_tls(made.application, made.listen, made.context, log=log, limits=LIMITS, clock=clock)


def make_back_channel(
    config: Path, *, clock: Clock, log: Log, transport: SoapTransport | None = None
) -> BackChannelServing:
    """The application behind that port. Its certificate is looked at again while it runs. ``transport`` as for `make_home_authority`.

    Raises `ConfigurationError` (``aa.no_back_channel``, and for what can't be used).
    """
    # Here, so that services without one need no library for it.
    from ostiary.web.any_peer import AnyPeerContext, make_any_peer_context

    settings = load_settings(config, AttributeAuthoritySettings)
    listen = required_listen(settings, config)
    channel = settings.back_channel
    if channel is None or channel.key is None:
        raise _none(config)
    certificate, key = channel.certificate, channel.key
    application = BackChannelPort(
        make_home_authority(config, clock=clock, log=log, transport=transport),
        public_url=channel.public_url,
        service_url=settings.public_url,
    )

    def load(sources: Sources) -> AnyPeerContext:
        for path in (certificate, key):
            sources.note(path)
        return make_any_peer_context(certificate, key)

    return BackChannelServing(application, listen, watched(Holder(load, every=LOOK_EVERY), clock, log))


def required_listen(settings: AttributeAuthoritySettings, config: Path) -> ListenSettings:
    """Where the back channel listens. Raises `ConfigurationError` (``aa.no_back_channel``) where it does not."""
    if settings.back_channel is None or settings.back_channel.listen is None:
        raise _none(config)
    return settings.back_channel.listen


def _none(config: Path) -> ConfigurationError:
    return ConfigurationError(
        "aa.no_back_channel", file=config, key="back_channel", expected="back_channel with listen and key"
    )
