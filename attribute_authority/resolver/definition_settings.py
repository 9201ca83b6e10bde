"""The configuration of one definition, and which definitions fit together. Asks no connector."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from attribute_authority.connectors.settings import Name, ScopeText
from attribute_authority.resolver.definitions import Constants, Definition, find_cycle
from attribute_authority.resolver.transformations import Condition, Template, ValueMap, read_template
from ostiary.config import WrongSetting, nearest_key
from ostiary.policy.captures import compile_capture
from ostiary.policy.fields import AttributeNames, PatternText, PolicyFields, Texts, as_pattern, as_set, checked_by
from ostiary.policy.pattern_syntax import MAX_PATTERN_LENGTH
from ostiary.policy.patterns import compile_pattern
from ostiary.policy.values import ValueTest
from ostiary.saml import names
from ostiary.saml.attribute_names import friendly_name, is_known
from ostiary.saml.attribute_names import wire_name as standard_name

Meaning = Callable[[str], str]

_LONGEST_NAME: Final = 256
_SHOWN_NAMES: Final = 20
_URI_TEXT: Final = r"^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9:._/#-]+$"


def by_friendly_name(name: str) -> str:
    """The name by which everything here calls an attribute: the friendly name of an OID or URI that standards know."""
    return friendly_name(name, names.URI_NAME)


def _defined_name(text: str) -> str:
    name = by_friendly_name(text)
    if name == text and "/" in text:
        raise WrongSetting(
            "aa.attribute_name", expected="a name, or a URI that standards know; give another one as wire_name"
        )
    return name


DefinedName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9:._/#-]*$", max_length=_LONGEST_NAME),
    AfterValidator(_defined_name),
]
"""A name, or an OID or URI that standards know, which means the friendly name."""

TemplateText = Annotated[
    str, StringConstraints(min_length=1, max_length=4096), AfterValidator(checked_by(read_template))
]
SplitText = Annotated[
    str,
    AfterValidator(checked_by(compile_capture)),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_PATTERN_LENGTH}),
]
WireName = Annotated[str, StringConstraints(pattern=_URI_TEXT, max_length=_LONGEST_NAME)]


class MappedPatternSettings(PolicyFields):
    """Values that match ``pattern`` as a whole become ``to``."""

    pattern: PatternText
    to: Texts


class MapSettings(PolicyFields):
    """Makes other values of values: the entry in ``table`` and those of every pattern that matches, in order; case counts.

    ``default`` stands for a value that nothing here matches; without one, such a value is dropped, or kept as it is.
    """

    table: dict[str, Texts] = Field(default={}, max_length=10_000)
    patterns: tuple[MappedPatternSettings, ...] = Field(default=(), max_length=1_000)
    default: Texts | None = None
    otherwise: Literal["drop", "keep"] = "drop"

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if not self.table and not self.patterns:
            raise WrongSetting("aa.map", expected="table or patterns", found="neither")
        if self.default is not None and self.otherwise == "keep":
            raise WrongSetting("aa.map", expected="default, or otherwise: keep", found="both")
        return self

    def value_map(self) -> ValueMap:
        """The map."""
        patterns = tuple((compile_pattern(entry.pattern), entry.to) for entry in self.patterns)
        return ValueMap(self.table, patterns, self.default or (), self.otherwise == "keep")


class ConditionSettings(PolicyFields):
    """The attribute has a value; where ``value`` or ``pattern`` is given, one that is one of these and matches as a whole."""

    attribute: Name
    value: Texts | None = None
    pattern: PatternText | None = None

    def condition(self, meaning: Meaning) -> Condition:
        """The condition; ``meaning`` says which name a name stands for."""
        name = meaning(self.attribute)
        if self.value is None and self.pattern is None:
            return Condition(name)
        return Condition(name, ValueTest(exact=as_set(self.value), pattern=as_pattern(self.pattern)))


def _conditions(value: Any) -> Any:
    """A name alone is the condition that it has a value; one condition alone is the list of it."""
    several = value if isinstance(value, list | tuple) else (value,)
    return tuple({"attribute": one} if isinstance(one, str) else one for one in several)


Conditions = Annotated[tuple[ConditionSettings, ...], Field(min_length=1, max_length=100), BeforeValidator(_conditions)]


class DefinitionSettings(PolicyFields):
    """One attribute, under its friendly name or the OID or URI that standards give it.

    Its values come from what a connector or another definition calls so, or ``from`` another name or a list of them, from a
    ``template`` over several, or are written here (``value``, one or a list). Then ``split`` takes out the part that its one group
    matches, ``map`` makes others of them, ``scope`` is appended. ``when`` and ``when_not`` (a name alone, one condition, or a list) say
    about whom it is made. ``wire_name`` is the URI of an attribute that no standard names.
    """

    attribute: DefinedName
    source: AttributeNames | None = Field(default=None, alias="from")
    template: TemplateText | None = None
    value: Texts | None = None
    split: SplitText | None = None
    mapping: MapSettings | None = Field(default=None, alias="map")
    scope: ScopeText | None = None
    when: Conditions | None = None
    when_not: Conditions | None = None
    merge: Literal["all", "first"] = "all"
    internal: bool = False
    wire_name: WireName | None = None

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        given = {"from": self.source, "template": self.template, "value": self.value}
        origins = [key for key, content in given.items() if content is not None]
        if len(origins) > 1:
            raise WrongSetting(
                "aa.definition_origin", expected="one of from, template, value", found=", ".join(origins)
            )
        if self.merge == "first" and (self.template is not None or self.value is not None):
            raise WrongSetting("aa.definition_origin", expected="merge only where values are joined", found=origins[0])
        return self

    @model_validator(mode="after")
    def _has_one_wire_name(self) -> Self:
        if self.wire_name is None:
            return self
        known = by_friendly_name(self.wire_name)
        if is_known(self.attribute) or known != self.wire_name:
            its_own = standard_name(self.attribute) if is_known(self.attribute) else f"the attribute {known}"
            raise WrongSetting("aa.wire_name", expected=its_own, found=self.wire_name, at=("wire_name",))
        return self

    def keys_of_inputs(self) -> tuple[tuple[str, str], ...]:
        """Each name that it depends on, with the key that says so."""
        if self.template is not None:
            sources = [("template", name) for name in read_template(self.template).sources]
        elif self.value is not None:
            sources = []
        elif self.source is not None:
            sources = [("from", name) for name in self.source]
        else:
            sources = [("attribute", self.attribute)]
        conditions = (("when", self.when), ("when_not", self.when_not))
        return (*sources, *((key, one.attribute) for key, several in conditions for one in several or ()))

    def definition(self, meaning: Meaning = by_friendly_name) -> Definition:
        """The definition; ``meaning`` says which name a name stands for."""
        return Definition(
            self.attribute,
            self._origin(meaning),
            self.scope,
            self.merge == "first",
            self.internal,
            split=compile_capture(self.split) if self.split is not None else None,
            mapping=self.mapping.value_map() if self.mapping is not None else None,
            when=tuple(one.condition(meaning) for one in self.when or ()),
            when_not=tuple(one.condition(meaning) for one in self.when_not or ()),
            wire_name=self.wire_name,
        )

    def _origin(self, meaning: Meaning) -> str | tuple[str, ...] | Template | Constants:
        if self.template is not None:
            template = read_template(self.template)
            return Template(template.texts, tuple(meaning(name) for name in template.sources))
        if self.value is not None:
            return Constants(self.value)
        sources = tuple(meaning(name) for name in self.source or (self.attribute,))
        return sources if len(sources) > 1 else sources[0]


def definitions_of(
    settings: Sequence[DefinitionSettings], connector_names: frozenset[str] | None
) -> tuple[Definition, ...]:
    """The definitions, in the order of the file. ``connector_names`` is what the connectors call their values, None where only they know.

    Raises `WrongSetting`: ``aa.duplicate_definition``, ``aa.wire_name`` (two of the same), ``aa.unknown_source``, ``aa.definition_cycle``.
    """
    _refuse_the_same_twice(settings)
    defined = {one.attribute for one in settings}

    def meaning(name: str) -> str:
        if name in defined or (connector_names is not None and name in connector_names):
            return name
        friendly = by_friendly_name(name)
        # What an unknown connector calls by an OID is left to it.
        return friendly if friendly in defined or connector_names is not None else name

    if connector_names is not None:
        _refuse_unknown_sources(settings, defined, connector_names, meaning)
    definitions = tuple(one.definition(meaning) for one in settings)
    cycle = find_cycle(definitions)
    if cycle:
        position = next(position for position, one in enumerate(settings) if one.attribute == cycle[0])
        keys = (key for key, name in settings[position].keys_of_inputs() if meaning(name) == cycle[1])
        at = ("definitions", position, next(keys))
        raise WrongSetting("aa.definition_cycle", expected="no circle", found=" -> ".join(cycle), at=at)
    return definitions


def _refuse_the_same_twice(settings: Sequence[DefinitionSettings]) -> None:
    seen: set[str] = set()
    for position, one in enumerate(settings):
        if one.attribute in seen:
            at = ("definitions", position, "attribute")
            raise WrongSetting("aa.duplicate_definition", expected="each attribute once", found=one.attribute, at=at)
        seen.add(one.attribute)
    for position, one in enumerate(settings):
        if one.wire_name is not None:
            if one.wire_name in seen:
                at = ("definitions", position, "wire_name")
                raise WrongSetting("aa.wire_name", expected="a URI of its own", found=one.wire_name, at=at)
            seen.add(one.wire_name)


def _refuse_unknown_sources(
    settings: Sequence[DefinitionSettings], defined: set[str], connector_names: frozenset[str], meaning: Meaning
) -> None:
    for position, one in enumerate(settings):
        for key, name in one.keys_of_inputs():
            meant = meaning(name)
            if meant in connector_names or (meant in defined and meant != one.attribute):
                continue
            known = sorted((defined - {one.attribute}) | connector_names)
            nearest = nearest_key(name, known)
            expected = nearest or ", ".join(known[:_SHOWN_NAMES]) or "a source"
            at = ("definitions", position, key)
            raise WrongSetting("aa.unknown_source", expected=expected, found=name, at=at, nearest=nearest)
