"""Heads of requests that were made to cost time."""

import time

import pytest

from ostiary.errors import Refusal
from ostiary.web.http_message import parse_head


@pytest.mark.parametrize(
    "value",
    [b" " * 60_000, b" " * 30_000 + b"a" + b" " * 30_000, b"a " * 30_000, b"\t" * 30_000 + b"a " * 15_000],
    ids=["blanks", "a letter among blanks", "letters and blanks", "tabs first"],
)
def test_a_field_with_many_blanks_is_refused_in_time_proportional_to_its_length(value: bytes) -> None:
    begin = time.process_time()
    with pytest.raises(Refusal) as caught:
        parse_head(b"GET / HTTP/1.1\r\nX:" + value + b"\x01\r\n\r\n", line_bytes=100_000, fields=64)
    assert caught.value.code == "listener.field"
    assert time.process_time() - begin < 2


def test_blanks_around_a_value_do_not_belong_to_it() -> None:
    head = parse_head(b"GET / HTTP/1.1\r\nA: \t x y\t \r\nB:\r\nC: \t\r\n\r\n", line_bytes=8_192, fields=64)
    assert dict(head.fields) == {"a": "x y", "b": "", "c": ""}
