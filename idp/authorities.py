"""Which of an organisation's Attribute Authorities knows a person, by rules over her login name and what is known about her."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from ostiary.config import Settings, WrongSetting

MAXIMUM_AUTHORITY = 65535
"""What a handle has room for."""

KnownAttributes = Mapping[str, Collection[str]]
"""What is known about a person, by friendly name."""


@dataclass(frozen=True, slots=True)
class AuthorityRule:
    """Sends a person to ``authority`` if all that is given holds: her login name ends in ``@login_scope`` (case does not count), or one of
    the values of ``attribute`` is one of ``values`` (a group is a value of ``memberOf`` or ``isMemberOf``)."""

    authority: int
    login_scope: str | None = None
    attribute: str | None = None
    values: frozenset[str] = frozenset()


def authority_of(
    rules: Sequence[AuthorityRule],
    default: int,
    login_name: Callable[[], str | None],
    attributes: Callable[[], KnownAttributes],
) -> int:
    """The authority of the first rule that holds, else ``default``. Asks only for what the rules up to it need."""
    for rule in rules:
        if rule.login_scope is not None:
            _, at, scope = (login_name() or "").rpartition("@")
            if not at or scope.lower() != rule.login_scope.lower():
                continue
        if rule.attribute is not None and rule.values.isdisjoint(attributes().get(rule.attribute, ())):
            continue
        return rule.authority
    return default


class AuthorityRuleSettings(Settings):
    """People whose login name ends in ``@login_scope``, or whose ``attribute`` has one of ``values``, or both where both are given, belong
    to the authority of this index. The attribute is one that the IdP's own Attribute Authority resolves, by its friendly name."""

    authority: Annotated[int, Field(ge=0, le=MAXIMUM_AUTHORITY)]
    login_scope: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$", max_length=255)] | None = None
    attribute: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9:._;-]*$", max_length=256)] | None = None
    values: tuple[Annotated[str, StringConstraints(min_length=1, max_length=4096)], ...] = ()

    @model_validator(mode="after")
    def _says_who(self) -> Self:
        if (self.attribute is None) != (not self.values) or (self.attribute is None and self.login_scope is None):
            raise WrongSetting("idp.authority_rule", expected="login_scope, or attribute with values, or both")
        return self

    def rule(self) -> AuthorityRule:
        """The rule."""
        return AuthorityRule(self.authority, self.login_scope, self.attribute, frozenset(self.values))


class AuthoritiesSettings(Settings):
    """Where an organisation has several Attribute Authorities: the index of a person's is that of the first rule that holds, else
    ``default``."""

    default: Annotated[int, Field(ge=0, le=MAXIMUM_AUTHORITY)] = 0
    rules: tuple[AuthorityRuleSettings, ...] = ()

    def indexes(self) -> frozenset[int]:
        """Every authority that somebody may belong to."""
        return frozenset({self.default, *(rule.authority for rule in self.rules)})


class Authorities:
    """Finds the Attribute Authority of a person at her login. ``login_name`` and ``own_attributes`` are asked by her principal."""

    def __init__(
        self,
        settings: AuthoritiesSettings,
        *,
        login_name: Callable[[str], str | None],
        own_attributes: Callable[[str], KnownAttributes],
    ) -> None:
        self._rules = tuple(fields.rule() for fields in settings.rules)
        self._default = settings.default
        self._login_name = login_name
        self._own_attributes = own_attributes

    def of(self, principal: str) -> int:
        """The index of her authority, which her session and her handles carry. Raises `Unavailable` when a directory is needed for it and
        does not answer."""
        return authority_of(
            self._rules,
            self._default,
            lambda: self._login_name(principal),
            lambda: self._own_attributes(principal),
        )
