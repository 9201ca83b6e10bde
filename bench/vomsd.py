"""The real vomsd (Debian's voms-server and voms-mysql-plugin) over a MariaDB of its own, beside our service: the same CA, certificates and
member of 20 groups. Its process and those that it forks count; the database server does not.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
from cryptography import x509
from sqlalchemy import make_url

from ostiary.x509.names import issuer_bytes, slash_form_of, subject_bytes
from tests.database_servers import running_mariadb

_PROGRAMS: Final = ("/usr/sbin/voms", "/usr/lib/voms/libvomsmysql.so", "/usr/sbin/mariadbd")
_TABLES: Final = Path("/usr/share/voms/voms-mysql.data")
_VO: Final = "testvo"
_BEGIN: Final = """
INSERT INTO ca VALUES (1, '{issuer}', NULL);
INSERT INTO usr VALUES (1, '{subject}', 1, 'Emil', NULL, NULL);
INSERT INTO seqnumber VALUES ('00');
INSERT INTO version VALUES (2);
"""
_GROUP: Final = """
INSERT INTO `groups` VALUES ({number}, '{group}', 1, 1);
INSERT INTO m VALUES ({number}, 1, {number}, NULL, NULL);
"""


def measure_vomsd(
    directory: Path, groups: tuple[str, ...], ask: Callable[[int], bytes], *, requests: int, rounds: int
) -> float | str:
    """Milliseconds of CPU for one request, the best of the rounds, or why there is no figure. ``directory`` holds ``host``, ``user`` and
    the directory ``certificates``; ``ask`` asks the server at a port."""
    for path in (*_PROGRAMS, str(_TABLES)):
        if not Path(path).exists():
            return f"{path} is not installed"
    try:
        with running_mariadb() as url, _running(directory, url, groups) as (port, process):
            best = float("inf")
            for _ in range(rounds):
                ask(port)
                begin = _cpu(process)
                for _ in range(requests):
                    ask(port)
                best = min(best, (_cpu(process) - begin) / requests * 1000)
            return best
    except Exception as error:
        # A peer that fails takes nothing but its own figure with it.
        traceback.print_exc()
        return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _cpu(process: psutil.Process) -> float:
    """Of the server and of the children that it has waited for: it forks one for each connection."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


@contextmanager
def _running(directory: Path, url: str, groups: tuple[str, ...]) -> Iterator[tuple[int, psutil.Process]]:
    database = make_url(url)
    _fill(directory, database.username or "", str(database.password), database.port or 0, groups)
    home = Path(tempfile.mkdtemp(prefix="ostiary-vomsd-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secret = home / "password"
    secret.touch(mode=0o640)
    secret.write_text(f"{database.password}\n")
    options = {
        "vo": _VO,
        "port": port,
        "dbname": database.database,
        "username": database.username,
        "passfile": secret,
        "contactstring": "127.0.0.1",
        "mysql-port": database.port,
        "sqlloc": _PROGRAMS[1],
        "logfile": home / "log",
        "x509_cert_dir": directory / "certificates",
        "x509_user_cert": directory / "host.pem",
        "x509_user_key": directory / "host.key",
        "uri": f"localhost:{port}",
        "code": 1,
        "backlog": 50,
    }
    command = [_PROGRAMS[0], "-foreground", "-newformat", *(f"--{name}={value}" for name, value in options.items())]
    with (home / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=home, env={"PATH": os.environ["PATH"]})
    process.wait(20)
    server = None
    try:
        _await(port, home)
        # It goes on in a process of its own.
        server = next(
            each for each in psutil.process_iter(["cmdline"]) if f"--port={port}" in (each.info["cmdline"] or ())
        )
        yield port, server
    finally:
        if server is not None:
            server.terminate()
            server.wait(20)
        shutil.rmtree(home)


def _await(port: int, home: Path) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    told = "".join(path.read_text(errors="replace") for path in home.iterdir() if path.name in ("output", "log"))
    raise RuntimeError(f"vomsd does not listen: {told[-500:]}")


def _fill(directory: Path, user: str, password: str, port: int, groups: tuple[str, ...]) -> None:
    own = x509.load_pem_x509_certificate((directory / "user.pem").read_bytes())
    rows = _BEGIN.format(issuer=slash_form_of(issuer_bytes(own)), subject=slash_form_of(subject_bytes(own)))
    rows += "".join(_GROUP.format(number=number, group=group) for number, group in enumerate(groups, 1))
    subprocess.run(
        ["mariadb", "--no-defaults", "--host=127.0.0.1", f"--port={port}", f"--user={user}", user],
        input=_TABLES.read_text() + rows,
        env={"PATH": os.environ["PATH"], "MYSQL_PWD": password},
        text=True,
        check=True,
        capture_output=True,
    )
