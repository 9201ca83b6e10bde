"""A FastAPI application: a page, data for programs, and a WebSocket that shows what is measured."""

import asyncio
import math
import time
from html import escape

from fastapi import FastAPI, WebSocket
from fastapi.responses import HTMLResponse
from sp_shire.fastapi import CurrentOstiary

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Measurements</title>
<style>
  :root {{ color-scheme: light dark; --accent: light-dark(#1f5c4d, #8fd0bd) }}
  body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 38rem; margin: 3rem auto; padding: 0 1rem }}
  h1 {{ padding-bottom: .4rem; border-bottom: .2rem solid var(--accent) }}
  a {{ color: var(--accent) }}
</style>
<main>
<h1>Measurements</h1>
{content}
</main>
</html>
"""
START = '<p>Anybody may read this page. <a href="/measurements/">The measurements</a> are for members.</p>'
SHOWN = """<p>Hello, {affiliation} of {issuer}.</p>
<p>The detector stands at <output id="value" aria-live="off">…</output>.</p>
<p><a href="/ostiary/session">What this page was told about you</a> · <a href="{logout}">Sign out</a></p>
<script>
  const live = new WebSocket("live");
  live.onmessage = (message) => {{ document.getElementById("value").textContent = message.data; }};
</script>"""

app = FastAPI()


def measured() -> float:
    return round(20 + 5 * math.sin(time.time() / 10), 2)


@app.get("/", response_class=HTMLResponse)
def start() -> str:
    return PAGE.format(content=START)


@app.get("/measurements/", response_class=HTMLResponse)
def page(who: CurrentOstiary) -> str:
    affiliation = " and ".join(who.values("eduPersonScopedAffiliation"))
    told = {"affiliation": affiliation, "issuer": who.issuer or "", "logout": who.logout_url()}
    return PAGE.format(content=SHOWN.format_map({name: escape(text) for name, text in told.items()}))


@app.get("/measurements/latest")
def latest() -> dict[str, float]:
    return {"celsius": measured()}


@app.websocket("/measurements/live")
async def live(socket: WebSocket) -> None:
    await socket.accept()
    while True:
        await socket.send_text(f"{measured()} °C")
        await asyncio.sleep(1)
