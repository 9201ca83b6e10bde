"""The application behind Ostiary; in a file of its own, so that tests can take the application without it."""

from sp_shire.fastapi import ShireAsgiMiddleware

import measurements

app = ShireAsgiMiddleware(measurements.app, "sp.yaml")
