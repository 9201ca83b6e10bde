"""Search filters: read from configuration, filled with anything, written so that every reader finds the same tree again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.utils.asn1 import encode

from ostiary.config import WrongSetting
from ostiary.ldap.filters import (
    And,
    Compare,
    Extensible,
    Filter,
    Not,
    Or,
    Present,
    Substrings,
    equalities,
    fill,
    read_filter,
    write_filter,
)
from tests.ldap_server import elements, read

AWKWARD = [
    "*",
    "(",
    ")",
    "\\",
    "\0",
    "*)(uid=*",
    "ada)(|(uid=*",
    " ada ",
    "ä",
    "🦉",
    "a,b",
    "#a",
    "\\2a",
    "{login}",
    ":=",
    "~",
    "\n",
]


def over_the_wire(wanted: Filter) -> Filter:
    """What a server finds in the request that ldap3 makes of the filter's text."""
    tree = parse_filter(write_filter(wanted), None, False, True, None, False).elements[0]
    [element] = elements(encode(compile_filter(tree)))
    return read(element)


@pytest.mark.parametrize("typed", AWKWARD)
def test_what_somebody_types_stays_one_value(typed: str) -> None:
    template = read_filter("(&(objectClass=person)(|(uid={login})(mail={login}@example.org)))")
    filled = fill(template, "{login}", typed)
    assert filled == And(
        (
            Compare("objectClass", b"person"),
            Or((Compare("uid", typed.encode()), Compare("mail", f"{typed}@example.org".encode()))),
        )
    )
    assert over_the_wire(filled) == filled


attributes = st.from_regex(r"\A[A-Za-z][A-Za-z0-9-]{0,8}\Z").filter(lambda name: name.isascii())
values = st.binary(max_size=12) | st.text(max_size=8).map(lambda text: text.encode("utf-8", "surrogatepass"))
parts = st.binary(min_size=1, max_size=5)
single = (
    st.builds(Compare, attributes, values)
    | st.builds(Present, attributes)
    | st.builds(Substrings, attributes, values, st.lists(parts, max_size=2).map(tuple), parts)
)
filters = st.recursive(
    single,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda found: And(tuple(found)))
        | st.lists(inner, min_size=1, max_size=3).map(lambda found: Or(tuple(found)))
        | inner.map(Not)
    ),
    max_leaves=6,
)


@given(filters)
@settings(max_examples=100, deadline=None)
def test_every_filter_arrives_as_the_tree_that_it_was(wanted: Filter) -> None:
    assert write_filter(wanted).isascii()
    assert read_filter(write_filter(wanted)) == wanted
    assert over_the_wire(wanted) == wanted


@given(st.text(max_size=60))
@settings(max_examples=100)
def test_any_other_text_is_refused_by_its_code_and_by_nothing_else(text: str) -> None:
    found: Filter | None = None
    code = ""
    try:
        found = read_filter(text)
    except WrongSetting as problem:
        code = problem.code
    assert code == "ldap.filter" if found is None else read_filter(write_filter(found)) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(uid=ada)", Compare("uid", b"ada")),
        (" ( & (uid=ada) (!(employeeType=left)) ) ", And((Compare("uid", b"ada"), Not(Compare("employeeType", b"left"))))),
        ("(uid= ada )", Compare("uid", b" ada ")),
        ("(cn=*)", Present("cn")),
        ("(cn=a*b*c)", Substrings("cn", b"a", (b"b",), b"c")),
        ("(cn=*b)", Substrings("cn", b"", (), b"b")),
        ("(cn=\\2a\\28\\C3\\a4)", Compare("cn", b"*(\xc3\xa4")),
        ("(cn=ä)", Compare("cn", b"\xc3\xa4")),
        ("(uidNumber>=1000)", Compare("uidNumber", b"1000", ">=")),
        ("(uidNumber<=1000)", Compare("uidNumber", b"1000", "<=")),
        ("(cn~=ada)", Compare("cn", b"ada", "~=")),
        ("(cn=a:=b)", Compare("cn", b"a:=b")),
        ("(2.5.4.3=ada)", Compare("2.5.4.3", b"ada")),
        ("(cn;lang-en=ada)", Compare("cn;lang-en", b"ada")),
        (
            "(userAccountControl:1.2.840.113556.1.4.803:=2)",
            Extensible("userAccountControl", "1.2.840.113556.1.4.803", False, b"2"),
        ),
        ("(ou:dn:=people)", Extensible("ou", "", True, b"people")),
        ("(:dn:2.5.13.5:=a)", Extensible("", "2.5.13.5", True, b"a")),
        ("(&)", And(())),
        ("(|)", Or(())),
    ],
)  # fmt: skip
def test_a_filter_is_read_as_rfc_4515_says(text: str, expected: Filter) -> None:
    assert read_filter(text) == expected
    assert read_filter(write_filter(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "uid=ada",
        "(uid=ada",
        "(uid=ada))",
        "(uid=ada)(uid=bob)",
        "()",
        "(=ada)",
        "(uid)",
        "(u id=ada)",
        "(uid=a(b)",
        "(uid=\\zz)",
        "(uid=\\2)",
        "(cn=a**b)",
        "(uid>=a*)",
        "(!(uid=ada)(uid=bob))",
        "(!)",
        "(:=a)",
        "(cn:a:b:=c)",
        "(uid=\0)",
        "(uid=\ud800)",
        "(!" * 30 + "(uid=a)" + ")" * 30,
        f"(uid={'a' * 5000})",
    ],
)
def test_a_filter_that_says_nothing_clear_is_refused(text: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        read_filter(text)
    assert caught.value.code == "ldap.filter"
    assert caught.value.expected


def test_only_equalities_that_an_entry_may_match_by_count_as_names() -> None:
    wanted = read_filter("(&(objectClass=person)(|(uid={login})(cn={login}*)(sn>={login}))(!(mail={login})))")
    assert equalities(wanted) == (Compare("objectClass", b"person"), Compare("uid", b"{login}"))


def test_a_placeholder_is_filled_wherever_it_stands() -> None:
    template = read_filter("(&(cn={login}*x{login}y*{login})(!(uid:caseExactMatch:=<{login}>))(mail=*))")
    assert fill(template, "{login}", "a*b") == And(
        (
            Substrings("cn", b"a*b", (b"xa*by",), b"a*b"),
            Not(Extensible("uid", "caseExactMatch", False, b"<a*b>")),
            Present("mail"),
        )
    )
