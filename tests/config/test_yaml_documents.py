from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.config import Document, load_document, parse_document
from ostiary.errors import ConfigurationError

HERE = Path("/etc/ostiary/test.yaml")


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
