"""Data as YAML that this software's reader takes for the same data, and that people like to read. Decides nothing."""

from collections.abc import Mapping, Sequence

import yaml

# No text is broken into lines.
_WIDTH = 100_000


class _Dumper(yaml.SafeDumper):
    """Lists stand a step in, and no text is plain that the core schema of YAML 1.2 might take for a number."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    plain = text[:1].isalpha()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else "'")


_Dumper.add_representer(str, _text)


def as_yaml(data: Mapping[str, object] | Sequence[object]) -> str:
    """The data as a document, in its own order, ASCII."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=_WIDTH)


def in_a_comment(text: str) -> str:
    """The text as part of one line."""
    return "".join(character if character.isprintable() else "?" for character in text)
