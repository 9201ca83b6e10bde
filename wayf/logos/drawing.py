"""Draws a logo anew, small: what comes from elsewhere is never sent on as it is. Runs in a process of its own, with little memory and time.

Only PNG, JPEG, GIF, WebP and ICO are looked at. SVG is a document that can do things, and is refused.
"""

import io
import os
import subprocess
import sys
from typing import Final

from ostiary.child_process import command_of, environment_of, limit
from ostiary.errors import Refusal
from wayf.logos.which import SIDE

FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP", "ICO")
MAXIMUM_PIXELS: Final = 16_000_000
_MEMORY: Final = 1024**3
_CPU_SECONDS: Final = 5
_WITHIN_SECONDS: Final = 20


def drawn_small(octets: bytes) -> bytes:
    """A PNG of at most `SIDE` pixels each way. Raises `Refusal` (``wayf.logo``)."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            command_of("wayf.logos.drawing"),
            input=octets,
            capture_output=True,
            env=environment_of({"PATH": os.environ.get("PATH", "")}),
            timeout=_WITHIN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _unusable("a picture that is drawn at once", "one that takes long") from None
    except OSError as error:
        raise _unusable("another process", error.strerror or "none") from None
    if done.returncode != 0 or not done.stdout.startswith(b"\x89PNG"):
        said = done.stderr[-300:].decode(errors="replace").strip().splitlines()
        raise _unusable(f"a picture: {', '.join(FORMATS)}", said[-1] if said else f"exit {done.returncode}")
    return done.stdout


def draw(octets: bytes) -> bytes:
    """The same in this process. Raises whatever Pillow raises."""
    from PIL import Image

    # Twice as many are an error, not a warning.
    Image.MAX_IMAGE_PIXELS = MAXIMUM_PIXELS // 2
    with Image.open(io.BytesIO(octets), formats=FORMATS) as picture:
        if picture.width * picture.height > MAXIMUM_PIXELS:
            raise ValueError(f"{picture.width} times {picture.height} pixels")
        # Before all pixels are there, where the format allows it.
        picture.draft("RGB", (SIDE * 4, SIDE * 4))
        small = picture.convert("RGBA")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    # Nothing but its pixels: a colour profile would be passed on as it came, whatever is in it.
    small.info.clear()
    written = io.BytesIO()
    small.save(written, "PNG", optimize=True)
    return written.getvalue()


def _unusable(expected: str, found: str) -> Refusal:
    return Refusal("wayf.logo", expected=expected, found=found)


def main() -> None:
    """A picture from standard input, a small one to standard output."""
    octets = sys.stdin.buffer.read()
    limit(memory=_MEMORY, cpu_seconds=_CPU_SECONDS)
    # Pictures and warnings about them are one stream; the parent reads the last line.
    try:
        small = draw(octets)
    except Exception as error:
        # What Pillow says of a file that is none of its pictures names an object in memory.
        said = str(error).partition(" <")[0]
        raise SystemExit(f"{type(error).__name__}: {said}"[:300]) from None
    sys.stdout.buffer.write(small)


if __name__ == "__main__":
    main()
