"""Security headers of ordinary pages, auto-POST pages and files."""

from ostiary.web.headers import asset_headers, auto_post_headers, page_headers


def test_an_ordinary_page_allows_its_own_style_and_nothing_else() -> None:
    assert dict(page_headers(https=False)) == {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none';"
        " frame-ancestors 'none'; form-action 'self'",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }


def test_an_auto_post_page_runs_only_its_own_script_and_does_not_limit_where_the_form_goes() -> None:
    headers = dict(auto_post_headers("n0nce", https=True))
    policy = headers["Content-Security-Policy"]
    assert "script-src 'nonce-n0nce'" in policy
    assert "form-action" not in policy
    assert "'unsafe-inline'" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


def test_https_is_remembered_only_where_there_is_https() -> None:
    assert ("Strict-Transport-Security", "max-age=31536000") in page_headers(https=True)
    assert "Strict-Transport-Security" not in dict(page_headers(https=False))
    assert "Strict-Transport-Security" in dict(asset_headers(https=True, fingerprint="ab", forever=True))


def test_scripts_and_redirecting_forms_are_allowed_only_when_asked_for() -> None:
    policy = dict(page_headers(https=True, own_scripts=True, form_action=False))["Content-Security-Policy"]
    assert "script-src 'self'; connect-src 'self';" in policy
    assert "form-action" not in policy
    assert "script-src" not in dict(page_headers(https=True))["Content-Security-Policy"]


def test_a_file_named_by_its_content_is_kept_for_a_year() -> None:
    assert (
        dict(asset_headers(https=False, fingerprint="ab", forever=True))["Cache-Control"]
        == "public, max-age=31536000, immutable"
    )
    assert dict(asset_headers(https=False, fingerprint="ab", forever=False))["Cache-Control"] == "public, max-age=3600"
    assert dict(asset_headers(https=False, fingerprint="ab", forever=False))["ETag"] == '"ab"'


def test_pictures_come_from_one_more_place_only_when_asked_for() -> None:
    policy = dict(page_headers(https=True, images="https://library.example"))["Content-Security-Policy"]
    assert "img-src 'self' data: https://library.example;" in policy
    assert "img-src 'self' data:;" in dict(page_headers(https=True))["Content-Security-Policy"]
