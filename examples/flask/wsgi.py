"""The application behind Ostiary; in a file of its own, so that tests can take the application without it."""

from sp_shire.flask import protect

from members import app

protect(app, "sp.yaml")
