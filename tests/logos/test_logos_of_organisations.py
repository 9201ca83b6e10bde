"""Logos: which is chosen, drawn small, kept, fetched from servers that mean no good, handed out."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image

from ostiary.clock import StandingClock
from ostiary.config.alone import alone
from ostiary.errors import ConfigurationError, Refusal
from ostiary.federation.directory import HomeOrganisation
from ostiary.federation.model import Logo
from ostiary.federation.summary import Summary
from ostiary.web.log import make_log
from wayf.logos.collecting import Collecting, data_octets, is_public
from wayf.logos.drawing import draw, drawn_small
from wayf.logos.serving import add_logos, logo_addresses
from wayf.logos.shelf import Shelf
from wayf.logos.which import chosen, kept_as
from wayf.settings import LogoSettings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(written, kind)
    return written.getvalue()


def opened(octets: bytes) -> tuple[str | None, tuple[int, int]]:
    with Image.open(io.BytesIO(octets)) as found:
        return found.format, found.size


def home(*logos: Logo) -> Summary:
    return Summary("https://home.example/idp", logos=logos)


# Which one


def test_the_logo_that_is_large_enough_and_most_square_is_chosen() -> None:
    tiny, wide, good, huge = (
        Logo(f"https://home.example/{width}.png", width, height)
        for width, height in ((16, 16), (300, 60), (100, 80), (1000, 800))
    )
    unknown = Logo("https://home.example/unknown.png", 0, 0)
    assert chosen(home(tiny, wide, huge, good, unknown)) == good
    assert chosen(home(tiny, wide)) == wide
    assert chosen(home(tiny, unknown)) == unknown
    assert chosen(home(tiny)) == tiny
    assert chosen(home()) is None
    assert chosen(home(Logo("data:image/png;base64," + "A" * 500_000, 80, 80))) is None
    assert kept_as(tiny) != kept_as(wide)


# Drawn


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "ICO"])
def test_pictures_of_the_usual_kinds_are_drawn_small(kind: str) -> None:
    assert opened(draw(picture(200, 100, kind))) == (
        "PNG",
        (80, 40) if kind != "ICO" else opened(draw(picture(200, 100, kind)))[1],
    )


def test_another_process_draws() -> None:
    assert opened(drawn_small(picture(20, 10))) == ("PNG", (20, 10))


@pytest.mark.parametrize(
    "octets",
    [SVG, b"", b"<html>", picture(100, 100)[:200], picture(5000, 5000)],
    ids=["svg", "nothing", "a page", "cut", "many pixels"],
)
def test_what_is_no_picture_or_too_large_is_refused(octets: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        drawn_small(octets)
    assert refused.value.code == "wayf.logo"
    assert "object at 0x" not in refused.value.found


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_colour_profile_is_not_passed_on(kind: str) -> None:
    written = io.BytesIO()
    Image.new("RGB", (100, 100)).save(written, kind, icc_profile=b"<script>" + bytes(50_000))
    small = draw(written.getvalue())
    assert "icc_profile" not in Image.open(io.BytesIO(small)).info
    assert len(small) < 1_000


def test_what_a_picture_carries_besides_pixels_stays_behind() -> None:
    written = io.BytesIO()
    marked = Image.new("RGB", (100, 100))
    exif = marked.getexif()
    exif[0x010E] = "taken at home"
    marked.save(written, "JPEG", exif=exif)
    assert b"taken at home" in written.getvalue()
    assert b"taken at home" not in draw(written.getvalue())


# Kept


def test_a_shelf_keeps_pictures_and_what_could_not_be_had(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "logos")
    key, other = "a" * 32, "b" * 32
    assert (shelf.has(key, NOW), shelf.read(key)) == (False, None)
    shelf.put(key, b"png", NOW)
    shelf.put(other, None, NOW)
    assert not shelf.has(key, NOW)
    later = NOW + timedelta(seconds=30)
    assert (shelf.has(key, later), shelf.has(other, later), shelf.read(key)) == (True, False, b"png")
    assert {name: (kept.is_there, kept.at) for name, kept in shelf.everything().items()} == {
        key: (True, NOW),
        other: (False, NOW),
    }
    shelf.put(key, None, later)
    assert shelf.read(key) == b"png"
    shelf.drop(key)
    assert shelf.read(key) is None


@pytest.mark.parametrize("key", ["../secret", "", "A" * 32, "a" * 31, "a" * 32 + "\n"])
def test_a_shelf_reads_nothing_by_other_names(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    assert Shelf(tmp_path / "logos").read(key) is None


def test_a_directory_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as refused:
        Shelf(tmp_path / "file" / "logos")
    assert refused.value.code == "wayf.logo_directory"


def test_a_directory_in_which_others_may_put_files_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(ConfigurationError) as refused:
        Shelf(shared)
    assert refused.value.code == "wayf.logo_directory"
    assert "mode 0777" in refused.value.found


# Fetched


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        kind, _, rest = self.path.strip("/").partition("/")
        octets = {"good": picture(160, 160), "svg": SVG, "large": b"x" * 600_000}.get(kind)
        if kind == "away":
            self.send_response(302)
            self.send_header("Location", f"/{rest}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif octets is None:
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

    def log_message(self, *arguments: object) -> None:
        return None


@contextmanager
def pictures() -> Iterator[tuple[str, list[str]]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    asked: list[str] = []
    server.asked = asked  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def collecting(
    tmp_path: Path, homes: list[Summary], *, private: bool = True, at: datetime = NOW
) -> tuple[Collecting, Shelf, io.StringIO]:
    settings = LogoSettings.model_validate(
        {"directory": str(tmp_path / "logos"), "pause": "0s", "within": "2s", "allow_private_addresses": private}
    )
    written = io.StringIO()
    clock = StandingClock(at)
    shelf = Shelf(settings.directory)
    made = Collecting(
        settings, shelf, lambda now: homes, clock=clock, log=make_log(clock, service="wayf", stream=written)
    )
    return made, shelf, written


def test_logos_are_fetched_once_and_bad_ones_are_remembered_as_such(tmp_path: Path) -> None:
    with pictures() as (base, asked):
        paths = ("good", "svg", "large", "gone", "away/good")
        logos = {path: Logo(f"{base}/{path}", 80, 80) for path in paths}
        homes = [Summary(f"https://{n}.example/idp", logos=(logo,)) for n, logo in enumerate(logos.values())]
        first, shelf, written = collecting(tmp_path, homes)
        assert first.round() == 5
        kept = {path: shelf.everything()[kept_as(logo)].is_there for path, logo in logos.items()}
        assert kept == {"good": True, "svg": False, "large": False, "gone": False, "away/good": True}
        assert opened(shelf.read(kept_as(logos["good"])) or b"") == ("PNG", (80, 80))
        assert {json.loads(line)["code"] for line in written.getvalue().splitlines()} == {
            "wayf.logo",
            "fetch.too_large",
            "fetch.missing",
        }
        asked.clear()
        assert first.round() == 0
        # What was not there is tried again after two days, what was there after two weeks.
        assert collecting(tmp_path, homes, at=NOW + timedelta(days=3))[0].round() == 3
        assert asked == ["/svg", "/large", "/gone"]


def test_addresses_of_the_inner_network_are_not_asked(tmp_path: Path) -> None:
    with pictures() as (base, asked):
        guarded, shelf, written = collecting(tmp_path, [home(Logo(f"{base}/good", 80, 80))], private=False)
        assert guarded.round() == 1
        assert asked == []
        assert "fetch.address" in written.getvalue()
        assert [kept.is_there for kept in shelf.everything().values()] == [False]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("::127.0.0.1", False),
        ("::ffff:0:10.0.0.1", False),
        ("64:ff9b:1::a00:1", False),
        ("64:ff9b::808:808", True),
        ("fec0::1", False),
        ("home.example", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) == public


def test_a_logo_inside_of_metadata_is_not_fetched(tmp_path: Path) -> None:
    inside = "data:image/png;base64," + base64.b64encode(picture(90, 90)).decode()
    made, shelf, _ = collecting(tmp_path, [home(Logo(inside, 90, 90))], private=False)
    assert made.round() == 1
    assert [kept.is_there for kept in shelf.everything().values()] == [True]


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,%%%", "data:image/png;base64,", "data:", "data:image/png;base64,A"]
)
def test_data_urls_that_hold_nothing_are_refused(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        data_octets(url)
    assert refused.value.code == "wayf.logo"


def test_one_process_collects_at_a_time(tmp_path: Path) -> None:
    inside = "data:image/png;base64," + base64.b64encode(picture(90, 90)).decode()
    made, shelf, _ = collecting(tmp_path, [home(Logo(inside, 90, 90))])
    with alone(shelf.lock, wait=True) as ours:
        assert ours
        assert made.round() == 0
    assert made.round() == 1


def test_logos_that_nobody_has_any_more_are_forgotten_after_a_month(tmp_path: Path) -> None:
    _, shelf, _ = collecting(tmp_path, [])
    shelf.put("a" * 32, b"png", NOW)
    collecting(tmp_path, [], at=NOW + timedelta(days=30))[0].round()
    assert list(shelf.everything()) == ["a" * 32]
    collecting(tmp_path, [], at=NOW + timedelta(days=31))[0].round()
    assert shelf.everything() == {}


# Handed out


def test_a_kept_logo_is_handed_out_as_nothing_but_a_picture(tmp_path: Path) -> None:
    shelf, app = Shelf(tmp_path / "logos"), Flask("wayf")
    add_logos(app, shelf)
    logo = Logo("https://home.example/logo.png", 80, 80)
    shelf.put(kept_as(logo), draw(picture(90, 90)), NOW)
    address = logo_addresses(shelf, StandingClock(NOW))
    with app.test_request_context():
        there = address(HomeOrganisation(home(logo)))
        assert there == f"/logo/{kept_as(logo)}.png"
        assert address(HomeOrganisation(home(Logo("https://home.example/other.png", 80, 80)))) is None
        assert address(HomeOrganisation(home())) is None
    answer = app.test_client().get(there)
    assert (answer.status_code, answer.content_type) == (200, "image/png")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    again = app.test_client().get(there, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert app.test_client().get("/logo/nothing.png").status_code == 404
