"""Logos of home organisations: fetched, made small and kept by the service, so that nobody's browser tells a third party where it looks."""
