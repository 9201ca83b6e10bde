"""A page for everybody, and one for members."""

from django.urls import path

from reading_room.views import room, start

urlpatterns = [path("", start), path("room/", room)]
