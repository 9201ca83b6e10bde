"""What a VO was: who was in which group, who could act in a role, who did what, and the whole history of a member.

Answered from the tables and their archives by index; who may know is decided elsewhere.
"""

from voms.history.deeds import deeds, known_as
from voms.history.of_member import history_of
from voms.history.past import Past
from voms.history.reports import Actor, Actors, Deed, Deeds, Event, Ground, Place, Presence
from voms.history.spans import Spans, Window

__all__ = [
    "Actor",
    "Actors",
    "Deed",
    "Deeds",
    "Event",
    "Ground",
    "Past",
    "Place",
    "Presence",
    "Spans",
    "Window",
    "deeds",
    "history_of",
    "known_as",
]
