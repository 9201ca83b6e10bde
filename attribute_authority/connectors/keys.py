"""The keys that connectors share in the configuration, and the types of their values. Opens nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from attribute_authority.connectors.guarded import Care
from ostiary.config import DatabaseSettings, Duration, DurationOrZero, Settings, WrongSetting
from ostiary.ports import VoMemberships

OpenVo = Callable[[DatabaseSettings, str], VoMemberships]
"""Opens the VO of that name in a database; the roof gives it, for VOs are another room's."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9:._-]*$", max_length=256)]
ScopeText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", max_length=255)]
Values = dict[Name, tuple[str, ...]]

Parameter = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
"""The name of a place for a value in a query or an address."""


class AskedConnectorSettings(Settings):
    """What every connector has that asks somebody else."""

    name: Name
    required: bool = True
    time_limit: Duration = timedelta(seconds=2)
    cache_age: DurationOrZero | None = None
    cache_size: int = Field(default=10_000, ge=1, le=1_000_000)
    serve_when_down: Duration | None = None
    pause: DurationOrZero = timedelta(seconds=10)
    failover: Annotated[tuple[Name, ...], Field(max_length=10)] = ()

    @model_validator(mode="after")
    def _serves_longer_than_usual(self) -> Self:
        if self.serve_when_down is not None and self.serve_when_down <= (self.cache_age or timedelta(0)):
            expected = f"more than cache_age, {self.cache_age or timedelta(0)}"
            raise WrongSetting(
                "aa.serve_when_down", expected=expected, found=self.serve_when_down, at=("serve_when_down",)
            )
        return self

    def care(self) -> Care:
        """How it is looked after."""
        return Care(self.cache_age, self.cache_size, self.serve_when_down, self.pause)

    def needs(self) -> tuple[str, ...]:
        """What earlier connectors have to find before it can be asked."""
        return ()


def each_once(names: list[str], code: str) -> None:
    """Raises `WrongSetting` (``code``) for a name that stands there twice."""
    for position, name in enumerate(names):
        if name in names[:position]:
            raise WrongSetting(code, expected="each name once", found=name)
