"""A plain WSGI callable behind the SHIRE: whoever reaches it was let in, and its environment says who she is."""

from html import escape
from wsgiref.simple_server import make_server

from sp_shire import Ostiary, ShireMiddleware

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Visitors' book</title>
<style>
  :root { color-scheme: light dark; --accent: light-dark(#1f5c4d, #8fd0bd) }
  body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 38rem; margin: 3rem auto; padding: 0 1rem }
  h1 { padding-bottom: .4rem; border-bottom: .2rem solid var(--accent) }
  a { color: var(--accent) }
</style>
<main>
<h1>Visitors' book</h1>
<p>Good day, visitor. You are <strong>%(affiliation)s</strong>.</p>
<p>%(issuer)s vouches for you; you signed in there at %(time)s (UTC).</p>
<p><a href="/ostiary/session">What this page was told about you</a> · <a href="/ostiary/logout">Sign out</a></p>
</main>
</html>
"""


def visitors(environ, start_response):
    who = Ostiary.of(environ)
    known = {
        "affiliation": " and ".join(who.values("eduPersonScopedAffiliation")),
        "issuer": who.issuer,
        "time": who.authenticated_at.strftime("%H:%M"),
    }
    body = (PAGE % {name: escape(value) for name, value in known.items()}).encode()
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


application = ShireMiddleware(visitors, "sp.yaml")

if __name__ == "__main__":
    with make_server("127.0.0.1", 8080, application) as server:
        server.serve_forever()
