"""Who is an operator: by address where that means something, or by a token; in doubt nobody."""

import ipaddress

import pytest

from ostiary.web.operators import Asked, Surroundings, who_asks

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
TOKEN = b"0123456789abcdef0123456789abcdef"
DIRECT = Surroundings("localhost:8001", https=False, trusted_proxies=0)
HIDDEN = Surroundings("login.example.org", https=True, trusted_proxies=0)
BEHIND_ONE = Surroundings("login.example.org", https=True, trusted_proxies=1)


def asked(
    address: str = "127.0.0.1", host: str = "localhost:8001", forwarded: bool = False, authorization: str | None = None
) -> Asked:
    return Asked(address, host, forwarded, authorization)


@pytest.mark.parametrize(
    ("request_", "around", "allowed"),
    [
        (asked(), DIRECT, "address"),
        (asked("::1"), DIRECT, "address"),
        (asked("::ffff:127.0.0.1"), DIRECT, "address"),
        (asked(host="127.0.0.1:8001"), DIRECT, "address"),
        (asked(host="[::1]:8001"), DIRECT, "address"),
        (asked("192.0.2.1"), DIRECT, None),
        (asked(""), DIRECT, None),
        (asked("localhost"), DIRECT, None),
        # A name of somebody else's that leads here: a page in the operator's own browser would read the answer.
        (asked(host="rebound.example"), DIRECT, None),
        (asked(host="rebound.example:8001"), DIRECT, None),
        (asked(host=""), DIRECT, None),
        # Everybody in the world has the address of a proxy that nobody told us of.
        (asked(forwarded=True), DIRECT, None),
        (asked(host="login.example.org"), HIDDEN, None),
        (asked(host="127.0.0.1"), HIDDEN, None),
        (asked("192.0.2.1", host="login.example.org", forwarded=True), BEHIND_ONE, None),
        (asked(host="127.0.0.1:8001"), BEHIND_ONE, "address"),
    ],
)
def test_an_address_counts_where_it_is_the_clients_own(
    request_: Asked, around: Surroundings, allowed: str | None
) -> None:
    assert who_asks(request_, around, LOOPBACK, TOKEN) == allowed


@pytest.mark.parametrize(
    ("authorization", "allowed"),
    [
        ("Bearer " + TOKEN.decode(), "token"),
        ("bearer " + TOKEN.decode(), "token"),
        ("Bearer " + TOKEN.decode()[:-1], None),
        ("Bearer " + TOKEN.decode() + "x", None),
        ("Bearer", None),
        ("Bearer \udce9", None),
        ("Basic " + TOKEN.decode(), None),
        (TOKEN.decode(), None),
        ("", None),
    ],
)
def test_a_token_counts_wherever_it_comes_from(authorization: str, allowed: str | None) -> None:
    from_elsewhere = asked("192.0.2.1", "login.example.org", True, authorization)
    assert who_asks(from_elsewhere, HIDDEN, LOOPBACK, TOKEN) == allowed


def test_without_a_token_none_is_right() -> None:
    for given in ("Bearer ", "Bearer", "Bearer None"):
        assert who_asks(asked("192.0.2.1", authorization=given), DIRECT, LOOPBACK, None) is None


def test_a_wrong_token_is_not_made_good_by_the_address() -> None:
    assert who_asks(asked(authorization="Bearer wrong"), DIRECT, LOOPBACK, TOKEN) is None


def test_no_address_is_an_operator_where_none_is_configured() -> None:
    assert who_asks(asked(), DIRECT, (), TOKEN) is None
