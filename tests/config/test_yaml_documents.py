from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.config import Document, document, load_document, parse_document
from ostiary.errors import ConfigurationError

HERE = Path("/etc/ostiary/test.yaml")
SHIPPED = sorted(Path(__file__).parents[2].glob("policies/**/*.yaml"))
# Where PyYAML comes without libyaml there is only the slower one.
PARSERS = [name for name in ("_LibyamlLoader", "_PythonLoader") if hasattr(document, name)]


@pytest.fixture(scope="module", params=PARSERS, autouse=True)
def either_parser(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both parsers read and refuse the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "_Loader", getattr(document, request.param))
        yield


def read(text: str) -> Document:
    return parse_document(text.encode(), HERE)


def refusal(text: str | bytes) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        parse_document(text if isinstance(text, bytes) else text.encode(), HERE)
    return caught.value


def test_a_document_knows_the_line_of_each_key_and_list_item() -> None:
    document = read("a: 1\nb:\n  c: x\n  d:\n    - 1\n    - e: 2\n")
    assert document.data == {"a": 1, "b": {"c": "x", "d": [1, {"e": 2}]}}
    assert document.line("a") == 1
    assert document.line("b") == 2
    assert document.line("b", "c") == 3
    assert document.line("b", "d", 0) == 5
    assert document.line("b", "d", 1, "e") == 6


def test_the_line_of_a_key_that_is_not_there_is_that_of_what_encloses_it() -> None:
    document = read("a: 1\nb:\n  c: x\n")
    assert document.line("b", "nothing", 3) == 2
    assert document.line("nothing") == 1


def test_a_place_unpacks_into_an_error() -> None:
    document = read("rules:\n  - id: x\n")
    error = ConfigurationError("policy.x", **document.where("rules", 0, "id"))
    assert str(error) == "/etc/ostiary/test.yaml:2: rules[0].id: policy.x"


def test_a_key_with_dots_is_quoted_where_it_is_named() -> None:
    document = read('limits:\n  "https://sp.example/x": 1\n')
    assert document.where("limits", "https://sp.example/x") == {
        "file": HERE,
        "line": 2,
        "key": 'limits["https://sp.example/x"]',
    }


def test_values_follow_the_core_schema_of_yaml_1_2() -> None:
    document = read(
        "no: no\non: on\ntime: 8:30\ndate: 2026-11-22\nyes: true\nnothing: ~\nempty:\nint: 0600\noct: 0o17\n"
        "hex: 0xff\nneg: -5\nfloat: 1.5\nexp: 1e3\nquoted: '1'\nmerge: <<\ndot: .\nversion: 1.2.3\n"
    )
    assert document.data == {
        "no": "no",
        "on": "on",
        "time": "8:30",
        "date": "2026-11-22",
        "yes": True,
        "nothing": None,
        "empty": None,
        "int": 600,
        "oct": 15,
        "hex": 255,
        "neg": -5,
        "float": 1.5,
        "exp": 1000.0,
        "quoted": "1",
        "merge": "<<",
        "dot": ".",
        "version": "1.2.3",
    }


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "~\n"])
def test_an_empty_file_is_an_empty_mapping(text: str) -> None:
    assert read(text).data == {}


def test_a_key_given_twice_is_refused_at_its_second_line() -> None:
    error = refusal("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert (error.code, error.line, error.key, error.found) == ("config.duplicate_key", 4, "a.b", "also in line 2")


@pytest.mark.parametrize("text", ["1: a\n", "true: a\n", "~: a\n", "<<: {a: 1}\n", "? [a]\n: b\n", "? {a: b}\n: c\n"])
def test_a_key_that_is_not_text_is_refused(text: str) -> None:
    assert refusal(text).code == "config.key_not_text"


def test_the_same_key_in_quotes_is_accepted() -> None:
    assert read('"1": a\n').data == {"1": "a"}


def test_an_alias_repeats_what_its_anchor_holds() -> None:
    assert read("a: &x [1, 2]\nb: *x\n").data == {"a": [1, 2], "b": [1, 2]}


def test_an_alias_stands_for_a_key_and_for_what_holds_anchors_itself() -> None:
    document = read(
        "key: &outer\n  inner: &inner [1]\n  again: *inner\nother: *outer\nlist:\n  - *inner\n  - &x x\n? *x\n: 2\n"
    )
    assert document.data == {
        "key": {"inner": [1], "again": [1]},
        "other": {"inner": [1], "again": [1]},
        "list": [[1], "x"],
        "x": 2,
    }
    # What an alias repeats stands where its anchor is.
    assert document.line("other") == 4
    assert document.line("other", "inner", 0) == 2
    assert document.line("list", 0) == 2


def test_an_alias_of_a_key_is_the_same_key_again() -> None:
    assert refusal("&k a: 1\n? *k\n: 2\n").code == "config.duplicate_key"


@pytest.mark.parametrize("text", ["a: *nothing\n", "a: &x 1\nb: &x 2\n", "a: 1\n---\nb: 2\n", "*a : 1\n"])
def test_aliases_of_nothing_and_second_documents_are_no_document(text: str) -> None:
    assert refusal(text).code == "config.not_yaml"


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for number in range(1, 9):
        inner = ", ".join([f"*a{number - 1}"] * 10)
        lines.append(f"a{number}: &a{number} [{inner}]")
    assert refusal("\n".join(lines)).code == "config.too_complex"


def test_an_anchor_that_holds_itself_is_refused() -> None:
    assert refusal("a: &a [*a]\n").code == "config.too_complex"
    assert refusal("a: &a {b: *a}\n").code == "config.too_complex"


def test_nesting_is_bounded_and_the_last_level_is_accepted() -> None:
    assert refusal("a: " + "[" * 2000 + "]" * 2000).code == "config.too_complex"
    deepest = read("a: " + "[" * 38 + "x" + "]" * 38)
    assert deepest.line("a") == 1


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("!!python/object/apply:os.system", "[x]"),
        ("!thing", "x"),
        ("!!binary", "x"),
        ("!!timestamp", "x"),
        ("!!set", "{x: ~}"),
        ("!!bool", "x"),
    ],
)
def test_a_tag_is_refused(tag: str, value: str) -> None:
    error = refusal(f"a: 1\nb: {tag} {value}\n")
    assert (error.code, error.line, error.key) == ("config.tag", 2, "b")


