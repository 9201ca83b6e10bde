"""A Flask application with a page for everybody and pages for members."""

from flask import Flask, render_template, request

app = Flask(__name__)


@app.get("/")
def start():
    return render_template("start.html")


@app.get("/members/")
def members():
    who = request.ostiary
    return render_template("members.html", who=who, affiliations=who.values("eduPersonScopedAffiliation"))
