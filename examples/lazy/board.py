"""A page that everybody may read, and that greets whoever is signed in. Only who wants to write has to sign in."""

from flask import Flask, redirect, render_template, request
from sp_shire.flask import protect

app = Flask(__name__)
notes = ["The seminar room is free on Fridays."]  # a real board keeps them in a database


@app.get("/")
def board():
    return render_template("board.html", notes=notes)


@app.get("/notes/new")
def form():
    return render_template("new.html")


@app.post("/notes/new")
def put_up():
    author = request.ostiary.values("eduPersonScopedAffiliation")[0]
    notes.append(f"{request.form['text'][:200]} ({author})")
    return redirect("/", 303)


protect(app, "sp.yaml")
