"""The home organisations that a person may choose from, and the search among them."""

from ostiary.federation.directory.folding import fold
from ostiary.federation.directory.homes import Found, HomeOrganisation
from ostiary.federation.directory.nearby import Nearby
from ostiary.federation.directory.searching import Directory

__all__ = ["Directory", "Found", "HomeOrganisation", "Nearby", "fold"]