@pytest.mark.parametrize("value", ["!!int x", "!!float x", "9" * 5000])
def test_a_number_that_is_none_is_refused(value: str) -> None:
    assert refusal(f"a: {value}\n").code == "config.number"


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "42\n"])
def test_a_file_that_is_not_a_mapping_is_refused(text: str) -> None:
    assert refusal(text).code == "config.not_a_mapping"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [1, 2\n", 3),
        ("a: 1\n\tb: 2\n", 2),
        ("a: *nowhere\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: 'open\n", 2),
        ("a: b: c\n", 1),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(text: str, line: int) -> None:
    error = refusal(text)
    assert (error.code, error.line) == ("config.not_yaml", line)


def test_a_control_character_is_refused() -> None:
    assert refusal("a: \x00\n").code == "config.not_yaml"


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    error = refusal(b"a: 1\nb: \xff\n")
    assert (error.code, error.line) == ("config.not_utf8", 2)


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse_document(b"\xef\xbb\xbfa: 1\n", HERE).data == {"a": 1}


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_document(tmp_path / "none.yaml")
    assert caught.value.code == "config.file_missing"
    assert caught.value.file == str(tmp_path / "none.yaml")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_document(tmp_path)
    assert caught.value.code == "config.file_unreadable"


def test_a_file_may_have_the_largest_size_and_no_byte_more(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"a: 1\n")
    assert load_document(file, max_bytes=5).data == {"a": 1}
    with pytest.raises(ConfigurationError) as caught:
        load_document(file, max_bytes=4)
    assert caught.value.code == "config.file_too_large"


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!<'\"#|>%@?, \n~1", max_size=60))
def test_any_text_is_read_or_refused_and_never_crashes(text: str) -> None:
    outcome = ""
    try:
        document = read(text)
    except ConfigurationError as error:
        outcome = error.code
    if not outcome:
        assert isinstance(document.data, dict)
    else:
        assert outcome.startswith("config.")


def test_both_parsers_read_the_documents_that_ship_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [load_document(path) for path in SHIPPED]
    monkeypatch.setattr(document, "_Loader", document._PythonLoader)
    assert [load_document(path) for path in SHIPPED] == found
    assert len(found) > 5


KEYS = st.text("abc.:é", min_size=1, max_size=4)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text("ab: -#'\"\n1é", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def lines_by_nodes(node: yaml.Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Where everything stands, by the nodes that PyYAML makes."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark.line + 1
            yield from lines_by_nodes(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield (*path, number), item.start_mark.line + 1
            yield from lines_by_nodes(item, (*path, number))


@settings(max_examples=40, deadline=None)
@given(first=TREES, second=TREES, flow=st.sampled_from([None, False, True]))
def test_whatever_is_written_is_read_again_with_its_lines(first: object, second: object, flow: bool | None) -> None:
    # The same object twice is written as an anchor and an alias.
    data = {"first": first, "second": [second, first], "third": {"again": second}}
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True, width=30)
    document = read(text)
    assert document.data == data
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert dict(document.lines) == {(): 1, **dict(lines_by_nodes(root))}
    assert [document.lines[path] for path in (("first",), ("second", 0))] == [
        document.line("first"),
        document.line("second", 0),
    ]
