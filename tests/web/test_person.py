"""Who is logged in, read from the WSGI environ; and what importing that may cost a protected application."""

import subprocess
import sys
from datetime import UTC, datetime

from ostiary.attributes import make_attribute
from ostiary.web import PERSON_KEY, Person, person

ADA = Person(
    issuer="https://idp.example.org",
    name_id="_handle",
    attributes=(make_attribute("mail", ["ada@example.org"]),),
    authenticated_at=datetime(2026, 11, 22, 3, 30, tzinfo=UTC),
    session_index="_s1",
)


def test_the_person_whom_the_middleware_put_there_is_found() -> None:
    assert person({PERSON_KEY: ADA}) == ADA


def test_nobody_is_logged_in_without_the_middleware() -> None:
    assert person({}) is None


def test_a_header_of_the_client_makes_nobody_a_person() -> None:
    assert person({"HTTP_OSTIARY_PERSON": "ada", "HTTP_OSTIARY.PERSON": ADA}) is None
    assert person({PERSON_KEY: "ada"}) is None


def test_the_middleware_half_of_the_shell_needs_neither_flask_nor_sqlalchemy() -> None:
    program = (
        "import sys, ostiary.web, ostiary.web.texts, ostiary.web.pages, ostiary.web.headers, ostiary.web.cookies, ostiary.web.forms,"
        " ostiary.web.log, ostiary.web.identity, ostiary.web.assets, ostiary.web.error_list\n"
        "print(sorted({'flask', 'werkzeug', 'sqlalchemy', 'alembic', 'argon2', 'ldap3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
