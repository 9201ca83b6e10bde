"""``ostiary serve proxy`` as a process of its own, spoken to over real connections: bodies stream, and nothing is held in memory."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.running_demo import free_base_port
from tests.simulator import state_of_today

MEGABYTE = 1 << 20
SIZE = 50 * MEGABYTE


def _serve(listening: socket.socket) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    """Counts a body, sends a large one, or breaks off in the middle of one."""
    with connection, connection.makefile("rb") as file:
        line = file.readline()
        headers = {}
        while (field := file.readline().strip()) != b"":
            name, _, value = field.partition(b":")
            headers[name] = value.strip()
        if line.startswith(b"POST"):
            left, count = int(headers[b"content-length"]), 0
            while left and (piece := file.read(min(left, 65536))):
                left, count = left - len(piece), count + len(piece)
            body = str(count).encode()
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)
            )
        elif b"/large" in line:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % SIZE)
            for _ in range(50):
                connection.sendall(b"x" * MEGABYTE)
        elif b"/chunked" in line:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")


@pytest.fixture(scope="module")
def proxy(state_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Its port and its process id. The pages asked for are not protected: nobody has to log in."""
    layout = state_of_today(state_template, tmp_path_factory.mktemp("federation") / "state")
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listening:
        thread = threading.Thread(target=_serve, args=(listening,), daemon=True)
        thread.start()
        port = free_base_port(1)
        config = layout.directory("library") / "sp.yaml"
        to = f"http://127.0.0.1:{listening.getsockname()[1]}"
        command = [sys.executable, "-m", "ostiary.command", "serve", "proxy", "--config", str(config)]
        output = tmp_path_factory.mktemp("proxy") / "output"
        with output.open("wb") as file:
            process = subprocess.Popen([*command, "--to", to, "--port", str(port)], stdout=file, stderr=file)
        try:
            _wait_until_it_answers(port, process, output)
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(output.read_text())


def ask(port: int, request: bytes, *, body: int = 0) -> tuple[bytes, int]:
    """The head of the answer and how much came after it, until the connection ended."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(request)
        for _ in range(body // MEGABYTE):
            connection.sendall(b"x" * MEGABYTE)
        received = bytearray()
        while b"\r\n\r\n" not in received:
            if not (piece := connection.recv(65536)):
                return bytes(received), 0
            received += piece
        head, _, rest = bytes(received).partition(b"\r\n\r\n")
        count = len(rest)
        while piece := connection.recv(MEGABYTE):
            count += len(piece)
    return head, count


def workers(process: int) -> list[psutil.Process]:
    return psutil.Process(process).children(recursive=True)


def peak(process: int) -> int:
    """The most memory that a worker has used so far, in bytes."""
    status = [Path(f"/proc/{worker.pid}/status").read_text() for worker in workers(process)]
    return max(int(text.partition("VmHWM:")[2].split()[0]) * 1024 for text in status if "VmHWM:" in text)


GET = b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def test_fifty_megabytes_pass_in_either_direction_and_are_not_held(proxy: tuple[int, int]) -> None:
    port, process = proxy
    ask(port, GET % b"/short")
    before = peak(process)
    head, _ = ask(
        port, b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % SIZE, body=SIZE
    )
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: 8" in head
    head, count = ask(port, GET % b"/large")
    assert (head.partition(b"\r\n")[0], count) == (b"HTTP/1.1 200 OK", SIZE)
    assert peak(process) - before < 15 * MEGABYTE


def test_an_answer_that_breaks_off_breaks_the_connection(proxy: tuple[int, int]) -> None:
    port, _ = proxy
    head, count = ask(port, GET % b"/short")
    assert (b"content-length: 10" in head, count) == (True, 4)
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(GET % b"/chunked")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.endswith(b"\r\n\r\n4\r\nhalf\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
        b"GET /a%2Fb HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nX : y\r\nConnection: close\r\n\r\n",
    ],
)
def test_a_request_that_can_be_read_in_two_ways_is_refused(proxy: tuple[int, int], request_: bytes) -> None:
    head, _ = ask(proxy[0], request_)
    assert head.startswith(b"HTTP/1.1 400 ")
