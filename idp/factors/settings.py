"""The configuration of second factors."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Final

from pydantic import Field

from idp.factors.attempts import AttemptLimits
from idp.factors.rules import Ask, Rule
from ostiary.config import Duration, FileFromHere, NetworkText, Settings, networks

_Name = Annotated[str, Field(min_length=1, max_length=1024)]
_Values = Annotated[tuple[_Name, ...], Field(min_length=1, max_length=1000)]
_MAXIMUM_RULES: Final = 200


class SecondFactorRuleSettings(Settings):
    """One rule. All conditions that it names must hold; the first rule that fits decides.

    ``sp``: one of these entityIDs. ``sp_category``: the SP has one of these entity categories. ``sp_attribute``: for each entity attribute,
    the SP has one of the values. ``person``: for each attribute (by friendly name), she has one of the values. ``new_browser``: in this
    browser she has not yet proven a second factor (``false``: she has). ``outside_networks``: her address is in none of these.

    ``ask``: `never`, `if_enrolled` (only who has a second factor is asked) or `required`. ``again_after``: a second factor that was proven
    longer ago does not count. ``remember``: whether a browser may be spared for a while (`remember_browser`). ``enrol``: with `required`,
    whether somebody who has none is led to set one up, or refused.
    """

    ask: Ask
    sp: tuple[_Name, ...] = ()
    sp_category: tuple[_Name, ...] = ()
    sp_attribute: Mapping[_Name, _Values] = {}
    person: Mapping[_Name, _Values] = {}
    new_browser: bool | None = None
    outside_networks: tuple[NetworkText, ...] = ()
    again_after: Duration | None = None
    remember: bool = True
    enrol: bool = True

    def rule(self) -> Rule:
        """The same for `idp.factors.rules`."""
        return Rule(
            ask=self.ask,
            sps=frozenset(self.sp),
            sp_categories=frozenset(self.sp_category),
            sp_attributes=tuple((name, frozenset(values)) for name, values in self.sp_attribute.items()),
            person=tuple((name, frozenset(values)) for name, values in self.person.items()),
            new_browser=self.new_browser,
            outside=networks(self.outside_networks),
            again_after=self.again_after,
            remember=self.remember,
            enrol=self.enrol,
        )


class CodeAttemptSettings(Settings):
    """Wrong codes of one person: ``per_minute`` from one address, ``per_hour`` from everywhere; a browser that she has used before counts
    for itself."""

    per_minute: Annotated[int, Field(ge=1, le=1000)] = 5
    per_hour: Annotated[int, Field(ge=1, le=1000)] = 20

    def limits(self) -> AttemptLimits:
        """The same for `CodeAttempts`."""
        return AttemptLimits(self.per_minute, self.per_hour)


class SecondFactorSettings(Settings):
    """Second factors: one-time codes, passkeys, recovery codes.

    ``secret_keys`` are private files of 32 bytes, or 64 hexadecimal digits (``ostiary keys create-factor-key``): the first encrypts the
    secrets of authenticator apps, all of them decrypt; every node has the same. ``rules``: when one is asked for; where none fits,
    who has a second factor is asked for it. ``remember_browser``: for how long a person may have a browser spared; leave it out to
    offer that to nobody. ``passwordless``: whether people may sign in with a passkey alone.
    """

    secret_keys: Annotated[tuple[FileFromHere, ...], Field(min_length=1)]
    rules: Annotated[tuple[SecondFactorRuleSettings, ...], Field(max_length=_MAXIMUM_RULES)] = ()
    remember_browser: Annotated[Duration, Field(le=timedelta(days=365))] | None = None
    passwordless: bool = True
    attempts: CodeAttemptSettings = CodeAttemptSettings()

    @cached_property
    def decisive(self) -> tuple[Rule, ...]:
        """The rules for `idp.factors.rules.decide`."""
        return tuple(rule.rule() for rule in self.rules)
