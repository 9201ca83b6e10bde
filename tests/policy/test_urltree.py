import pytest

from ostiary.errors import Refusal
from ostiary.policy.urltree import make_prefix, make_tree, read_path, read_url


@pytest.mark.parametrize(
    "url",
    [
        "https://library.example.org/app",
        "https://library.example.org/app/",
        "https://library.example.org/app/page?x=/../#top",
        "https://library.example.org:443/app",
        "HTTPS://Library.Example.Org/app",
        "https://library.example.org./app/x",
        "https://library.example.org/%61pp",
    ],
)
def test_a_url_below_the_tree_lies_in_it(url: str) -> None:
    location = read_url(url)
    assert location is not None
    assert make_tree("https://library.example.org/app").holds(location)


@pytest.mark.parametrize(
    "url",
    [
        "https://library.example.org/apple",
        "https://library.example.org/",
        "https://library.example.org/App",
        "https://library.example.org/other/app",
        "http://library.example.org/app",
        "https://library.example.org:8443/app",
        "https://library.example.org.evil.example/app",
        "https://evil.example/app",
    ],
)
def test_a_url_of_another_origin_or_path_lies_outside(url: str) -> None:
    location = read_url(url)
    assert location is not None
    tree = make_tree("https://library.example.org/app")
    assert not tree.holds(location)
    assert not tree.touches(location)


@pytest.mark.parametrize(
    "url",
    [
        "https://library.example.org@evil.example/app",
        "https://library.example.org:x@evil.example/app",
        "https://library.example.org/app/../admin",
        "https://library.example.org/app/./x",
        "https://library.example.org/app/%2e%2e/admin",
        "https://library.example.org/app/%2E%2E/admin",
        "https://library.example.org/app/%252e%252e/admin",
        "https://library.example.org/app/..;x/admin",
        "https://library.example.org/app%2fadmin",
        "https://library.example.org/app%252Fadmin",
        "https://library.example.org/app%5cadmin",
        "https://library.example.org\\@evil.example/app",
        "https://library.example.org/app%00",
        "https://library.example.org/app\n/x",
        "https://library.example.org/app%ff",
        "https://library.example.org:99999/app",
        "https://library.example.org:/app",
        "https:///app",
        "https:/library.example.org/app",
        "//library.example.org/app",
        "ftp://library.example.org/app",
        "javascript:alert(1)",
        "/app",
        "",
        "https://bücher.example/app",
        "https://library.example.org/" + "a" * 9000,
    ],
)
def test_a_url_that_hides_where_it_leads_is_not_read(url: str) -> None:
    assert read_url(url) is None


@pytest.mark.parametrize("url", ["https://h.example//app/x", "https://h.example/app;v=1/x", "https://h.example/;/app"])
def test_a_url_that_servers_read_differently_touches_the_tree_without_lying_in_it(url: str) -> None:
    location = read_url(url)
    assert location is not None
    tree = make_tree("https://h.example/app")
    assert tree.touches(location)
    assert not tree.holds(location)


def test_the_tree_of_a_host_holds_every_url_of_it() -> None:
    location = read_url("https://h.example//a;b/c")
    assert location is not None
    assert make_tree("https://h.example").holds(location)


@pytest.mark.parametrize(
    "url",
    [
        "library",
        "https://h.example/a/../b",
        "https://h.example/a?b=c",
        "https://h.example/a#b",
        "https://h.example//a",
        "ldap://h",
    ],
)
def test_a_tree_that_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        make_tree(url)
    assert refused.value.code == "policy.target"


@pytest.mark.parametrize("path", ["reports", "", "/a/../b", "/a//b", "/a?b", "/a%20b", "/a;b", "/a#b"])
def test_a_path_prefix_that_cannot_be_meant_is_refused(path: str) -> None:
    with pytest.raises(Refusal) as refused:
        make_prefix(path)
    assert refused.value.code == "policy.path"


@pytest.mark.parametrize(
    ("path", "readings"),
    [
        ("/", ((),)),
        ("/a/b/", (("a", "b"),)),
        ("/a//b", (("a", "", "b"), ("a", "b"))),
        ("/a;x/b", (("a;x", "b"), ("a", "b"))),
        (
            "/proxy/https://e.example/x",
            (("proxy", "https:", "", "e.example", "x"), ("proxy", "https:", "e.example", "x")),
        ),
        ("/100%", (("100%",),)),
        ("/a/..", ()),
        ("/a/%2e%2e/b", ()),
        ("/a\\b", ()),
        ("/a\x00", ()),
        ("*", ()),
    ],
)
def test_a_path_is_read_in_each_way_that_servers_read_it(path: str, readings: tuple[tuple[str, ...], ...]) -> None:
    assert read_path(path) == readings


@pytest.mark.parametrize(
    ("path", "readings"),
    [
        ("/%6cibrary/x", (("%6cibrary", "x"), ("library", "x"))),
        ("/100%", (("100%",),)),
        ("/%256cibrary", ()),
        ("/%25" + "25" * 2000, ()),
    ],
)
def test_a_path_that_a_second_server_would_decode_is_read_both_ways(
    path: str, readings: tuple[tuple[str, ...], ...]
) -> None:
    assert read_path(path) == readings
