"""JSON of strangers within bounds, and the paths by which values are picked out of it."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_authority.connectors.json_values import Each, read_json, read_path, values_at
from ostiary.config import WrongSetting
from ostiary.errors import Unavailable

DOCUMENT = {
    "name": {"full": "Ada Lovelace", "parts": ["Ada", "Lovelace"]},
    "mails": [{"value": "ada@uni.example", "tags": ["a", "b"]}, {"value": None}, {"tags": ["b", "c"]}],
    "number": 7,
    "active": True,
    "left": False,
    "nothing": None,
    "empty": "",
    "a.b": {'c"d': "x"},
}


def picked(path: str, document: object = DOCUMENT) -> tuple[str, ...]:
    return values_at(read_json(json.dumps(document).encode()), read_path(path))


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("name.full", ("Ada Lovelace",)),
        ("name.parts[]", ("Ada", "Lovelace")),
        ("name.parts[1]", ("Lovelace",)),
        ("name.parts[7]", ()),
        ("mails[].value", ("ada@uni.example",)),
        ("mails[].tags[]", ("a", "b", "c")),
        ("mails[0].tags[1]", ("b",)),
        ("number", ("7",)),
        ("active", ("true",)),
        ("left", ("false",)),
        ("nothing", ()),
        ("nothing.further[].on", ()),
        ("empty", ()),
        ("absent.further", ()),
        ('["a.b"]["c\\"d"]', ("x",)),
        ('["name"].full', ("Ada Lovelace",)),
    ],
)
def test_a_path_leads_to_values(path: str, values: tuple[str, ...]) -> None:
    assert picked(path) == values


def test_a_document_may_be_a_list() -> None:
    people = [{"name": "a"}, {"name": "b"}]
    assert picked("[].name", people) == ("a", "b")
    assert picked("[1].name", people) == ("b",)
    assert picked("[].name", []) == ()


@pytest.mark.parametrize(
    "path", ["name", "mails", "name.full.more", "name.full[]", "mails.value", "number[0]", "name[]"]
)
def test_a_document_of_another_form_than_the_path_is_never_half_read(path: str) -> None:
    with pytest.raises(Unavailable) as other:
        picked(path)
    assert other.value.code == "aa.connector_json"
    assert "Ada" not in str(other.value)


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[]b", "a b", "a[-1]", '["a', '[""]', "a" * 501, "$.[?(@.x)]"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(WrongSetting) as refused:
        read_path(path)
    assert refused.value.code == "aa.json_path"


def test_a_path_is_read_into_steps() -> None:
    assert read_path('a[]["b.c"][3].d-e') == ("a", Each(), "b.c", 3, "d-e")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nothing",
        b"[1] [2]",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b"[Infinity]",
        b"[" * 33 + b"]" * 33,
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
def test_what_is_no_usable_json_is_refused(data: bytes) -> None:
    with pytest.raises(Unavailable) as refused:
        read_json(data)
    assert refused.value.code == "aa.connector_json"


def test_brackets_inside_strings_are_no_depth() -> None:
    assert read_json(json.dumps({"a": '[{"\\' * 100}).encode())["a"].startswith("[{")
    assert read_json(b"[" * 32 + b"]" * 32)


@pytest.mark.parametrize(
    "number", ["7", "-0", "3.14159265358979323846264338327950288", "1e400", "12345678901234567890" * 20]
)
def test_numbers_are_given_as_they_were_written(number: str) -> None:
    assert values_at(read_json(f'{{"n": {number}}}'.encode()), ("n",)) == (number,)


def test_too_many_and_too_long_values_make_the_answer_unusable() -> None:
    assert len(picked("[]", [str(number) for number in range(1000)])) == 1000
    assert len(picked("[]", ["x" * 20_000])[0]) == 20_000
    for document in ([str(number) for number in range(1001)], ["x" * 20_001]):
        with pytest.raises(Unavailable) as unusable:
            picked("[]", document)
        assert unusable.value.code == "aa.connector_value"


@pytest.mark.parametrize("data", [b'"' + rb"\"" * 120_000, b'"a' * 80_000, b"[" * 31 + b'"' * 200_000, b"\\" * 240_000])
def test_reading_takes_time_in_proportion_to_the_size(data: bytes) -> None:
    begun = time.perf_counter()
    with pytest.raises(Unavailable):
        read_json(data)
    assert time.perf_counter() - begun < 1


_LEAVES = st.none() | st.booleans() | st.integers() | st.text()
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abcd"), inner), max_leaves=20
)


@settings(max_examples=40)
@given(_JSON, st.sampled_from(["a", "[].a", "a[]", "[0]", '["b"].d']))
def test_any_document_gives_texts_or_a_clear_refusal(document: object, path: str) -> None:
    code, values = "", ()
    try:
        values = picked(path, document)
    except Unavailable as problem:
        code = problem.code
    assert code in ("", "aa.connector_json")
    assert all(isinstance(value, str) and value for value in values)
