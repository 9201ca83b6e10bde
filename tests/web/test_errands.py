"""Errands: done once, in order, after the answer; what goes wrong stays in the log."""

import io
import threading
from datetime import UTC, datetime

import pytest

from ostiary.errors import Refusal, Unavailable
from ostiary.web import errands
from ostiary.web.errands import ErrandsAfterwards, ErrandsAtOnce
from ostiary.web.log import make_log


class StillClock:
    def now(self) -> datetime:
        return datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def afterwards(stream: io.StringIO, waiting: int = 200) -> ErrandsAfterwards:
    return ErrandsAfterwards(make_log(StillClock(), service="test", stream=stream), waiting=waiting)


def test_errands_are_done_in_their_order_by_another_thread(stream: io.StringIO) -> None:
    done, ended = list[tuple[int, bool]](), threading.Event()
    own = threading.get_ident()
    waiting = afterwards(stream)
    for number in range(20):
        waiting.do("count", lambda number=number: done.append((number, threading.get_ident() != own)))
    waiting.do("end", ended.set)
    assert ended.wait(10)
    assert done == [(number, True) for number in range(20)]


def test_one_that_fails_does_not_stop_the_next(stream: io.StringIO) -> None:
    def crash() -> None:
        raise ZeroDivisionError

    def refuse() -> None:
        raise Refusal("mail.refused", found="550")

    ended = threading.Event()
    waiting = afterwards(stream)
    for name, errand in (("crashing", crash), ("refused", refuse), ("end", ended.set)):
        waiting.do(name, errand)
    assert ended.wait(10)
    assert '"event": "errand_crashed", "errand": "crashing"' in stream.getvalue()
    assert '"event": "errand_failed", "errand": "refused", "code": "mail.refused", "found": "550"' in stream.getvalue()


def test_what_is_unavailable_is_tried_again(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "_PAUSES", (0.0, 0.0))
    tries, ended = list[int](), threading.Event()

    def third_time_lucky() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise Unavailable("mail.unavailable")

    waiting = afterwards(stream)
    waiting.do("letter", third_time_lucky)
    waiting.do("end", ended.set)
    assert ended.wait(10)
    assert len(tries) == 3
    assert stream.getvalue() == ""


def test_what_stays_unavailable_is_given_up_and_told(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "_PAUSES", (0.0, 0.0))
    tries, ended = list[int](), threading.Event()

    def never() -> None:
        tries.append(1)
        raise Unavailable("mail.unavailable")

    waiting = afterwards(stream)
    waiting.do("letter", never)
    waiting.do("end", ended.set)
    assert ended.wait(10)
    assert len(tries) == 3
    assert stream.getvalue().count("errand_failed") == 1


def test_too_many_that_wait_are_refused_whatever_they_are(stream: io.StringIO) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(10)

    waiting = afterwards(stream, waiting=1)
    waiting.do("slow", slow)
    assert begun.wait(10)
    waiting.do("end", ended.set)
    with pytest.raises(Unavailable) as refused:
        waiting.do("one too many", lambda: None)
    assert refused.value.code == "web.busy"
    go_on.set()
    assert ended.wait(10)


def test_at_once_means_before_it_returns(stream: io.StringIO) -> None:
    done = list[int]()
    at_once = ErrandsAtOnce(make_log(StillClock(), service="test", stream=stream))
    at_once.do("count", lambda: done.append(1))

    def refuse() -> None:
        raise Refusal("mail.refused")

    at_once.do("refused", refuse)
    assert done == [1]
    assert "mail.refused" in stream.getvalue()
