"""The two pages."""

from django.shortcuts import render


def start(request):
    return render(request, "start.html")


def room(request):
    who = request.ostiary
    affiliations = who.values("eduPersonScopedAffiliation")
    return render(request, "room.html", {"who": who, "affiliations": affiliations})
