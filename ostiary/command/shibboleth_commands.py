"""``ostiary policy import-shibboleth`` and ``ostiary attributes import-shibboleth``: read files of a Shibboleth IdP, write our own."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.command.wording import catalogue
from ostiary.errors import ConfigurationError, Refusal
from ostiary.web.log import one_line
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue

if TYPE_CHECKING:
    from attribute_authority.shibboleth.policies import NotTranslated

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write into this new file instead of printing.",
)
_PROPERTIES = click.option(
    "--properties",
    type=_FILE,
    multiple=True,
    help="Properties that fill %{...} in the resolver's file; may be repeated.",
)


@click.group("attributes")
def attributes() -> None:
    """Where attributes come from."""


@click.command("import-shibboleth")
@click.argument("file", type=_FILE)
@_OUTPUT
@click.option("--resolver", type=_FILE, help="The attribute-resolver.xml beside it: names and scopes of attributes.")
@_PROPERTIES
@click.option("--principal-name", metavar="ATTRIBUTE", help="The attribute that holds login names.")
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="GROUP=AUTHORITY",
    help="The members of this entity group are those that this authority registers; may be repeated.",
)
@click.option("--strict", is_flag=True, help="Fail when something was not translated.")
def import_filter_command(
    file: Path,
    output: Path | None,
    resolver: Path | None,
    properties: tuple[Path, ...],
    principal_name: str | None,
    groups: tuple[str, ...],
    strict: bool,
) -> None:
    """Turn the attribute-filter.xml FILE of a Shibboleth IdP into release policies that never release more, and list what is missing.

    The policies are printed, or written to a new file; the list goes to standard error.
    """
    from attribute_authority.shibboleth.import_filter import import_filter
    from attribute_authority.shibboleth.import_resolver import attribute_ids
    from attribute_authority.shibboleth.names import AttributeIds
    from attribute_authority.shibboleth.resolver_file import read_resolver
    from attribute_authority.shibboleth.rule_types import Translation

    ids = AttributeIds()
    if resolver is not None:
        ids = attribute_ids(read_resolver(resolver.read_bytes(), resolver, _properties(properties)))
    imported = import_filter(file.read_bytes(), file, Translation(ids, principal_name, _groups(groups)))
    _hand_out(imported.document, output)
    teller = _Teller(catalogue())
    teller.say("filter_done", file=file, policies=imported.policies, translated=imported.translated)
    if resolver is None:
        teller.say("no_resolver")
    teller.say("missing" if imported.missing else "all_translated")
    for part, attributes in _by_attribute(imported.missing).items():
        teller.say(
            "line",
            line=part.line,
            type=part.type,
            about=teller.text("about", policy=part.policy, attributes=", ".join(attributes)),
            reason=teller.text(f"reason.{part.reason}", detail=part.detail),
            effect=teller.text(part.effect),
        )
    teller.written(output)
    if strict and imported.missing:
        sys.exit(1)


@attributes.command("import-shibboleth")
@click.argument("file", type=_FILE)
@_OUTPUT
@_PROPERTIES
@click.option("--strict", is_flag=True, help="Fail when something was left out.")
def import_resolver_command(file: Path, output: Path | None, properties: tuple[Path, ...], strict: bool) -> None:
    """Turn the attribute-resolver.xml FILE of a Shibboleth IdP into the resolver section of aa.yaml, and list what to look at.

    The section is printed, or written to a new file; the list goes to standard error.
    """
    from attribute_authority.shibboleth.import_resolver import import_resolver

    imported = import_resolver(file.read_bytes(), file, _properties(properties))
    _hand_out(imported.document, output)
    teller = _Teller(catalogue())
    teller.say(
        "resolver_done",
        file=file,
        connectors=imported.connectors,
        all_connectors=imported.of[0],
        definitions=imported.definitions,
        all_definitions=imported.of[1],
    )
    teller.say("remarks" if imported.remarks else "all_translated")
    for part in imported.remarks:
        teller.say(
            "resolver_line",
            line=part.line,
            type=part.type,
            id=part.id,
            effect=teller.text(part.effect),
            reason=teller.text(f"resolver_reason.{part.reason}", detail=part.detail),
        )
    teller.written(output)
    if strict and any(part.effect == "left_out" for part in imported.remarks):
        sys.exit(1)


def _by_attribute(missing: "Iterable[NotTranslated]") -> "Mapping[NotTranslated, list[str]]":
    """The attributes that the same thing is about."""
    found: dict[NotTranslated, list[str]] = {}
    for part in missing:
        found.setdefault(replace(part, attribute=""), []).append(part.attribute)
    return found


def _groups(given: tuple[str, ...]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for text in given:
        group, _, authority = text.rpartition("=")
        if not group or not authority:
            raise Refusal("aa.shibboleth_group", expected="GROUP=AUTHORITY", found=text)
        found.setdefault(group, set()).add(authority)
    return {group: frozenset(authorities) for group, authorities in found.items()}


def _properties(files: tuple[Path, ...]) -> Mapping[str, str]:
    """Of simple properties files (``name = value``); a later file wins. Raises `ConfigurationError` ``aa.shibboleth_properties``."""
    found: dict[str, str] = {}
    for file in files:
        for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), start=1):
            text = line.strip()
            if not text or text[0] in "#!":
                continue
            name, equals, value = text.partition("=")
            if not equals or not name.strip():
                raise ConfigurationError(
                    "aa.shibboleth_properties", file=file, line=number, expected="name = value", found=text[:80]
                )
            found[name.strip()] = value.strip()
    return found


def _hand_out(document: str, output: Path | None) -> None:
    if output is None:
        click.echo(document, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(document)
    except FileExistsError:
        raise ConfigurationError("aa.shibboleth_exists", file=output, expected="a new file") from None


@dataclass(frozen=True, slots=True)
class _Teller:
    """Says things on standard error, in the words of the catalogue."""

    texts: Catalogue

    def text(self, key: str, **facts: object) -> str:
        fit = {name: one_line(str(fact)) for name, fact in facts.items()}
        return self.texts.text(SOURCE_LANGUAGE, f"shibboleth.{key}", **fit)

    def say(self, key: str, **facts: object) -> None:
        click.echo(self.text(key, **facts), err=True)

    def written(self, output: Path | None) -> None:
        if output is not None:
            self.say("written", file=output)
