"""The security headers of every page (DESIGN.md rules 13 and 14). Knows no page and no cookie."""

from functools import cache
from typing import Final

Headers = list[tuple[str, str]]

_HSTS: Final = "max-age=31536000"


def page_headers(
    *,
    https: bool,
    nonce: str | None = None,
    form_action: bool = True,
    own_scripts: bool = False,
    no_store: bool = True,
    images: str = "",
    geolocation: bool = False,
) -> Headers:
    """Headers of an ordinary HTML page.

    ``https``: the public URL is https. ``nonce``: allow the inline script that carries it. ``form_action``: False where a form's
    answer may redirect to another site, because browsers apply the directive to the whole chain of redirects. ``own_scripts``:
    allow script files of this origin, which may ask this origin for more. ``no_store``: False only for pages that are the same
    for everybody. ``images``: one more origin that pictures may come from (``https://host``), empty for none.
    ``geolocation``: its scripts may ask the person where she is.

    The referrer policy is ``same-origin``: with ``no-referrer`` a browser sends ``Origin: null`` even with a form's POST to its own
    origin (Fetch 3.1), and the CSRF check needs it.
    """
    return [
        (
            "Content-Security-Policy",
            _policy(nonce=nonce, own_scripts=own_scripts, form_action=form_action, images=images),
        ),
        ("Referrer-Policy", "same-origin"),
        ("Cache-Control", "no-store" if no_store else "no-cache"),
        *_everywhere(https, geolocation=geolocation),
    ]


def auto_post_headers(nonce: str, *, https: bool) -> Headers:
    """Headers of a page whose form carries a SAML message to another site and submits itself (SAML bindings 3.5.5.1).

    No ``form-action``: the receiver redirects, and browsers would check each hop. Never stored, no referrer.
    """
    before, after, others = _auto_post(https)
    return [("Content-Security-Policy", f"{before}{nonce}{after}"), *others]


@cache
def _auto_post(https: bool) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """The policy before and after the nonce, and the others: these pages go out at every sign-on."""
    before, _, after = _policy(nonce="\0", own_scripts=False, form_action=False).partition("\0")
    return (
        before,
        after,
        (
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
            ("Pragma", "no-cache"),
            *_everywhere(https),
        ),
    )


def asset_headers(*, https: bool, fingerprint: str, forever: bool, image: bool = False) -> Headers:
    """Headers of a style sheet, script or ``image``. ``forever`` where the URL itself carries the fingerprint of the content.

    An SVG that is opened by itself is a document of this origin: in a sandbox it runs nothing.
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox" if image else "default-src 'none'"
    return [
        ("Cache-Control", "public, max-age=31536000, immutable" if forever else "public, max-age=3600"),
        ("ETag", f'"{fingerprint}"'),
        ("Content-Security-Policy", f"{policy}; frame-ancestors 'none'"),
        *_everywhere(https),
    ]


def _everywhere(https: bool, *, geolocation: bool = False) -> Headers:
    headers = [
        ("X-Content-Type-Options", "nosniff"),
        ("Permissions-Policy", f"camera=(), geolocation=({'self' if geolocation else ''}), microphone=()"),
    ]
    return [*headers, ("Strict-Transport-Security", _HSTS)] if https else headers


def _policy(*, nonce: str | None, own_scripts: bool, form_action: bool, images: str = "") -> str:
    scripts = [
        source for source, wanted in (("'self'", own_scripts), (f"'nonce-{nonce}'", nonce is not None)) if wanted
    ]
    directives = [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self' data:" + (f" {images}" if images else ""),
        *(["script-src " + " ".join(scripts)] if scripts else []),
        *(["connect-src 'self'"] if own_scripts else []),
        "base-uri 'none'",
        "frame-ancestors 'none'",
        *(["form-action 'self'"] if form_action else []),
    ]
    return "; ".join(directives)
