"""Addresses with places for values, which no value can leave."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from attribute_authority.connectors.url_template import fill_body, names_in, read_url_template
from ostiary.config import WrongSetting

TEMPLATE = "https://hr.example.org:8443/api/people/{principal}/card?fields=all&number={n}"


def test_values_are_put_into_their_places() -> None:
    template = read_url_template(TEMPLATE)
    assert template.names() == {"principal", "n"}
    assert template.fill({"principal": "a1-B_2.~", "n": "7"}) == (
        "https://hr.example.org:8443/api/people/a1-B_2.~/card?fields=all&number=7"
    )
    assert template.fill({"principal": "a/../b?x#y%2F", "n": "1&admin=1 +ü"}) == (
        "https://hr.example.org:8443/api/people/a%2F..%2Fb%3Fx%23y%252F/card?fields=all&number=1%26admin%3D1%20%2B%C3%BC"
    )


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_value_that_would_mean_another_address_names_nobody(value: str) -> None:
    assert read_url_template("https://a.example/people/{principal}").fill({"principal": value}) is None
    # Inside a longer segment, and in the query, it means nothing else.
    assert read_url_template("https://a.example/people/u-{principal}").fill({"principal": value}) is not None
    assert read_url_template("https://a.example/people?id={principal}").fill({"principal": value}) is not None


def test_two_values_cannot_make_dots_together() -> None:
    template = read_url_template("https://a.example/{a}{b}/x")
    assert template.fill({"a": ".", "b": "."}) is None
    assert template.fill({"a": ".", "b": "c"}) == "https://a.example/.c/x"


@pytest.mark.parametrize(
    "url",
    [
        "http://hr.example.org/{principal}",
        "ftp://hr.example.org/{principal}",
        "//hr.example.org/{principal}",
        "https://{principal}/x",
        "https://{principal}.example.org/x",
        "https://user@hr.example.org/{principal}",
        "https://user:secret@hr.example.org/{principal}",
        "https://hr.example.org/{principal}#x",
        "https://hr.example.org/x?{principal}=1",
        "https://hr.example.org/x?a=1&{principal}",
        "https://hr.example.org/{}",
        "https://hr.example.org/{principal",
        "https://hr.example.org/{{principal}}",
        "https://hr.example.org/{a b}",
        "https://hr.example.org/a b/{principal}",
        "https://hr.example.org/a\n/{principal}",
        "https://hr.example.org:99999/{principal}",
        "https://hr.example.org",
        "https://:80/{principal}",
        "{principal}",
        "https://hr.example.org/" + "a" * 2000,
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(WrongSetting) as refused:
        read_url_template(url)
    assert refused.value.code == "aa.http_url"
    assert "secret" not in refused.value.found


def test_http_is_for_this_machine_alone() -> None:
    for host in ("127.0.0.1:8080", "localhost", "[::1]:81"):
        assert read_url_template(f"http://{host}/{{principal}}").fill({"principal": "x"}) == f"http://{host}/x"


def test_a_body_is_filled_inside_its_strings() -> None:
    body = {"id": "{principal}", "filter": 'uid="{principal}"', "fields": "mail"}
    assert names_in(body) == {"principal"}
    assert fill_body(body, {"principal": '"}{principal}'}) == {
        "id": '"}{principal}',
        "filter": 'uid=""}{principal}"',
        "fields": "mail",
    }


@hypothesis_settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_no_value_changes_anything_but_its_own_place(principal: str, number: str) -> None:
    url = read_url_template(TEMPLATE).fill({"principal": principal, "n": number})
    if url is None:
        assert principal in ("", ".", "..")
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "hr.example.org:8443", "")
    assert [unquote(segment) for segment in parts.path.split("/")] == ["", "api", "people", principal, "card"]
    assert parse_qs(parts.query, keep_blank_values=True, strict_parsing=True) == {"fields": ["all"], "number": [number]}
