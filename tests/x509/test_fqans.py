"""Groups and roles of a VO by their names, in both forms that are on the wire."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.x509.fqan import Fqan, parse_fqan
from tests.x509.authorities import error_code

name = st.text("abcXYZ019_.-", min_size=1, max_size=8)
fqans = st.builds(
    lambda parts, role: Fqan("/" + "/".join(parts), role),
    st.lists(name, min_size=1, max_size=4),
    st.none() | name.filter(lambda text: text != "NULL"),
)


@pytest.mark.parametrize(
    ("text", "group", "role", "vo"),
    [
        ("/testvo", "/testvo", None, "testvo"),
        ("/testvo/g1/sub", "/testvo/g1/sub", None, "testvo"),
        ("/testvo/Role=NULL/Capability=NULL", "/testvo", None, "testvo"),
        ("/testvo/g1/Role=admin/Capability=NULL", "/testvo/g1", "admin", "testvo"),
        ("/testvo/g1/Role=admin", "/testvo/g1", "admin", "testvo"),
        ("/testvo/g1/Capability=NULL", "/testvo/g1", None, "testvo"),
        ("/vo.example.org/a-b_c.d", "/vo.example.org/a-b_c.d", None, "vo.example.org"),
    ],
)
def test_both_forms_are_read(text: str, group: str, role: str | None, vo: str) -> None:
    assert parse_fqan(text) == Fqan(group, role)
    assert parse_fqan(text).vo == vo


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "testvo",
        "/testvo/",
        "//testvo",
        "/testvo\n",
        "/testvo/g 1",
        "/testvo/Role=",
        "/testvo/Role=admin/g1",
        "/testvo/Role=a/Role=b",
        "/testvo/Capability=x",
        "/testvo/Role=NULL/Capability=x",
        "/Role=admin",
        "/testvo/grüppe",
        "/testvo/role=admin",
        "/" + "a" * 255,
    ],
)
def test_what_is_no_fqan_is_refused(text: str) -> None:
    assert error_code(lambda: parse_fqan(text)) == "x509.fqan"


def test_255_characters_are_allowed() -> None:
    assert parse_fqan("/" + "a" * 254).group == "/" + "a" * 254


def test_both_forms_are_written() -> None:
    assert Fqan("/testvo").short() == "/testvo"
    assert Fqan("/testvo").long() == "/testvo/Role=NULL/Capability=NULL"
    assert str(Fqan("/testvo/g1", "admin")) == "/testvo/g1/Role=admin"
    assert Fqan("/testvo/g1", "admin").long() == "/testvo/g1/Role=admin/Capability=NULL"


@given(fqans)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_again(fqan: Fqan) -> None:
    assert parse_fqan(fqan.short()) == fqan
    assert parse_fqan(fqan.long()) == fqan
