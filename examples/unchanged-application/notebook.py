"""Stands for an application that can't be changed: it knows nothing of Ostiary, and believes the headers that it is sent.

python notebook.py PORT
"""

import sys
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lab notebook</title>
<style>
  :root {{ color-scheme: light dark; --accent: light-dark(#1f5c4d, #8fd0bd) }}
  body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 38rem; margin: 3rem auto; padding: 0 1rem }}
  h1 {{ padding-bottom: .4rem; border-bottom: .2rem solid var(--accent) }}
  a {{ color: var(--accent) }}
</style>
<main>
<h1>Lab notebook</h1>
<p>You are <strong>{affiliation}</strong>, says {idp}.</p>
{rest}
</main>
</html>
"""
OPEN = '<p>Anybody may read this page. <a href="/notebook/">The notebook itself</a> is for members.</p>'
NOTEBOOK = '<p><a href="/ostiary/session">What the notebook was told about you</a> · <a href="/ostiary/logout">Sign out</a></p>'


class Notebook(BaseHTTPRequestHandler):
    """Two pages."""

    def do_GET(self):
        affiliation = unquote(self.headers.get("Affiliation", "")) or "a guest"
        idp = unquote(self.headers.get("Ostiary-Idp", "")) or "nobody"
        rest = NOTEBOOK if self.path.startswith("/notebook") else OPEN
        body = PAGE.format(affiliation=escape(affiliation), idp=escape(idp), rest=rest).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Notebook).serve_forever()
