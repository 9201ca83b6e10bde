"""A changed configuration takes effect as a whole, waits for a restart as a whole, or is refused."""

from io import StringIO
from pathlib import Path

import pytest

from ostiary.clock import SystemClock
from ostiary.command.live_settings import LiveSettings, changed_keys, settings_loader
from ostiary.config import Holder, Settings, Sources, load_settings
from ostiary.errors import ConfigurationError, Refusal
from ostiary.web.log import make_log


class Example(Settings):
    port: int
    colour: str = "green"
    size: int = 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "example.yaml"
    path.write_text("{port: 1}")
    return path


def holder(path: Path) -> Holder[LiveSettings[Example, str]]:
    def derive(settings: Example, _sources: Sources) -> str:
        if settings.colour == "mud":
            raise Refusal("branding.contrast", expected="a colour", found="mud")
        return settings.colour.upper()

    return Holder(
        settings_loader(
            lambda sources: load_settings(path, Example, sources=sources),
            derive,
            fixed=("port",),
            log=make_log(SystemClock(), service="test", stream=StringIO()),
        )
    )


def after(path: Path, text: str, found: Holder[LiveSettings[Example, str]]) -> LiveSettings[Example, str]:
    path.write_text(text)
    return found.reload()


def test_what_may_change_changes_with_what_is_made_of_it(path: Path) -> None:
    found = after(path, "{port: 1, colour: blue}", holder(path))
    assert (found.settings.colour, found.derived, found.needs_restart) == ("blue", "BLUE", ())


def test_a_file_that_needs_a_restart_waits_as_a_whole(path: Path) -> None:
    watched = holder(path)
    found = after(path, "{port: 2, colour: blue, size: 3}", watched)
    assert (found.settings.port, found.settings.colour, found.derived) == (1, "green", "GREEN")
    assert found.needs_restart == ("port",)
    found = after(path, "{port: 1, colour: blue}", watched)
    assert (found.settings.colour, found.needs_restart) == ("blue", ())


def test_what_waits_is_compared_with_what_is_in_force_not_with_what_waited(path: Path) -> None:
    watched = holder(path)
    after(path, "{port: 2}", watched)
    assert after(path, "{port: 3}", watched).needs_restart == ("port",)
    assert after(path, "{port: 1}", watched).needs_restart == ()


@pytest.mark.parametrize("text", ["{port: 1, colour: mud}", "{port: x}", "[", "{port: 1, colours: x}", ""])
def test_a_file_that_can_not_be_used_changes_nothing(path: Path, text: str) -> None:
    watched = holder(path)
    with pytest.raises((ConfigurationError, Refusal)):
        after(path, text, watched)
    assert watched.value.settings == Example(port=1)
    assert watched.problem is not None


def test_the_keys_that_differ_are_named_in_order() -> None:
    before, later = Example(port=1), Example(port=2, size=2)
    assert changed_keys(before, later, ("size", "colour", "port")) == ("size", "port")


def test_every_key_of_the_identity_provider_is_live_or_fixed() -> None:
    from idp.operate.live import FIXED, LIVE
    from idp.settings import IdpSettings

    assert set(FIXED) | LIVE == set(IdpSettings.model_fields)
    assert not set(FIXED) & LIVE
    assert {"entity_id", "public_url", "listen", "database", "people", "trust"} <= set(FIXED)
